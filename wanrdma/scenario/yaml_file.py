"""Text to a tree of keys and values, and back from a key to its line and column."""

import datetime
import io
import warnings
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.nodes import CollectionNode, MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from ..errors import Problem, ScenarioError
from .found import Found, Place
from .units import LARGEST_NUMBER, shorten

MOST_FILE_BYTES = 512 * 1024
MOST_WRITTEN = 25_000
"""Keys and values as written. Reading takes 0.2 ms each, and some 5 us a byte of text."""
MOST_MERGED = 25_000
MOST_VALUES = 500_000
"""After aliases are expanded: a few hundred bytes of YAML can stand for billions of values."""
MOST_DEPTH = 50

_SHORT_KEYS = {"priorities": "priority"}


def decode(data: bytes, file: str) -> str:
    """Read UTF-8 text. Raises ScenarioError with the place of what is not text."""
    if len(data) > MOST_FILE_BYTES:
        raise ScenarioError([Problem("is larger than 512 KiB, the most that is read", file)])
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


class _RefusedError(MarkedYAMLError):
    """What YAML allows and we do not."""


class _Composer(Composer):
    """Refuses what would take for ever: too many values, and keys that are no plain text.

    Keys that hold keys that hold keys are hashed over and over: 14 nested take 16 s.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.written = self.merged = 0
        self.merged_into: dict[int, int] = {}  # keys that each mapping took in

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read the next key or value."""
        self.written += 1
        event = self.parser.peek_event()
        if self.written > MOST_WRITTEN:
            text = f"has more than {MOST_WRITTEN} keys and values, the most that are read"
            raise _RefusedError(problem=text, problem_mark=event.start_mark)
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            tag = shorten(str(event.tag).replace("tag:yaml.org,2002:", "!!"))
            text = f"has the tag {tag}; a scenario has no use for tags, leave it out"
            raise _RefusedError(problem=text, problem_mark=event.start_mark)
        if index is None and isinstance(parent, MappingNode):
            named = self.anchors.get(event.anchor) if isinstance(event, AliasEvent) else None
            if isinstance(event, CollectionStartEvent) or isinstance(named, CollectionNode):
                raise _RefusedError(problem="a key must be text", problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        if isinstance(index, ScalarNode) and index.value == "<<":
            self._count_merged(parent, node, event)
        return node

    def _count_merged(self, parent: Any, node: Any, event: Any) -> None:
        """Refuse merge keys that copy too much: many mappings may take in one large one."""
        for one in node.value if isinstance(node, SequenceNode) else [node]:
            size = len(one.value) + self.merged_into.get(id(one), 0)
            self.merged_into[id(parent)] = self.merged_into.get(id(parent), 0) + size
            self.merged += size
        if self.merged > MOST_MERGED:
            text = f"merges more than {MOST_MERGED} keys (<<), the most that are read"
            raise _RefusedError(problem=text, problem_mark=event.start_mark)


class _Constructor(RoundTripConstructor):
    """Collects keys that are given twice, and says where a number is that cannot be read."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.twice: list[tuple[str, Any, int]] = []  # key, where again, line of the first

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Make a value of what was written."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            what = str(error)
            if node.tag.endswith(":int"):  # Python reads at most some thousand digits
                what = "a number too large for anything"
            text = f"cannot be read: {what}"
            raise _RefusedError(problem=text, problem_mark=node.start_mark) from None

    def check_mapping_key(
        self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any
    ) -> bool:
        """Tell whether a key is new in its mapping."""
        try:
            return bool(super().check_mapping_key(node, key_node, mapping, key, value))
        except DuplicateKeyError:
            self.twice.append((key, key_node.start_mark, mapping.lc.key(key)[0]))
            return False


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Composer = _Composer
    yaml.Constructor = _Constructor
    yaml.preserve_quotes = True
    yaml.width = 4096  # do not fold people's lines
    yaml.max_depth = MOST_DEPTH + 2  # older versions ignore it and meet Python's own limit
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def parse(text: str, file: str, problems: list[Problem] | None = None) -> Any:
    """Read one YAML document, keeping comments and positions. Raises ScenarioError.

    Keys that are given twice are added to ``problems``, and count as they were given first;
    without ``problems`` they are an error like others.
    """

    def refuse(message: str, line: int | None = None, column: int | None = None) -> ScenarioError:
        return ScenarioError([Problem(message, file, line, column)])

    yaml = _yaml()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = yaml.load(text)
    except _RefusedError as error:
        mark = error.problem_mark
        raise refuse(str(error.problem), mark.line + 1, mark.column + 1) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        what = f"is not YAML: {what or 'cannot be read'}"
        if "maximum depth" in what:
            what = f"is nested more than {MOST_DEPTH} levels deep"
        if "found character '\\t'" in what:
            what = "has a tab where YAML allows none; indent with blanks, not tabs"
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
    twice = [
        Problem(
            f"key {shorten(key)} is given twice, first in line {first + 1}",
            file,
            mark.line + 1,
            mark.column + 1,
        )
        for key, mark, first in yaml.constructor.twice
    ]
    if problems is not None:
        problems += twice
    elif twice:
        raise ScenarioError(twice)
    return tree


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
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            # Python refuses to write what has thousands of digits: no message could quote it.
            message = "is a number too large for anything"
            raise ScenarioError([Problem(message, file, *position(tree, place))])
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


def holds(tree: Any, place: Place) -> bool:
    """Whether a plain tree has a value at just this place."""
    for key in place:
        if not isinstance(tree, Mapping) or key not in tree:
            return False
        tree = tree[key]
    return True


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
        # Of an empty value ruamel.yaml tells where the next key is.
        at_value = not of_key and (last or short_form) and below is not None
        if isinstance(tree, (CommentedMap, CommentedSeq)):
            # Nothing for what came by a merge key (<<): stay at what is above.
            written = (tree.lc.data or {}).get(spelled)
            if written:
                line, column = written[2:] if at_value and len(written) == 4 else written[:2]
                here = (line + 1, column + 1)
        tree = below
    return here
