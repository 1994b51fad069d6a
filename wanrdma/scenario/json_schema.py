"""The JSON Schema (draft 2020-12) of scenario files, for editors: made from the models.

It lets pass whatever ``load`` takes. What takes two keys to see (names of sites and rows,
levels that must not cross) only ``load`` checks.
"""

from collections.abc import Mapping
from typing import Any

from ..errors import WanrdmaError
from .found import among, is_index
from .schema import Scenario
from .section import Section
from .units import quantity_pattern

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_RENAMED = {"unit": "x-unit", "source": "x-source"}


def json_schema() -> Schema:
    """Return the schema of a whole scenario."""
    raw = Scenario.model_json_schema()
    parts = {name: _section(part) for name, part in raw.pop("$defs").items()}
    for model in _models(Section):
        part = parts.get(model.__name__)
        if part is not None:
            _short_keys(model, part)
    _short_forms(parts)
    return {"$schema": DRAFT, "title": "wanrdma scenario", **_section(raw), "$defs": parts}


def schema_at(key: str) -> Schema:
    """Return the schema of what is at a dotted key, as ``--set`` has it.

    The index of a list's entry may be left out. Raises WanrdmaError for a key that a scenario
    cannot have.
    """
    whole = json_schema()
    here = whole
    for part in key.split("."):
        here = _below(whole, here, part, key)
    parts = whole["$defs"]
    while set(here) == {"$ref"}:
        here = _target(whole, here)
    needed: dict[str, Schema] = {}
    _collect(here, parts, needed)
    return {"$schema": DRAFT, **here} | ({"$defs": needed} if needed else {})


def _models(model: type[Section]) -> list[type[Section]]:
    return [found for sub in model.__subclasses__() for found in (sub, *_models(sub))]


def _section(part: Schema) -> Schema:
    """Finish what pydantic says of one section."""
    properties = {name: _field(field) for name, field in part["properties"].items()}
    text = part["description"].replace("``", "`")
    return _without_title(part) | {"description": text, "properties": properties}


def _field(field: Any) -> Any:
    """Finish a field, all the way down."""
    if isinstance(field, list):
        return [_field(one) for one in field]
    if not isinstance(field, Mapping):
        return field
    done = {
        _RENAMED.get(key, key): value if key in ("default", "examples") else _field(value)
        for key, value in _without_title(field).items()
    }
    if "patternProperties" in done:
        done["additionalProperties"] = False
    kind = done.get("x-quantity")
    return done | {"anyOf": _forms(kind, done)} if kind else done


def _without_title(schema: Mapping[str, Any]) -> Schema:
    return {key: value for key, value in schema.items() if key != "title"}


def _forms(kind: str, field: Schema) -> list[Schema]:
    """Say how a quantity may be written."""
    forms: list[Schema] = [{"type": "string", "pattern": quantity_pattern(kind)}]
    if field.pop("x-zero"):
        forms += [{"type": "string", "pattern": quantity_pattern("zero")}, {"const": 0}]
    if field.pop("x-auto"):
        forms = [{"enum": ["auto", None]}, *forms]
    return forms


def _short_keys(model: type[Section], part: Schema) -> None:
    """Let a file use ``priority`` for a list of one of ``priorities``, but not both."""
    for short, long in model.short_keys.items():
        full = part["properties"][long]
        one = {"description": f"Short for {long} with one entry.", **full["items"]}
        part["properties"][short] = one
        part["not"] = {"required": [short, long]}


def _short_forms(parts: dict[str, Schema]) -> None:
    """Allow what stands for a section: 'none', a fabric's type; and a site that is like another."""
    fabric = parts["Fabric"]["properties"]
    for key in ("pfc", "ecn"):
        fabric[key]["anyOf"] = [{"const": "none"}, *fabric[key]["anyOf"]]
    budget = parts["Nic"]["properties"]["retry_budget"]
    budget["anyOf"] = [{"const": "none"}, *budget["anyOf"]]
    slots = parts["Slots"]
    slots["anyOf"] = [{"required": slots.pop("required")}, {"required": ["preset"]}]
    library = next(
        one["enum"] if "enum" in one else [one["const"]]
        for one in slots["properties"]["preset"]["anyOf"]
        if "enum" in one or "const" in one
    )
    work = parts["Work"]["properties"]["slots"]
    work["anyOf"] = [*work["anyOf"], {"enum": library}]
    site = parts["Site"]
    site["properties"]["fabric"] = {
        "description": site["properties"]["fabric"]["description"],
        "default": {},
        "anyOf": [{"$ref": "#/$defs/Fabric"}, {"enum": fabric["type"]["enum"]}],
    }
    del site["required"]
    site["anyOf"] = [{"required": ["hosts"]}, {"required": ["like"]}]


def _target(whole: Schema, reference: Schema) -> Schema:
    found: Schema = whole["$defs"][reference["$ref"].rpartition("/")[2]]
    return found


def _alternatives(whole: Schema, schema: Schema) -> list[Schema]:
    """List a schema and all that it refers to, or that may stand in its place."""
    found = [schema]
    if "$ref" in schema:
        found += _alternatives(whole, _target(whole, schema))
    for one in schema.get("anyOf", []):
        found += _alternatives(whole, one)
    return found


def _below(whole: Schema, here: Schema, part: str, key: str) -> Schema:
    """Go one step down a dotted key."""
    known: list[str] = []
    for one in _alternatives(whole, here):
        if "items" in one:
            entries: Schema = one["items"]
            return entries if is_index(part) else _below(whole, entries, part, key)
        if "patternProperties" in one:
            return dict(next(iter(one["patternProperties"].values())))
        properties = one.get("properties", {})
        if part in properties:
            return dict(properties[part])
        known += properties
    what = f"unknown key {part[:40]!r}; {among(part, known)}" if known else "has no keys below it"
    raise WanrdmaError(f"--key {key}: error: {what}")


def _collect(schema: Any, parts: dict[str, Schema], needed: dict[str, Schema]) -> None:
    """Find the sections that a schema refers to."""
    if isinstance(schema, list):
        for one in schema:
            _collect(one, parts, needed)
    elif isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in needed:
            needed[name] = parts[name]
            _collect(parts[name], parts, needed)
        for key, value in schema.items():
            if key not in ("default", "examples"):
                _collect(value, parts, needed)
