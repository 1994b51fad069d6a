"""Which keys a scenario may have at a place, read from the models."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from .found import Place
from .schema import Scenario
from .section import Section


def _bare(annotation: Any) -> Any:
    """Take Annotated and "or None" off a type."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            real = [arg for arg in get_args(annotation) if arg is not type(None)]
            if len(real) != 1:
                return annotation
            annotation = real[0]
        else:
            return annotation


def section(annotation: Any) -> type[Section] | None:
    """Return the model that a type is, or None."""
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, Section) else None


def is_list(annotation: Any) -> bool:
    """Whether a type is a list."""
    return get_origin(_bare(annotation)) is list


def names(model: type[Section]) -> list[str]:
    """List the keys that a section may have, as a file spells them."""
    fields = [field.alias or name for name, field in model.model_fields.items()]
    return fields + list(model.short_keys)


def child(annotation: Any, key: str | int) -> Any:
    """Return the type of what is below ``key``, or None where the schema has nothing."""
    bare = _bare(annotation)
    model = section(bare)
    if model is not None:
        if key in model.short_keys:
            return int
        for name, field in model.model_fields.items():
            if key == (field.alias or name):
                return field.annotation
        return None
    if get_origin(bare) is dict:
        return get_args(bare)[1]
    if get_origin(bare) is list:
        return get_args(bare)[0]
    return None


def at(place: Place) -> Any:
    """Return the type of the value at a place, or None where the schema has nothing."""
    annotation: Any = Scenario
    for key in place:
        annotation = child(annotation, key)
    return annotation


def choices(place: Place) -> list[str]:
    """List the values allowed at a place that has only a few, else nothing."""
    bare = _bare(at(place))
    return [str(value) for value in get_args(bare)] if get_origin(bare) is Literal else []


def stand_in(model: type[Section], key: str) -> dict[str, Any]:
    """Return {key: example} if the field has an example, else nothing."""
    for name, field in model.model_fields.items():
        if key == (field.alias or name) and field.examples:
            return {key: field.examples[0]}
    return {}


def example(place: Place) -> str | None:
    """Return "key: value" as it may stand at a place, if its field has an example."""
    model = section(at(place[:-1]))
    found = stand_in(model, str(place[-1])) if model else {}
    return "".join(f"{key}: {_flow(value)}" for key, value in found.items()) or None


def _flow(value: Any) -> str:
    """Write a value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


def canonical(place: Place) -> Place:
    """Return a place with short keys written out: ``priority`` of PFC is ``priorities``."""
    full: Place = ()
    for key in place:
        model = section(at(full))
        full = (*full, model.short_keys.get(str(key), key) if model else key)
    return full
