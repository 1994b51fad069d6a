"""What pydantic and the checks found, said to the person who wrote the file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Problem
from ..theory import ack_timeout_ps
from . import checks, keys, like, limits, settings, site, yaml_file
from .found import Found, Place, among
from .limits import MOST_TIMEOUT
from .units import QuantityError, parse_time, shorten, show_time

_NAMES = {
    limits.SITE_NAME: "a site's name is small letters, digits, - and _, a letter first",
    limits.NAME: "a name is letters, digits, - and _, a letter first",
    checks.CONVERGENCE: "write it like '4:1'",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "finite_number": "a finite number",
    "int_from_float": "a whole number",
}
_NUMBER = re.compile(r"\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([A-Za-z/]{0,10})")


def found_in(error: Mapping[str, Any]) -> list[tuple[Found, bool]]:
    """Turn one of pydantic's errors into findings, each with whether it is about a key."""
    place: Place = tuple(error["loc"])
    if error["type"] == "refused":
        return [(found.below(*place), False) for found in error["ctx"]["problems"]]
    if error["type"] == "pair":  # two keys that do not fit; either may be to blame
        other = (*place[:-1], error["ctx"]["other"])
        return [(Found([place, other], error["ctx"]["text"]), False)]
    of_key = error["type"] in ("extra_forbidden", "missing")
    if place and place[-1] == "[key]":
        place, of_key = place[:-1], True
    return [(Found([place], _message(error, place)), of_key)]


def _message(error: Mapping[str, Any], place: Place) -> str:
    kind, given = error["type"], error["input"]
    context = error.get("ctx", {})
    got = shorten(given)
    if kind == "missing":
        example = keys.example(place)
        return "is missing" + (f", for example '{example}'" if example else "")
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "value_error":
        choices = keys.choices(place)
        return str(context["error"]) + (f"; allowed: {', '.join(choices)}" if choices else "")
    if kind == "literal_error":
        choices = keys.choices(place)
        if choices[0].isdigit():  # near spellings are no near numbers
            as_number = _as_number(given, choices)
            return f"got {got}{as_number}; allowed: {', '.join(choices)}"
        if str(given) in choices:  # a number as text
            return f"got {given!r}, write {given}; allowed: {', '.join(choices)}"
        return f"got {got}; {among(str(given), choices)}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        limit = context[name]
        shown = f"{limit:g}" if isinstance(limit, float) else limit
        return f"must be {words} {shown}, got {got}"
    if kind == "int_type" and place[-2:] == ("nic", "timeout") and (n := _exponent(given)):
        timer = show_time(ack_timeout_ps(n))
        return f"is the exponent n of 4.096 us x 2^n, no time; write {n} for {timer}"
    if kind in _KINDS:
        off = ""
        if place[-2:] in (("fabric", "pfc"), ("fabric", "ecn")):
            off = ", or 'none' to turn it off"
        as_number = _as_number(given) if kind in ("int_type", "float_type") else ""
        return f"must be {_KINDS[kind]}{off}, got {got}{as_number}"
    if kind == "string_pattern_mismatch":
        rule = _NAMES.get(context["pattern"], "letters, digits, '.', - and _ only")
        return f"got {got}; {rule}"
    if kind in ("too_short", "too_long"):
        limit = context["min_length" if kind == "too_short" else "max_length"]
        words = "at least" if kind == "too_short" else "at most"
        entries = "entry" if limit == 1 else "entries"
        return f"must have {words} {limit} {entries}, got {context['actual_length']}"
    if kind == "string_too_long":
        return f"must have at most {context['max_length']} characters"
    return f"{error['msg']}, got {got}"


def _as_number(given: object, choices: Sequence[str] = ()) -> str:
    """Say how to write a number that came as text: in quotes, or with a unit."""
    match = _NUMBER.fullmatch(given) if isinstance(given, str) else None
    if match is None or (choices and match[1] not in choices):
        return ""
    return f"; write {match[1]} without {'a unit' if match[2] else 'quotes'}"


def _exponent(given: object) -> int | None:
    """Return the exponent of the shortest ACK timer that is no shorter than a time."""
    try:
        time_ps = parse_time(given)
    except QuantityError:
        return None
    fits = (n for n in range(1, MOST_TIMEOUT) if ack_timeout_ps(n) >= time_ps)
    return next(fits, MOST_TIMEOUT) if time_ps else None


def _unknown_key(place: Place) -> str:
    model = keys.section(keys.at(place[:-1]))
    if model is None:
        return "unknown key"
    if place[-1] in model.keys_for_later:
        return "is not built yet; leave it out"
    names = keys.names(model)
    return f"unknown key; {among(str(place[-1]), names)}"


class Places:
    """Where a value of the scenario was written: in the file, or in a setting."""

    def __init__(self, file: str, original: Any, edited: Any, set_keys: Sequence[str]) -> None:
        """Take the tree as read, the plain data after settings, and the settings' keys."""
        self._file = file
        self._original = original
        self._edited = like.long_form(edited)
        self._short = edited
        self._set_keys = {keys.canonical(settings.place_of(key)): key for key in set_keys}

    def problem(self, found: Found, *, of_key: bool) -> Problem:
        """Make a finding a problem with its position."""
        places = [self._written(place) for place in found.places]
        for place in places:
            for set_place, key in self._set_keys.items():
                if place[: len(set_place)] == set_place:
                    below = _dotted(self._as_written(place)[len(set_place) :])
                    return Problem(found.message, self._file, key=below, setting=key)
        given = [place for place in places if self._depth(place) == len(place)]
        place = (given or places)[0]
        line, column = yaml_file.position(self._original, place, of_key=of_key)
        return Problem(found.message, self._file, line, column, _dotted(self._as_written(place)))

    def _as_written(self, place: Place) -> Place:
        """Spell a place as it was: ``priority`` may stand for the first of ``priorities``."""
        for short, long in site.Pfc.short_keys.items():
            if place[-2:] == (long, 0) and yaml_file.holds(self._short, (*place[:-2], short)):
                return (*place[:-2], short)
        return place

    def _depth(self, place: Place) -> int:
        return yaml_file.depth(self._edited, place)

    def _written(self, place: Place) -> Place:
        """Follow ``like`` to the site that a value was written in."""
        if len(place) < 3 or place[0] != "sites":
            return place
        sites = self._edited["sites"]
        best, best_depth = place, self._depth(place)
        name, seen = place[1], set()
        while name in sites and name not in seen and isinstance(sites[name], Mapping):
            seen.add(name)
            here = ("sites", name, *place[2:])
            depth = self._depth(here)
            if depth > best_depth:
                best, best_depth = here, depth
            name = sites[name].get("like")
            if not isinstance(name, str):
                break
        return best


def _dotted(place: Place) -> str:
    return ".".join(shorten(key)[1:-1] if isinstance(key, str) else str(key) for key in place)
