"""KEY=VALUE settings from the command line, laid over a scenario's tree."""

import copy
from collections.abc import Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ..errors import Problem, ScenarioError
from . import keys, yaml_file
from .found import Place, among, is_index
from .schema import Scenario
from .units import shorten

EXAMPLE = "write KEY=VALUE, like lines.0.distance=100 km"


class _RefusedError(Exception):
    """Why a setting cannot be made."""


def apply_settings(tree: CommentedMap, settings: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Make each setting in ``tree`` (modified in place), in the order given.

    Returns the keys that were set, and what was wrong with the other settings.
    """
    done, problems = [], []
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        try:
            if not equals or not key:
                raise _RefusedError(EXAMPLE)
            _set(tree, key, _value(text))
            done.append(key)
        except _RefusedError as error:
            problems.append(Problem(str(error), setting=key or shorten(setting)))
    return done, problems


def place_of(dotted: str) -> Place:
    """Return the place that a setting's key names; a number is a list index."""
    return tuple(int(part) if is_index(part) else part for part in dotted.split("."))


def _value(text: str) -> Any:
    if not text.strip():
        return None
    try:
        value = yaml_file.parse(text, "")
        wrong = yaml_file.plain(value, "")[1]
    except ScenarioError as error:
        raise _RefusedError(f"{shorten(text)}: {error.problems[0].message}") from None
    if wrong:
        raise _RefusedError(f"{shorten(text)}: {wrong[0][0].message}")
    return value


def _set(tree: CommentedMap, dotted: str, value: Any) -> None:
    here: Any = tree
    annotation: Any = Scenario
    parts = dotted.split(".")
    place: Place = ()
    for step, part in enumerate(parts):
        key = _key(here, annotation, part, place)
        place = (*place, key)
        annotation = keys.child(annotation, key)
        if step == len(parts) - 1:
            _replace(here, key, value)
        else:
            here = _open(here, key, annotation, place)


def _key(here: Any, annotation: Any, part: str, place: Place) -> str | int:
    """Return the key or list index that ``part`` is here."""
    above = ".".join(map(str, place))
    if isinstance(here, list):
        if not is_index(part) or int(part[:9]) >= len(here):
            has = f"0 to {len(here) - 1}" if len(here) > 1 else "0 only" if here else "none"
            raise _RefusedError(f"no entry {part[:40]!r} in {above}, which has {has}")
        return int(part)
    model = keys.section(annotation)
    if model is not None:
        allowed = keys.names(model)
        if part in model.keys_for_later:
            raise _RefusedError(f"{part!r} is not built yet")
        if part not in allowed:
            inside = f" in {above}" if above else ""
            raise _RefusedError(f"unknown key {part[:40]!r}{inside}; {among(part, allowed)}")
        return part
    if part not in here:  # a mapping by name, like sites
        names = [str(key) for key in here]
        raise _RefusedError(f"no {part[:40]!r} in {above}; {among(part, names, above)}")
    return part


def _open(here: Any, key: str | int, annotation: Any, place: Place) -> Any:
    """Return what is at ``key`` as a mapping or list that may be changed."""
    below = here.get(key) if isinstance(here, CommentedMap) else here[key]
    model = keys.section(annotation)
    if isinstance(below, (CommentedMap, CommentedSeq)):
        # A copy: an alias elsewhere in the file may stand for the same object.
        below = copy.deepcopy(below)
    elif model is not None and (below is None or below == "none"):
        below = CommentedMap()
    elif model is not None and model.short_form and isinstance(below, str):
        below = CommentedMap({model.short_form: below})
    else:
        dotted = ".".join(map(str, place))
        what = "has no entries" if below is None else f"is {shorten(below)}"
        raise _RefusedError(f"{dotted} {what}, so nothing can be set below it")
    _put(here, key, below)
    return below


def _replace(here: Any, key: str | int, value: Any) -> None:
    if isinstance(here, CommentedMap):
        for short, long in (("priority", "priorities"), ("priorities", "priority")):
            if key == short and long in here:
                del here[long]
        old = here.get(key)
        comment = (here.ca.items.get(key) or [None] * 4)[2]
        text = getattr(comment, "value", "")
        if text.lstrip().startswith("#"):
            # What the comment said of the old value no longer holds.
            _, newline, rest = text.partition("\n")
            comment.value = f"# set on the command line, was {shorten(old)}{newline}{rest}"
    _put(here, key, value)


def _put(here: Any, key: str | int, value: Any) -> None:
    if isinstance(here, CommentedMap) and key not in here:
        # Not at the end: there ruamel.yaml keeps the blank lines and comments that follow.
        here.insert(0 if "name" not in here else 1, key, value)
    else:
        here[key] = value
