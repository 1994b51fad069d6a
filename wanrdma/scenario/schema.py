"""What a scenario file may say: one model a section, one described field a key.

Each field carries its meaning, its unit and where its default comes from, so that the JSON
Schema and the reference page are made from here and nothing is said twice. Sources:
"published" (in a standard, a manual or a paper), "derived" (worked out from the others),
"assumed" (a plain choice of ours: change it if you know better).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..theory import line_delay_ps
from . import ber_series, checks, like, presets
from .found import Found
from .hosts import Host, expand, pair, written_well
from .units import (
    Bytes,
    BytesOrAuto,
    DelayPerLength,
    Distance,
    Metres,
    OnePortRate,
    PortRate,
    Rate,
    SomeBytes,
    TimePs,
    show_bytes,
    show_time,
)

MOST_MESSAGE_BYTES = 2**31
"""The largest RDMA message (InfiniBand specification); longer ones are cut."""

LEAST_FRAME_BYTES = 24
"""Preamble, gap and at least an FCS: less would leave nothing to store."""
MOST_QUEUE_PAIRS = 65_536
"""From one host to another."""
MOST_LATENCY_PS = 10**12
"""A second: more is a slip."""
MOST_PERIOD_PS = 24 * 3600 * 10**12
"""A day."""
MOST_CABLE_M = 100e3
MOST_DELAY_PS_PER_M = 1e6
"""A millisecond a kilometre, two hundred times that of glass."""
MOST_HEADER_BYTES = 4096
"""Headers larger than any payload are a slip; packets hold their size in 15 bits."""
MOST_SEED = 2**63 - 1
MOST_REORDER = 2**20
"""Packets that a receiver holds; each takes memory, used or not."""
MOST_TIMEOUT = 31
"""InfiniBand specification: the exponent has 5 bits."""

NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
_Size = TypeVar("_Size", int, int | None)

SITE_NAME = r"^[a-z][a-z0-9_-]*$"


def _figure(default: Any, description: str, *, source: str, unit: str = "", **limits: Any) -> Any:
    """Describe a field that is a figure: its unit, and where its default comes from."""
    extra: dict[str, Any] = {"source": source} | ({"unit": unit} if unit else {})
    return Field(default, description=description, json_schema_extra=extra, **limits)


def _part(description: str) -> Any:
    """Describe a field that is a section of its own, with all its defaults if not given."""
    return Field({}, description=description)


def _later(*values: str) -> BeforeValidator:
    """Refuse values whose place is kept but which are not built yet."""

    def refuse(value: object) -> object:
        if value in values:
            raise ValueError(f"{value!r} is not built yet")
        return value

    return BeforeValidator(refuse)


def _whole(value: object) -> object:
    """Refuse what Python takes for a whole number that it equals: true, 2.0."""
    if isinstance(value, bool | float):
        raise ValueError(f"got {str(value).lower()}")
    return value


def _refuse(problems: list[Found]) -> None:
    """Raise all ``problems`` of a model at once; ``load`` gives each its place in the file."""
    if problems:
        text = "; ".join(
            ".".join(map(str, found.places[0])) + ": " + found.message for found in problems
        )
        raise PydanticCustomError("refused", "{text}", {"text": text, "problems": problems})


def _not_above(low: _Size, info: ValidationInfo, high_name: str) -> _Size:
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


class Framing(Section):
    """Bytes that a packet takes on the line beside its payload."""

    overhead: Bytes = _figure(
        "82 B",
        "Line time of a data packet beyond its payload: preamble, Ethernet, IPv4, UDP, BTH, "
        "ICRC, FCS and inter-frame gap.",
        source="published: RoCEv2 over Ethernet, 8+14+20+8+12+4+4+12",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )
    reth: Bytes = _figure(
        "16 B",
        "Line time more for the first packet of a WRITE: its RETH.",
        source="published: InfiniBand specification",
        unit="byte",
        le=MOST_HEADER_BYTES,
    )
    ack: Bytes = _figure(
        "86 B",
        "Line time of an ACK or NAK: as a data packet without payload, with AETH.",
        source="published: RoCEv2 over Ethernet, 82+4",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )
    cnp: Bytes = _figure(
        "98 B",
        "Line time of a CNP: as a data packet without payload, with 16 B reserved.",
        source="published: RoCEv2 annex 17.9.3, 82+16",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )


class Dcqcn(Section):
    """DCQCN's parameters (Zhu et al., SIGCOMM 2015); switches must mark: sites.*.fabric.ecn."""

    cnp_interval: TimePs = _figure(
        "50 us",
        "A receiver sends one CNP a queue pair in this time, if marked packets come.",
        source="published: DCQCN paper",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    cnp_priority: int = _figure(
        6, "Priority of CNPs.", source="published: ConnectX factory setting", ge=0, le=7
    )
    gain: float = _figure(
        1 / 256,
        "g, how fast alpha follows: by this share a CNP or a period without one.",
        source="published: DCQCN paper",
        gt=0,
        lt=1,
    )
    alpha_time: TimePs = _figure(
        "55 us",
        "Period without a CNP after which alpha falls.",
        source="published: DCQCN paper",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    increase_time: TimePs = _figure(
        "55 us",
        "The rate grows by a step each time this has passed,",
        source="published: DCQCN paper; NVIDIA 300 us, SimAI 900 us",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    increase_bytes: SomeBytes = _figure(
        "10 MB",
        "and each time this was sent.",
        source="published: DCQCN paper",
        unit="byte",
    )
    fast_steps: int = _figure(
        5,
        "Steps of fast recovery before the rate grows beyond what it was.",
        source="published: DCQCN paper; NVIDIA 1",
        ge=1,
        le=1000,
    )
    add: OnePortRate = _figure(
        "40 Mbps", "A step of additive increase.", source="published: DCQCN paper", unit="bit/s"
    )
    hyper: OnePortRate = _figure(
        "100 Mbps",
        "A step of hyper increase, times how many there were.",
        source="published: SimAI's configuration; the paper gives no figure",
        unit="bit/s",
    )
    least_rate: OnePortRate = _figure(
        "100 Mbps",
        "No queue pair is slowed below this.",
        source="published: SimAI's configuration",
        unit="bit/s",
    )


class RetryBudget(Section):
    """How many retries a queue pair survives in a period, whatever each of them mends."""

    retries: int = _figure(
        50,
        "Timeouts and NAKs acted on in a period; one more is an error of the queue pair.",
        source="published: WinOF-2, EXT_QP_MAX_RETRY_LIMIT",
        ge=1,
        le=65535,
    )
    period: TimePs = _figure(
        "60 s",
        "The period; the first retry after one begins the next.",
        source="assumed: WinOF-2's default was not found",
        unit="ps",
        gt=0,
        le=MOST_PERIOD_PS,
    )


def _none_text(value: object) -> object:
    return None if value == "none" else value


class Nic(Section):
    """What the NICs are set to. Under a site, only the keys given there override these."""

    preset: presets.Name | None = Field(
        None,
        description="Take a known NIC's or library's settings; keys given beside it win. "
        "'wanrdma presets NAME' shows each value with its source.",
    )
    rate: OnePortRate = _figure("400 Gbps", "Rate of a NIC's port.", source="assumed", unit="bit/s")
    mtu: Literal[256, 512, 1024, 2048, 4096] = _figure(
        4096, "Largest payload of a packet.", source="published: RoCEv2's path MTUs", unit="byte"
    )
    window: BytesOrAuto = _figure(
        "auto",
        "Payload that a queue pair may have unacknowledged; 'auto': what keeps the NIC busy "
        "over its path, and with selective-repeat also while a gap is filled.",
        source="derived: NIC rate x round-trip time; twice that with selective-repeat",
        unit="byte",
    )
    queue_pairs: int = _figure(
        1,
        "Queue pairs from one host to another; a row of traffic is split evenly over them.",
        source="published: default of NCCL and HCCL",
        ge=1,
        le=MOST_QUEUE_PAIRS,
    )
    timeout: int = _figure(
        20,
        "Exponent n of the ACK timer, 4.096 us x 2^n; 0: no timer.",
        source="published: default of HCCL and of NCCL since 2.23",
        ge=0,
        le=MOST_TIMEOUT,
    )
    timeout_detection: float = _figure(
        1.0,
        "The timer expires after this many times 4.096 us x 2^n.",
        source="published: InfiniBand specification allows 1 to 4",
        ge=1,
        le=4,
    )
    least_timeout: int = _figure(
        0,
        "Lower exponents count as this one.",
        source="assumed; ConnectX's factory setting is 16",
        ge=0,
        le=MOST_TIMEOUT,
    )
    first_timeout: int = _figure(
        0,
        "Adaptive retransmission: after progress the first timer runs 4.096 us x 2^n, the next "
        "ones twice as long each, up to timeout; all of these spend one retry. 0: off. Below the "
        "round trip they send again what was not lost.",
        source="assumed: off",
        ge=0,
        le=MOST_TIMEOUT,
    )
    retries: int = _figure(
        7,
        "Timeouts and NAKs without progress that a queue pair survives.",
        source="published: default of NCCL, HCCL and perftest",
        ge=0,
        le=7,
    )
    last_retry_is_fatal: bool = _figure(
        False,
        "Whether the last of these retries is the error already, and not the one after it.",
        source="published: InfiniBand specification; ConnectX's adaptive retransmission: true",
    )
    retry_budget: Annotated[RetryBudget | None, BeforeValidator(_none_text)] = Field(
        None, description="Retries in a period that a queue pair survives; 'none': any number."
    )
    retransmission: Literal["go-back-n", "selective-repeat"] = _figure(
        "go-back-n",
        "'go-back-n': the receiver throws away what comes out of order, the sender sends it again. "
        "'selective-repeat': the receiver holds it, the sender fills the gaps.",
        source="published: ConnectX's factory setting is go-back-N",
    )
    out_of_order: int = _figure(
        0,
        "Packets that may be outstanding, so that the receiver can hold what comes out of order "
        "(selective-repeat); 0: as many of full size as the window has.",
        source="derived: the window",
        unit="packet",
        ge=0,
        le=MOST_REORDER,
    )
    slow_restart: int = _figure(
        0,
        "Packets that may be outstanding after a loss; twice as many each round trip until the "
        "window is full. 0: off.",
        source="assumed: off",
        unit="packet",
        ge=0,
        le=2**23,
    )
    ack_every: int = _figure(
        1,
        "Packets that one ACK may acknowledge; the last of a message always gets one.",
        source="assumed",
        unit="packet",
        ge=1,
        le=2**23,
    )
    nak_again: TimePs = _figure(
        "0 s",
        "A receiver that misses a packet sends another NAK for each further packet that comes this "
        "long after the last; 0: one NAK a gap. Repeated NAKs spend no retries.",
        source="published: InfiniBand and Linux rxe send one; ns-3's RDMA model 500 us",
        unit="ps",
        le=MOST_LATENCY_PS,
    )
    priority: int = _figure(
        3, "Priority (802.1p) of data packets.", source="assumed: usual for RoCE", ge=0, le=7
    )
    ack_priority: int | None = _figure(
        None,
        "Priority of ACKs and NAKs; when not given, as the data's.",
        source="assumed",
        ge=0,
        le=7,
    )
    congestion_control: Literal["none", "pacing", "dcqcn"] = _figure(
        "none",
        "How fast a queue pair sends: 'none': as the NIC's port can; 'pacing': at a fixed rate; "
        "'dcqcn': slower when it is told of congestion.",
        source="assumed",
    )
    pacing: OnePortRate | None = _figure(
        None, "Line rate of each queue pair (pacing).", source="assumed", unit="bit/s"
    )
    dcqcn: Dcqcn = _part("DCQCN's parameters (dcqcn).")
    split_messages: bool = _figure(
        False,
        "Whether each message is cut over all queue pairs; otherwise whole messages are dealt out.",
        source="published: NCCL's default (NCCL_IB_SPLIT_DATA_ON_QPS 0); HCCL splits",
    )
    framing: Framing = _part("Bytes beside the payload.")

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: object) -> object:
        """Lay what is given over what the preset says."""
        return presets.under(data, "nic")


class Pfc(Section):
    """Priority flow control of a site's switches (IEEE 802.1Qbb)."""

    short_keys = {"priority": "priorities"}

    priorities: list[Annotated[int, Field(ge=0, le=7)]] = _figure(
        [3],
        "The lossless priorities; 'priority: 3' does for one.",
        source="assumed: usual for RoCE",
        min_length=1,
        max_length=8,
    )
    xoff: Bytes = _figure(
        "256 KiB",
        "A port asks its peer to stop once more than this is stored from it, a priority.",
        source="assumed",
        unit="byte",
    )
    xon: Bytes = _figure(
        "128 KiB", "It asks to go on at this or less.", source="assumed", unit="byte"
    )
    headroom: BytesOrAuto = _figure(
        "auto",
        "Room above xoff for what still comes; 'auto': rate x round trip, 3 frames, a PFC frame.",
        source="derived: worst case, nothing drains",
        unit="byte",
    )
    quanta: int = _figure(
        65535,
        "Pause time that one PFC frame asks for, in quanta of 512 bit times.",
        source="published: IEEE 802.1Qbb's largest",
        unit="quantum",
        ge=1,
        le=65535,
    )

    @model_validator(mode="before")
    @classmethod
    def _one_priority(cls, data: object) -> object:
        """Take ``priority: 3`` for ``priorities: [3]``."""
        if not isinstance(data, Mapping) or "priority" not in data:
            return data
        if "priorities" in data:
            _refuse([Found([("priority",)], "give priority or priorities, not both")])
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
        return _not_above(xon, info, "xoff")


class Ecn(Section):
    """When a switch marks packets (RED between two levels of one queue)."""

    kmin: Bytes = _figure(
        "800 kB",
        "No packet is marked while its queue holds this or less.",
        source="published: research simulators' DCQCN, 400G",
        unit="byte",
    )
    kmax: Bytes = _figure(
        "3200 kB",
        "Every packet is marked once its queue holds this or more.",
        source="published: research simulators' DCQCN, 400G",
        unit="byte",
    )
    pmax: float = _figure(
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
    return _none_text(value)


class Fabric(Section):
    """The switches of a site. A bare text is its type: ``fabric: one-switch``."""

    short_form = "type"

    type: Literal["leaf-spine", "one-switch"] = _figure(
        "leaf-spine",
        "Leaves and spines, or one switch between hosts and gateway.",
        source="published: leaf-spine in the 329 km trial",
    )
    leaves: int = _figure(
        2, "Leaf switches; hosts are spread over them.", source="assumed", ge=1, le=1024
    )
    spines: int = _figure(2, "Spine switches.", source="assumed", ge=1, le=1024)
    rate: Rate = _figure(
        "400 Gbps",
        "Links from leaf to spine and from spine to gateway.",
        source="assumed",
        unit="bit/s",
    )
    cable: Metres = _figure(
        "30 m",
        "Length of every link inside the site.",
        source="assumed",
        unit="metre",
        le=MOST_CABLE_M,
    )
    latency: TimePs = _figure(
        0,
        "A switch's forwarding latency, added to each link that enters one.",
        source="assumed",
        unit="ps",
        le=MOST_LATENCY_PS,
    )
    pfc: Annotated[Pfc | None, BeforeValidator(_none_said)] = _part(
        "Priority flow control; 'none' turns it off."
    )
    ecn: Annotated[Ecn | None, BeforeValidator(_none_text)] = Field(
        None, description="Marking; without it switches mark nothing."
    )
    queue_limit: Bytes = _figure(
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

    rate: Rate | None = _figure(
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
    nic: Nic = _part("What differs from the scenario's nic; other keys are as there.")
    fabric: Fabric = _part("The site's switches.")
    gateway: Gateway = _part("The switch towards the lines.")
    convergence: Annotated[str | None, Field(pattern=checks.CONVERGENCE)] = Field(
        None,
        description="All NICs' rate over all lines' rate, like '4:1'; derived, so only checked.",
        examples=["4:1"],
    )


class Otn(Section):
    """The optical terminals at the two ends of a line, and how they keep it lossless."""

    flow_control: Annotated[Literal["none", "cooperative"], _later("transparent")] = _figure(
        "none",
        "'none': what finds no room is lost. 'cooperative': the terminals end PFC, buffer at "
        "the far end and hold back the near end over the line.",
        source="assumed; 'wide-area lossless' of the field trials is cooperative",
    )
    buffer: Bytes = _figure(
        "256 MiB",
        "Receiving buffer of each terminal for each port of the line and each lossless priority.",
        source="assumed",
        unit="byte",
    )
    xoff: BytesOrAuto = _figure(
        "auto",
        "The far end holds back the near end once more than this is stored; 'auto': buffer less "
        "worst-case headroom.",
        source="derived: buffer - rate x round trip - 3 frames - a PFC frame",
        unit="byte",
    )
    xon: BytesOrAuto = _figure(
        "auto",
        "It lets go on at this or less; 'auto': three quarters of xoff.",
        source="assumed",
        unit="byte",
    )
    client_buffer: Bytes = _figure(
        "16 MiB",
        "The near end's buffer towards its gateway, which it pauses by PFC.",
        source="assumed",
        unit="byte",
    )
    latency: TimePs = _figure(
        "5 us",
        "Each terminal, each way: framing, FEC, transponder.",
        source="assumed: a few microseconds, not verified",
        unit="ps",
        le=MOST_LATENCY_PS,
    )

    error_notification: bool = _figure(
        False,
        "Whether the far end tells the near end of each damaged frame, and that its NICs: a loss "
        "that the line explains does not slow them down (nic.slow_restart).",
        source="assumed: off; no product is known that does this",
    )

    @field_validator("xoff")
    @classmethod
    def _inside_buffer(cls, xoff: int | None, info: ValidationInfo) -> int | None:
        return _not_above(xoff, info, "buffer")

    @field_validator("xon")
    @classmethod
    def _below_xoff(cls, xon: int | None, info: ValidationInfo) -> int | None:
        explicit = info.data.get("xoff") is not None
        return _not_above(xon, info, "xoff" if explicit else "buffer")


LEAST_STATE_PS, MOST_STATE_PS = 10**6, 36 * 10**14  # 1 us, 1 h; some last 37 times as long
RATIOS_OF_PROCESS = {
    "bits": ("post_fec_ber",),
    "packets": ("packet_loss",),
    "codewords": ("post_fec_ber",),
    "pre-fec": ("pre_fec_ber",),
    "gilbert-elliott": ("bad_ber", "post_fec_ber"),
}


def _or_file(schema: dict[str, Any]) -> None:
    """Allow the name of a file where ``load`` puts in its rows."""
    rows = {key: schema.pop(key) for key in ("items", "maxItems", "type")}
    schema["anyOf"] = [rows, {"type": "string"}]


class Change(Section):
    """From a time on, another ratio of the line's error process; or the line is down."""

    at: TimePs = Field(
        description="From this time on.", json_schema_extra={"unit": "ps"}, examples=["5 ms"]
    )
    ratio: float | None = Field(
        None,
        description="The ratio that the process goes by (post_fec_ber, pre_fec_ber, packet_loss).",
        ge=0,
        lt=1,
        examples=[1e-8],
    )
    down: bool = Field(False, description="The line is down: every frame is lost.")

    @model_validator(mode="after")
    def _one_of_them(self) -> "Change":
        if (self.ratio is None) != self.down:
            text = "give a ratio, or down: true"
            _refuse([Found([("down",), ("ratio",)], text)])
        return self


class Errors(Section):
    """What the line damages."""

    process: Literal["bits", "packets", "codewords", "pre-fec", "gilbert-elliott"] = _figure(
        "bits",
        "'bits': each bit for itself, by post_fec_ber. 'packets': each frame for itself, by "
        "packet_loss. 'codewords': codewords of the FEC that cannot be corrected, by "
        "post_fec_ber. 'pre-fec': the same, by pre_fec_ber. 'gilbert-elliott': the line is good "
        "and bad by turns, by bad_ber, post_fec_ber, good_time and bad_time.",
        source="assumed",
    )
    post_fec_ber: float = _figure(
        0.0,
        "Bit error ratio of what the line delivers, after its FEC (bits, codewords; "
        "gilbert-elliott: while it is good).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    pre_fec_ber: float = _figure(
        0.0,
        "Bit error ratio before the FEC, each bit for itself (pre-fec).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    fec: Literal["kp4", "ofec"] = _figure(
        "kp4",
        "The FEC that corrects pre_fec_ber (pre-fec). 'kp4': RS(544,514). 'ofec': Open ROADM's, "
        "for long lines; up to 2.0e-2 it leaves nothing, above it nothing passes.",
        source="published: Open ROADM's threshold; that it is a step is assumed",
    )
    packet_loss: float = _figure(
        0.0,
        "How many of all frames are damaged, whatever their size and kind (packets).",
        source="assumed: a clean line",
        ge=0,
        lt=1,
    )
    interleaved: Annotated[Literal["auto", 1, 2, 4, 8], BeforeValidator(_whole)] = _figure(
        "auto",
        "Codewords that share their stretch of the line, so that one that fails damages what all "
        "carry (codewords, pre-fec); 'auto': 1 up to 100G, 2 up to 400G, 4 above.",
        source="published: IEEE 802.3 clauses 91, 119 and 172",
    )
    bad_ber: float = _figure(
        0.0,
        "Bit error ratio while the line is bad (gilbert-elliott).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    good_time: TimePs = _figure(
        "1 s",
        "How long it is good in the mean; the times are exponential (gilbert-elliott).",
        source="assumed",
        unit="ps",
    )
    bad_time: TimePs = _figure(
        "1 ms",
        "How long it is bad in the mean (gilbert-elliott).",
        source="assumed",
        unit="ps",
    )

    series: list[Change] = Field(
        [],
        description="Changes over time, in order; or the name of a CSV file beside the scenario "
        "with a time in seconds and a ratio (or 'down') a row. Not with gilbert-elliott.",
        max_length=ber_series.MOST_ROWS,
        json_schema_extra=_or_file,
    )
    signal_fail: float | None = _figure(
        None,
        "The line is taken down while its ratio is this or more, once that has lasted "
        "signal_fail_time. Without it the line stays up.",
        source="assumed: off; G.806 has 1e-3 to 1e-5",
        gt=0,
        lt=1,
    )
    signal_fail_time: TimePs = _figure(
        "10 ms",
        "How long it takes to detect signal fail.",
        source="published: Poisson detector at 1e-3 (G.806 as vendors quote it)",
        unit="ps",
    )
    signal_degrade: float | None = _figure(
        None,
        "As signal_fail, by signal_degrade_time.",
        source="assumed: off; G.806 has 1e-5 to 1e-9",
        gt=0,
        lt=1,
    )
    signal_degrade_time: TimePs = _figure(
        "7 s",
        "How long it takes to detect signal degrade.",
        source="published: RFC 3591, DEGM 7 bad seconds in a row",
        unit="ps",
    )

    @field_validator("good_time", "bad_time")
    @classmethod
    def _in_reach(cls, mean_ps: int) -> int:
        if not LEAST_STATE_PS <= mean_ps <= MOST_STATE_PS:
            raise ValueError(f"got {show_time(mean_ps)}; from 1 us to 1 h")
        return mean_ps

    @model_validator(mode="after")
    def _of_its_process(self) -> "Errors":
        own = RATIOS_OF_PROCESS[self.process]
        # Of two processes that go by one key, the first is told of.
        of_key = {key: process for process, (key, *_) in reversed(RATIOS_OF_PROCESS.items())}
        _refuse(
            [
                Found(
                    [(key,), ("process",)],
                    f"{key} has no effect with process '{self.process}', which goes by "
                    f"{' and '.join(own)}; write process: {process}, or leave {key} out",
                )
                for key, process in of_key.items()
                if key not in own and getattr(self, key) > 0
            ]
        )
        if self.fec != "kp4" and self.process != "pre-fec":
            text = f"fec has no effect with process {self.process!r}; write process: pre-fec"
            _refuse([Found([("fec",), ("process",)], text)])
        return self

    @model_validator(mode="after")
    def _over_time(self) -> "Errors":
        found = []
        if self.process == "gilbert-elliott":
            found += [
                Found([(key,), ("process",)], f"{key} has no effect with gilbert-elliott")
                for key in ("series", "signal_fail", "signal_degrade")
                if getattr(self, key)
            ]
        times = [change.at for change in self.series]
        for i, (before, after) in enumerate(pairwise(times)):
            if after <= before:
                text = f"{show_time(after)} must come after {show_time(before)} before it"
                found.append(Found([("series", i + 1, "at"), ("series", i, "at")], text))
        most = 1 if self.process == "packets" else 0.5
        found += [
            Found([("series", i, "ratio"), ("process",)], f"must be below 0.5, got {change.ratio}")
            for i, change in enumerate(self.series)
            if change.ratio is not None and change.ratio >= most
        ]
        _refuse(found)
        return self

    @property
    def ratios(self) -> list[float]:
        """The ratios that the process goes by."""
        return [float(getattr(self, key)) for key in RATIOS_OF_PROCESS[self.process]]


class Line(Section):
    """An optical path between two sites."""

    keys_for_later = ("protection",)

    between: list[str] = Field(
        description="The two sites that it joins.",
        min_length=2,
        max_length=2,
        examples=[["a", "b"]],
    )
    distance: Distance = Field(
        description="Length of the fibre, at most 20,000 km.",
        json_schema_extra={"unit": "metre"},
        examples=["329 km"],
    )
    delay: DelayPerLength = _figure(
        "4.9 us/km",
        "How long light takes.",
        source="published: glass, n 1.468",
        unit="ps/metre",
        le=MOST_DELAY_PS_PER_M,
    )
    rate: Rate = Field(
        description="Ports of the line and their rate.",
        json_schema_extra={"unit": "bit/s"},
        examples=["2 x 400 Gbps"],
    )
    otn: Otn = _part("The terminals at its ends.")
    errors: Errors = _part("What it damages.")

    @property
    def way_ps(self) -> int:
        """How long a bit takes from end to end: light and both terminals."""
        return line_delay_ps(self.distance, self.delay) + 2 * self.otn.latency


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
    credit: SomeBytes = _figure(
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


class Scenario(Section):
    """Sites, the lines between them, what the NICs are set to, and the work."""

    keys_for_later = ("training", "events")

    name: str = Field(
        description="Name of the scenario, and of its result files.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=64,
        examples=["perftest"],
    )
    description: str = Field("", description="What it shows.")
    sites: dict[Annotated[str, Field(pattern=SITE_NAME)], Site] = Field(
        description="The data centres, by name.", min_length=1, examples=[{"a": {"hosts": 1}}]
    )
    lines: list[Line] = Field([], description="The optical paths between them.")
    nic: Nic = _part("What the NICs are set to.")
    traffic: list[Work] = Field(
        description="The work: transfers and computations.",
        min_length=1,
        examples=[[{"name": "write", "from": "a.0", "to": "b.0", "bytes": "1 GiB"}]],
    )
    seed: int = Field(
        1, description="The same seed gives the same run.", ge=0, le=MOST_SEED, examples=[1]
    )
    stop: TimePs | None = Field(
        None,
        description="The run stops at this time at the latest.",
        json_schema_extra={"unit": "ps"},
        examples=["1 s"],
    )

    @model_validator(mode="before")
    @classmethod
    def _like(cls, data: object) -> object:
        resolved, problems = like.resolve(data)
        _refuse(problems)
        return resolved

    @model_validator(mode="after")
    def _cross_checks(self) -> "Scenario":
        _refuse(checks.across(self.sites, self.lines, self.traffic, self.nic))
        return self

    def site_nic(self, site: str) -> Nic:
        """Return the settings of one site's NICs: the scenario's, with what the site overrides."""
        return checks.merged_nic(self.nic, self.sites[site].nic)

    def hosts(self, selector: str) -> list[Host]:
        """Hosts, as (site, index), that SITE.N, SITE.* or SITE.A-B names."""
        return expand(selector, {name: site.hosts for name, site in self.sites.items()})

    def pairs(self, work: Work) -> list[tuple[Host, Host]]:
        """Sender and receiver of each transfer that a row stands for, in order."""
        if work.source is None or work.target is None:
            raise ValueError(f"{work.name} is a computation")
        return pair(self.hosts(work.source), self.hosts(work.target))

    def convergence(self, site: str) -> float | None:
        """All its NICs' rate over all its lines' rate; None for a site without lines."""
        return checks.convergence(site, self.sites[site].hosts, self.site_nic(site), self.lines)


__all__ = [
    "Change",
    "Dcqcn",
    "Ecn",
    "Errors",
    "Fabric",
    "Framing",
    "Gateway",
    "Line",
    "Nic",
    "Otn",
    "Pfc",
    "PortRate",
    "RetryBudget",
    "Scenario",
    "Site",
    "Slots",
    "Work",
]
