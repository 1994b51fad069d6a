"""A scenario from a file or from the catalogue, checked, with all that is wrong at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import Problem, ScenarioError
from . import ber_series, catalogue, checks, explain, keys, like, yaml_file
from .found import Found, Place
from .schema import Event, Line, Nic, Scenario, Site, Work
from .settings import apply_settings

MOST_TOLD = 500
"""Errors that are told at once; nobody reads more, and each takes milliseconds to explain."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario and where it is from.

    ``text`` is YAML that gives this scenario without settings; ``origin`` is the file's path,
    or the built-in's name.
    """

    scenario: Scenario
    text: str
    origin: str


def load(path_or_name: str | Path, settings: Sequence[str] = ()) -> LoadedScenario:
    """Read and check a scenario.

    ``path_or_name`` is a file if it has a suffix or a folder ("my.yaml", "./my"), otherwise
    the name of a built-in one. ``settings`` are "KEY=VALUE", with dotted keys
    ("lines.0.distance=100 km"), laid over the file in the order given.

    Raises ScenarioError with every problem that was found.
    """
    origin = str(path_or_name)
    return loads(_read(path_or_name), settings, origin=origin)


def loads(text: str, settings: Sequence[str] = (), *, origin: str = "scenario") -> LoadedScenario:
    """Check a scenario given as YAML text; otherwise as ``load``."""
    problems: list[Problem] = []
    original = yaml_file.parse(text, origin, problems)
    if not isinstance(original, dict):
        what = "is empty" if original is None else "must be a mapping (key: value) at the top"
        raise ScenarioError([Problem(what, origin, 1, 1), *problems])
    data, wrong = yaml_file.plain(original, origin)
    edited = original
    set_keys: list[str] = []
    if settings:
        # Read anew: the original keeps the positions, this copy takes the settings.
        edited = yaml_file.parse(text, origin, [])
        set_keys, refused = apply_settings(edited, settings)
        problems += refused
        data, wrong = yaml_file.plain(edited, origin)
        text = yaml_file.dump(edited)
    if ber_series.series_files(data):
        edited = yaml_file.parse(text, origin, [])
        for problem, place in ber_series.put_in(edited, origin):
            problems.append(problem)
            wrong.append((Found([place], "names this file"), False))
        data, _ = yaml_file.plain(edited, origin)
        text = yaml_file.dump(edited)
    places = explain.Places(origin, original, data, set_keys)
    scenario, found = _check(data)
    all_found = wrong + found
    many = len(problems) + len(all_found) > MOST_TOLD
    problems = problems[:MOST_TOLD]
    problems += [places.problem(one, of_key=of_key) for one, of_key in all_found[:MOST_TOLD]]
    if problems or scenario is None:
        told = sorted(dict.fromkeys(problems), key=_file_order)
        if many:
            told.append(Problem("has more errors than these; put these right first", origin))
        raise ScenarioError(told)
    return LoadedScenario(scenario, text, origin)


def _file_order(problem: Problem) -> tuple[bool, int, int]:
    return problem.setting is not None, problem.line or 0, problem.column or 0


def _read(path_or_name: str | Path) -> str:
    """Return the text of a file or a built-in scenario."""
    given = str(path_or_name)
    if not given:
        raise ScenarioError([Problem("the scenario's name is empty; " + _choice())])
    path = Path(given)
    by_name = isinstance(path_or_name, str) and not path.suffix and path.name == given
    if by_name:
        return catalogue.read(given)
    try:
        with path.open("rb") as file:
            data = file.read(yaml_file.MOST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot be read: {reason.lower()}"
        if path.stem in catalogue.names():
            message += f"; the built-in one is named {path.stem!r}, without a suffix"
        raise ScenarioError([Problem(message, given)]) from None
    return yaml_file.decode(data, given)


def _choice() -> str:
    names = ", ".join(catalogue.names())
    return f"give a YAML file, or a built-in by name: {names}"


def _check(data: Any) -> tuple[Scenario | None, list[tuple[Found, bool]]]:
    """Validate a plain mapping; findings come with whether they are about a key."""
    data, wrong_likes = like.resolve(data)
    found = [(one, False) for one in wrong_likes]
    alike = _with_like(data)
    for one in wrong_likes:
        del data["sites"][one.places[0][1]]["like"]
    try:
        return Scenario.model_validate(data), found
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # Hosts that a site would have by its "like": what is wrong is told of that.
    errors = [one for one in errors if one["type"] != "missing" or one["loc"] not in alike]
    for details in errors[: MOST_TOLD + 1]:
        found += explain.found_in(details)
    if any(details["loc"] for details in errors):  # the checks across sections did not run
        found += [(one, False) for one in _across_what_is_right(data)]
    return None, found


def _with_like(data: Any) -> set[Place]:
    """Return the place of the hosts of each site that has a "like"."""
    sites = data.get("sites") if isinstance(data, dict) else None
    named = sites.items() if isinstance(sites, dict) else ()
    return {
        ("sites", name, "hosts")
        for name, site in named
        if isinstance(site, dict) and "like" in site
    }


def _across_what_is_right(data: Any) -> list[Found]:
    """Check across sections all the same, with stand-ins for what is wrong.

    Whatever follows from a stand-in is left out.
    """
    sites, lines, rows = data.get("sites"), data.get("lines", []), data.get("traffic", [])
    if not isinstance(sites, dict) or not sites or not isinstance(lines, list):
        return []
    rows = rows if isinstance(rows, list) else []
    events = data.get("events", [])
    events = events if isinstance(events, list) else []
    wrong: set[Place] = set()
    found = checks.across(
        {name: _mended(Site, site, ("sites", name), wrong) for name, site in sites.items()},
        [_mended(Line, line, ("lines", i), wrong) for i, line in enumerate(lines)],
        [_mended(Work, row, ("traffic", i), wrong) for i, row in enumerate(rows)],
        _mended(Nic, data.get("nic", {}), ("nic",), wrong),
        [str(row["name"]) for row in rows if isinstance(row, dict) and "name" in row],
        [_mended(Event, row, ("events", i), wrong) for i, row in enumerate(events)],
    )
    above = {place[:steps] for place in wrong for steps in range(len(place) + 1)}
    return [one for one in found if not any(_touches(p, wrong, above) for p in one.places)]


def _mended(model: Any, value: Any, place: Place, wrong: set[Place]) -> Any:
    """Return a section with a stand-in for each wrong key, or None if that is not enough.

    Adds the places of the wrong keys to ``wrong``.
    """
    for _ in range(2):
        try:
            return model.model_validate(value)
        except ValidationError as error:
            if not isinstance(value, dict):
                return None
            value = dict(value)
            for details in error.errors(include_url=False):
                if not details["loc"]:
                    return None  # what is wrong is about the section as a whole
                key = str(details["loc"][0])
                wrong.add((*place, key))
                value.pop(key, None)
                value |= keys.stand_in(model, key)
    return None


def _touches(place: Place, wrong: set[Place], above: set[Place]) -> bool:
    """Whether a wrong place is this one, or below it (so this is ``above`` it), or above it."""
    return place in above or any(place[:steps] in wrong for steps in range(len(place)))
