"""The reference page of scenario files, made from the models.

``python -m wanrdma.scenario.reference > docs/scenario.md``
"""

from collections.abc import Iterator
from typing import Any

from .json_schema import json_schema
from .units import quantity_units

_UNITS = "\n".join(f"- {name}: {', '.join(units)}" for name, units in quantity_units().items())

INTRODUCTION = f"""\
# Scenario files

Every key that a scenario file may have. Made by `python -m wanrdma.scenario.reference` from
`wanrdma/scenario/schema.py`: change it there. `wanrdma schema` prints the same as JSON Schema.

A scenario is one file of YAML 1.2, in UTF-8. Unknown keys are refused. A quantity is a number and
its unit (`329 km`), or `0`:

{_UNITS}

The rate of links and lines may be that of several ports, `2 x 400 Gbps`. At a port's rate a byte
must last a whole number of picoseconds. A size or a time is a whole number of bytes or picoseconds.
A size in bits is written out, `8 Mbit`: `8 Mb` is refused, since it is easily meant as 8 MB.
The column "unit" says what a value is in the trace and in Python.

`SITE`, and `0` in `lines.0` and `traffic.0`, stand for any site's name and any entry of the list.
`--set lines.0.distance='100 km'` sets a key for one run. Sources: "published", in a standard, a
manual or a paper; "derived", worked out from other keys; "assumed", a plain choice of ours.

What takes several keys to see is checked too: names of sites and rows, hosts that a site has,
levels that may not cross (`xon`, `xoff`, `buffer`; `kmin`, `kmax`), a window that holds a packet, a
given convergence, lines that lead to the receiver, rows that wait for each other, buffers that hold
a frame, at most 1,000,000 queue pairs in all.

## With `like`

A site with `like: OTHER` takes all settings of the other site, and what it gives itself is laid
over them, key by key all the way down.
"""

_TABLE = "| key | meaning | default | allowed | unit | source |\n|---|---|---|---|---|---|\n"
NIC_OF_A_SITE = "sites.SITE.nic"
"""It has the same keys as ``nic``, once is enough."""

_ENTRY = {"lines": "lines.0", "traffic": "traffic.0", "sites": "sites.SITE"}


def page() -> str:
    """Return the reference page as Markdown."""
    whole = json_schema()
    return INTRODUCTION + "".join(_section(whole, whole, ""))


def _section(whole: Any, part: Any, path: str) -> Iterator[str]:
    """Give a section's table, and then the sections below it."""
    yield f"\n## {f'`{path}`' if path else 'At the top'}\n\n{part['description']}\n\n"
    below: list[tuple[str, Any]] = []
    rows = ""
    for key, field in part["properties"].items():
        name = f"{path}.{key}" if path else key
        model = _model(field)
        if model and name != NIC_OF_A_SITE:
            below.append((_ENTRY.get(name, name), whole["$defs"][model]))
        rows += _row(key, field, _required(part, key), model)
    yield _TABLE + rows
    for name, section in below:
        yield from _section(whole, section, name)


def _required(part: Any, key: str) -> str:
    """Say when a key must be given."""
    if key in part.get("required", []):
        return "must be given"
    others = [one["required"] for one in part.get("anyOf", [])]
    return "must be given without `like`" if [key] in others and key != "like" else ""


def _model(field: Any) -> str | None:
    """Return the name of the section that a field holds, or has entries of."""
    ways = [field, *field.get("anyOf", [])]
    places = ways + [one.get("items", {}) for one in ways]
    places += field.get("patternProperties", {}).values()
    for one in places:
        if "$ref" in one:
            return str(one["$ref"]).rpartition("/")[2]
    return None


def _row(key: str, field: Any, required: str, model: str | None) -> str:
    cells = [
        f"`{key}`",
        field["description"],
        _default(field, required, model),
        _allowed(field, model),
        field.get("x-unit", ""),
        field.get("x-source", ""),
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _default(field: Any, required: str, model: str | None) -> str:
    if required:
        return required
    given = field.get("default")
    if given is None or given == "":
        return "none"
    if given == {} and model:
        return "its keys' defaults"
    return f"`{str(given).lower() if isinstance(given, bool) else given}`"


def _allowed(field: Any, model: str | None) -> str:
    """Say in words what a field takes."""
    said = ["the keys below"] if model else []
    for one in [field] if "x-quantity" in field else field.get("anyOf", [field]):
        said += [word for word in _words(one) if word not in said]
    return " or ".join(said)


def _words(one: Any) -> list[str]:
    """Say what one alternative takes; nothing for null, which is as if the key were not there."""
    if "x-quantity" in one:
        return [*_either(one), one["x-quantity"]]
    if "enum" in one or "const" in one:
        return _either({"anyOf": [one]})
    if one.get("type") == "array":
        if "$ref" in one["items"]:
            return []
        entries = " or ".join(_words(one["items"]))
        least, most = one.get("minItems"), one.get("maxItems")
        many = str(least) if least == most else f"{least} to {most}"
        return [f"a list of {entries}" if least is None else f"a list of {many}: {entries}"]
    if one.get("type") in ("integer", "number"):
        kind = "whole number" if one["type"] == "integer" else "number"
        return [" ".join([kind, *_limits(one)])]
    if one.get("type") == "boolean":
        return ["`true` or `false`"]
    if one.get("type") == "string":
        pattern = one.get("pattern")
        return [f"text that fits `{pattern}`" if pattern else "text"]
    return []


def _either(one: Any) -> list[str]:
    """List the single values among alternatives, but not null, nor the 0 of every quantity."""
    values: list[Any] = []
    for way in one["anyOf"]:
        values += way.get("enum", [way["const"]] if "const" in way else [])
    return [f"`{value}`" for value in values if value is not None and value != 0]


def _limits(one: Any) -> list[str]:
    words = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "exclusiveMaximum": "below {}",
    }
    return [text.format(one[limit]) for limit, text in words.items() if limit in one]


if __name__ == "__main__":
    print(page(), end="")
