"""What all sections of a scenario have in common, and how their fields are described."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from .found import Found
from .units import (
    show_bytes,
)

Size = TypeVar("Size", int, int | None)


def figure(default: Any, description: str, *, source: str, unit: str = "", **limits: Any) -> Any:
    """Describe a field that is a figure: its unit, and where its default comes from."""
    extra: dict[str, Any] = {"source": source} | ({"unit": unit} if unit else {})
    return Field(default, description=description, json_schema_extra=extra, **limits)


def part(description: str) -> Any:
    """Describe a field that is a section of its own, with all its defaults if not given."""
    return Field({}, description=description)


def whole(value: object) -> object:
    """Refuse what Python takes for a whole number that it equals: true, 2.0."""
    if isinstance(value, bool | float):
        raise ValueError(f"got {str(value).lower()}")
    return value


def refuse(problems: list[Found]) -> None:
    """Raise all ``problems`` of a model at once; ``load`` gives each its place in the file."""
    if problems:
        text = "; ".join(
            ".".join(map(str, found.places[0])) + ": " + found.message for found in problems
        )
        raise PydanticCustomError("refused", "{text}", {"text": text, "problems": problems})


def not_above(low: Size, info: ValidationInfo, high_name: str) -> Size:
    """Return ``low`` unless it is above the other field, which comes before it."""
    high = info.data.get(high_name)
    if low is not None and high is not None and low > high:
        text = f"{info.field_name} ({show_bytes(low)}) may not be above {high_name} "
        text += f"({show_bytes(high)})"
        raise PydanticCustomError("pair", "{text}", {"text": text, "other": high_name})
    return low


class Section(BaseModel):
    """Any section of a scenario: unknown keys are refused, and nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False
    )

    short_keys: ClassVar[Mapping[str, str]] = {}
    """Keys that a file may use in place of another one."""
    short_form: ClassVar[str | None] = None
    """The key that a bare text stands for: ``fabric: one-switch``."""
    keys_for_later: ClassVar[tuple[str, ...]] = ()
    """Keys whose place is kept but which are not built yet."""


def none_text(value: object) -> object:
    """Take 'none' for no value."""
    return None if value == "none" else value
