"""Text to a tree of keys and values, and back from a key to its line and column."""

import datetime
import io
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from ..errors import Problem, ScenarioError
from .found import Found, Place
from .units import shorten

MOST_FILE_BYTES = 4 * 2**20
MOST_VALUES = 500_000
"""After aliases are expanded: a few hundred bytes of YAML can stand for billions of values."""
MOST_DEPTH = 50

_SHORT_KEYS = {"priorities": "priority"}


def decode(data: bytes, file: str) -> str:
    """Read UTF-8 text. Raises ScenarioError with the place of what is not text."""
    if len(data) > MOST_FILE_BYTES:
        raise ScenarioError([Problem("is larger than 4 MiB, so it is no scenario", file)])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        what = f"is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise ScenarioError([Problem(what, file, line, column)]) from None
    if not text.strip():
        raise ScenarioError([Problem("is empty", file)])
    return text


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not fold people's lines
    yaml.max_depth = MOST_DEPTH + 2  # older versions ignore it and meet Python's own limit
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def parse(text: str, file: str) -> Any:
    """Read one YAML document, keeping comments and positions. Raises ScenarioError."""

    def refuse(message: str, line: int | None = None, column: int | None = None) -> ScenarioError:
        return ScenarioError([Problem(message, file, line, column)])

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _yaml().load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        match = re.search(r'found duplicate key "(.*?)" with', str(error.problem), re.DOTALL)
        key = shorten(match[1] if match else "?")
        raise refuse(f"key {key} is given twice", mark.line + 1, mark.column + 1) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        what = f"is not YAML: {what or 'cannot be read'}"
        if "maximum depth" in what:
            what = f"is nested more than {MOST_DEPTH} levels deep"
        if mark is None:
            raise refuse(what) from None
        raise refuse(what, mark.line + 1, mark.column + 1) from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise refuse(
            f"is not text: it has the character U+{error.character:04X}", line, column
        ) from None
    except RecursionError:
        raise refuse("is nested too deeply") from None
    except YAMLError as error:
        raise refuse(f"is not YAML: {shorten(str(error), 200)}") from None
    except Exception as error:
        # ruamel.yaml lets its own assertions and Python's limits (an integer of 5000 digits)
        # escape on some malformed text.
        raise refuse(f"is not YAML that can be read: {shorten(str(error), 200)}") from None


def dump(tree: Any) -> str:
    """Write a tree as YAML text, with the comments it was read with."""
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _yaml().dump(tree, stream)
    return stream.getvalue()


def plain(tree: Any, file: str) -> tuple[Any, list[tuple[Found, bool]]]:
    """Turn a tree into plain dicts, lists and scalars, with aliases written out.

    Returns beside it what is wrong with values and keys, each with whether it is a key. Raises
    ScenarioError when it is too much or too deep.
    """
    found: list[tuple[Found, bool]] = []
    left = MOST_VALUES

    def convert(value: Any, place: Place) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            message = f"stands for more than {MOST_VALUES} values once its aliases are expanded"
            raise ScenarioError([Problem(message, file)])
        if len(place) > MOST_DEPTH:
            message = f"is nested more than {MOST_DEPTH} levels deep"
            raise ScenarioError([Problem(message, file, *position(tree, place[:1]))])
        if isinstance(value, Mapping):
            mapping = {}
            for key, below in value.items():
                if isinstance(key, str):
                    mapping[str(key)] = convert(below, (*place, str(key)))
                else:
                    found.append((Found([(*place, key)], "a key must be text"), True))
            return mapping
        if isinstance(value, list):
            return [convert(below, (*place, index)) for index, below in enumerate(value)]
        if value is None or isinstance(value, bool):
            return value
        for kind in (int, float, str):
            if isinstance(value, kind):
                return kind(value)
        if type(value).__name__ == "ScalarBoolean":
            return bool(value)
        if isinstance(value, datetime.date):
            return value.isoformat()
        text = f"is of a kind that a scenario has no use for: {shorten(value)}"
        found.append((Found([place], text), False))
        return str(value)

    return convert(tree, ()), found


def depth(tree: Any, place: Place) -> int:
    """Return how many steps of ``place`` the tree has."""
    steps = 0
    for key in place:
        tree = _step(tree, key)
        if tree is _NOTHING:
            break
        steps += 1
    return steps


_NOTHING = object()


def _spelled(tree: Any, key: str | int) -> str | int:
    """Return the key as the file has it: "priority" stands for "priorities"."""
    if key in _SHORT_KEYS and isinstance(tree, Mapping) and key not in tree:
        return _SHORT_KEYS[str(key)]
    return key


def _step(tree: Any, key: str | int) -> Any:
    key = _spelled(tree, key)
    if isinstance(tree, Mapping):
        return tree.get(key, _NOTHING)
    if isinstance(tree, list) and isinstance(key, int) and key < len(tree):
        return tree[key]
    return _NOTHING


def position(tree: Any, place: Place, *, of_key: bool = False) -> tuple[int, int]:
    """Line and column, from 1, of the value at a place, or of its key.

    Where the file ends before ``place`` does, the key of what it has last.
    """
    here = (1, 1)
    for index, key in enumerate(place):
        spelled = _spelled(tree, key)
        below = _step(tree, key)
        if below is _NOTHING:
            return here
        last = index == len(place) - 1
        short_form = not last and not isinstance(below, (Mapping, list))
        at_value = not of_key and (last or short_form)
        try:
            if isinstance(tree, CommentedMap):
                line, column = tree.lc.value(spelled) if at_value else tree.lc.key(spelled)
                here = (line + 1, column + 1)
            elif isinstance(tree, CommentedSeq):
                line, column = tree.lc.item(spelled)
                here = (line + 1, column + 1)
        except KeyError:  # it came by a merge key (<<): stay at what is above
            pass
        tree = below
    return here
