"""What a scenario says of a site: its switches, and their pauses and marks."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from . import checks
from .found import Found
from .limits import MOST_CABLE_M, MOST_LATENCY_PS, MOST_PERIOD_PS, MOST_SHARED_BYTES
from .nic import Nic
from .section import Section, figure, none_text, not_above, part, refuse
from .units import (
    Bytes,
    BytesOrAuto,
    Metres,
    Rate,
    TimePs,
    show_bytes,
)


class Watchdog(Section):
    """When a switch takes a pause for a fault (SONiC's PFC watchdog)."""

    detect: TimePs = figure(
        "200 ms",
        "A priority of a port that is paused for this long without a break is in a storm.",
        source="published: SONiC's default",
        unit="ps",
        ge=1_000_000,
        le=MOST_PERIOD_PS,
    )
    restore: TimePs = figure(
        "200 ms",
        "The storm is over this long after the last XOFF.",
        source="published: SONiC's default",
        unit="ps",
        le=MOST_PERIOD_PS,
    )
    action: Literal["drop", "forward"] = figure(
        "drop",
        "In a storm pauses are not obeyed: what waits and what comes is dropped, or sent.",
        source="published: SONiC's default",
    )


class Pfc(Section):
    """Priority flow control of a site's switches (IEEE 802.1Qbb)."""

    short_keys: ClassVar = {"priority": "priorities"}

    priorities: list[Annotated[int, Field(ge=0, le=7)]] = figure(
        [3],
        "The lossless priorities; 'priority: 3' does for one.",
        source="assumed: usual for RoCE",
        min_length=1,
        max_length=8,
    )
    xoff: Bytes = figure(
        "256 KiB",
        "A port asks its peer to stop once more than this is stored from it, a priority.",
        source="assumed",
        unit="byte",
    )
    xon: Bytes = figure(
        "128 KiB", "It asks to go on at this or less.", source="assumed", unit="byte"
    )
    headroom: BytesOrAuto = figure(
        "auto",
        "Room above xoff for what still comes; 'auto': rate x round trip, 3 frames, a PFC frame.",
        source="derived: worst case, nothing drains",
        unit="byte",
    )
    quanta: int = figure(
        65535,
        "Pause time that one PFC frame asks for, in quanta of 512 bit times.",
        source="published: IEEE 802.1Qbb's largest",
        unit="quantum",
        ge=1,
        le=65535,
    )

    shared: Annotated[Bytes | None, BeforeValidator(none_text)] = figure(
        None,
        "Buffer that all ports of a switch share for their lossless priorities; a port asks its "
        "peer to stop above a threshold that moves with what is free, in place of xoff; 'none': "
        "each has its own.",
        source="assumed: buffers of their own",
        unit="byte",
        le=MOST_SHARED_BYTES,
    )
    alpha: float = figure(
        0.125,
        "The threshold is this much of what is free of the shared buffer.",
        source="assumed: 1/8, usual for lossless priorities",
        gt=0,
        le=64,
    )
    headroom_pool: BytesOrAuto = figure(
        "auto",
        "What all headrooms of a switch with a shared buffer may hold together; 'auto': their sum.",
        source="derived: the sum, so that none runs out before its own is full",
        unit="byte",
    )
    xon_offset: Bytes = figure(
        "8 KiB",
        "With a shared buffer: a port asks to go on at this much below its threshold.",
        source="assumed: two packets of 4096 B",
        unit="byte",
    )
    watchdog: Annotated[Watchdog | None, BeforeValidator(none_text)] = Field(
        None, description="When a pause is taken for a fault; 'none': never."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_priority(cls, data: object) -> object:
        """Take ``priority: 3`` for ``priorities: [3]``."""
        if not isinstance(data, Mapping) or "priority" not in data:
            return data
        if "priorities" in data:
            refuse([Found([("priority",)], "give priority or priorities, not both")])
        rest = {key: value for key, value in data.items() if key != "priority"}
        return rest | {"priorities": [data["priority"]]}

    @field_validator("priorities")
    @classmethod
    def _each_once(cls, priorities: list[int]) -> list[int]:
        if len(set(priorities)) < len(priorities):
            raise ValueError(f"{priorities} names a priority twice")
        return priorities

    @field_validator("xon")
    @classmethod
    def _below_xoff(cls, xon: int, info: ValidationInfo) -> int:
        return not_above(xon, info, "xoff")


class Ecn(Section):
    """When a switch marks packets (RED between two levels of one queue)."""

    kmin: Bytes = figure(
        "800 kB",
        "No packet is marked while its queue holds this or less.",
        source="published: research simulators' DCQCN, 400G",
        unit="byte",
    )
    kmax: Bytes = figure(
        "3200 kB",
        "Every packet is marked once its queue holds this or more.",
        source="published: research simulators' DCQCN, 400G",
        unit="byte",
    )
    pmax: float = figure(
        0.2,
        "Probability of a mark just below kmax; it grows from 0 at kmin.",
        source="published: research simulators' DCQCN",
        ge=0,
        le=1,
    )

    @field_validator("kmax")
    @classmethod
    def _above_kmin(cls, kmax: int, info: ValidationInfo) -> int:
        kmin = info.data.get("kmin")
        if kmin is not None and kmax <= kmin:
            text = f"kmax ({show_bytes(kmax)}) must be above kmin ({show_bytes(kmin)})"
            raise PydanticCustomError("pair", "{text}", {"text": text, "other": "kmin"})
        return kmax


def _none_said(value: object) -> object:
    """Take 'none', but no empty value: turning PFC off is to be meant."""
    if value is None:
        raise ValueError("is empty; write 'none' to turn it off, or what it is to be")
    return none_text(value)


class Fabric(Section):
    """The switches of a site. A bare text is its type: ``fabric: one-switch``."""

    short_form = "type"

    type: Literal["leaf-spine", "one-switch"] = figure(
        "leaf-spine",
        "Leaves and spines, or one switch between hosts and gateway.",
        source="published: leaf-spine in the 329 km trial",
    )
    leaves: int = figure(
        2, "Leaf switches; hosts are spread over them.", source="assumed", ge=1, le=1024
    )
    spines: int = figure(2, "Spine switches.", source="assumed", ge=1, le=1024)
    rate: Rate = figure(
        "400 Gbps",
        "Links from leaf to spine and from spine to gateway.",
        source="assumed",
        unit="bit/s",
    )
    cable: Metres = figure(
        "30 m",
        "Length of every link inside the site.",
        source="assumed",
        unit="metre",
        le=MOST_CABLE_M,
    )
    latency: TimePs = figure(
        0,
        "A switch's forwarding latency, added to each link that enters one.",
        source="assumed",
        unit="ps",
        le=MOST_LATENCY_PS,
    )
    pfc: Annotated[Pfc | None, BeforeValidator(_none_said)] = part(
        "Priority flow control; 'none' turns it off."
    )
    ecn: Annotated[Ecn | None, BeforeValidator(none_text)] = Field(
        None, description="Marking; without it switches mark nothing."
    )
    queue_limit: Bytes = figure(
        "16 MiB",
        "What one priority without PFC may queue at a port; what comes on top is dropped.",
        source="assumed",
        unit="byte",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_type(cls, data: object) -> object:
        return {"type": data} if isinstance(data, str) else data


class Gateway(Section):
    """The switch between a site's fabric and its optical terminals."""

    rate: Rate | None = figure(
        None,
        "Ports towards each line's terminal; when not given, as the line's. A line without flow "
        "control has no terminals, and its own ports.",
        source="derived: the line's rate",
        unit="bit/s",
    )


class Site(Section):
    """A data centre: hosts, the switches between them, and the gateway to its lines."""

    like: str | None = Field(
        None, description="Take this other site's settings; the keys given here win."
    )
    hosts: int = Field(
        description="Hosts, with one NIC each; they are numbered from 0.",
        ge=1,
        le=65536,
        examples=[16],
    )
    # For what holds at the site, defaults and all: Scenario.site_nic(name).
    nic: Nic = part("What differs from the scenario's nic; other keys are as there.")
    fabric: Fabric = part("The site's switches.")
    gateway: Gateway = part("The switch towards the lines.")
    convergence: Annotated[str | None, Field(pattern=checks.CONVERGENCE)] = Field(
        None,
        description="All NICs' rate over all lines' rate, like '4:1'; derived, so only checked.",
        examples=["4:1"],
    )
