"""Counts the cases in which a test holds, for comparisons that are exact or are not."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any


def cases(test: Callable[..., None]) -> Iterator[dict[str, Any]]:
    """Give the arguments that pytest would call a test with, from its parametrize marks."""
    axes = []
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args
            names = names.split(",") if isinstance(names, str) else names
            wide = values if len(names) > 1 else [(value,) for value in values]
            axes.append([dict(zip(names, value, strict=True)) for value in wide])
    for chosen in product(*axes):
        yield {name: value for part in chosen for name, value in part.items()}


def held(test: Callable[..., None]) -> tuple[int, int]:
    """Return in how many cases a test holds, and how many it has."""
    outcomes = [_holds(test, case) for case in cases(test)]
    return sum(outcomes), len(outcomes)


def _holds(test: Callable[..., None], case: dict[str, Any]) -> bool:
    try:
        test(**case)
    except AssertionError:
        return False
    return True
