"""What a scenario says of the work: transfers and computations."""

from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    field_validator,
    model_validator,
)

from . import presets
from .hosts import written_well
from .limits import MOST_MESSAGE_BYTES, MOST_QUEUE_PAIRS, NAME
from .section import Section, figure
from .units import (
    SomeBytes,
    TimePs,
    show_bytes,
)


class Slots(Section):
    """A transfer in slots with credits, as collective libraries send.

    A bare text is a library's: ``slots: nccl-2.23``.
    """

    short_form = "preset"

    preset: presets.SlotsName | None = Field(
        None, description="Take a library's slots; keys given beside it win."
    )
    count: int = Field(
        description="Slots that may be under way at once.",
        ge=1,
        le=2**23,
        examples=[8],
    )
    bytes: SomeBytes = Field(
        description="Size of a slot.", json_schema_extra={"unit": "byte"}, examples=["512 KiB"]
    )
    credit: SomeBytes = figure(
        "64 B", "Size of the message that gives a slot back.", source="assumed", unit="byte"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: object) -> object:
        return presets.under({"preset": data} if isinstance(data, str) else data, "slots")

    @field_validator("bytes")
    @classmethod
    def _one_message(cls, size: int) -> int:
        if size > MOST_MESSAGE_BYTES:
            raise ValueError(f"{show_bytes(size)} is too large; an RDMA message is at most 2 GiB")
        return size


class Work(Section):
    """A row of traffic: a transfer (from, to, bytes) or a computation (compute, at)."""

    name: str = Field(description="Its name, used once.", pattern=NAME, examples=["write"])
    source: Annotated[str | None, AfterValidator(written_well)] = Field(
        None,
        alias="from",
        description="Hosts that send: SITE.N, SITE.* or SITE.A-B.",
        examples=["a.0"],
    )
    target: Annotated[str | None, AfterValidator(written_well)] = Field(
        None, alias="to", description="Hosts that receive.", examples=["b.0"]
    )
    bytes: SomeBytes | None = Field(
        None,
        description="Payload from each sender to each of its receivers.",
        json_schema_extra={"unit": "byte"},
        examples=["4 GiB"],
    )
    message: SomeBytes | None = Field(
        None,
        description="Cut into messages of this size; one message of all when not given. "
        "Above 2 GiB they are cut to 2 GiB.",
        json_schema_extra={"unit": "byte"},
        examples=["64 KiB"],
    )
    start: TimePs = Field(
        0,
        description="Not before this time.",
        json_schema_extra={"unit": "ps"},
        examples=["0 s"],
    )
    queue_pairs: int | None = Field(
        None, description="Overrides nic.queue_pairs for this row.", ge=1, le=MOST_QUEUE_PAIRS
    )
    queue_pairs_of: str | None = Field(
        None,
        description="Send on the queue pairs of this earlier row, between the same hosts, behind "
        "what it has posted there. Their counters stay with that row.",
        examples=["write"],
    )
    slots: Slots | None = Field(None, description="Send in slots with credits.")
    priority: int | None = Field(
        None, description="Overrides nic.priority for this row.", ge=0, le=7
    )
    compute: TimePs | None = Field(
        None,
        description="How long a computation lasts.",
        json_schema_extra={"unit": "ps"},
        examples=["10 ms"],
    )
    at: Annotated[str | None, AfterValidator(written_well)] = Field(
        None, description="Hosts that compute.", examples=["a.*"]
    )
    after: list[str] = Field(
        [],
        description="Wait for these rows: NAME.delivered (or NAME) and NAME.sent of a transfer, "
        "NAME of a computation.",
        examples=[["forward.delivered"]],
    )

    @property
    def is_transfer(self) -> bool:
        """Whether this row sends; otherwise it computes."""
        return self.compute is None
