"""What a scenario says of NICs."""

from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from . import presets
from .limits import (
    LEAST_FRAME_BYTES,
    MOST_HEADER_BYTES,
    MOST_LATENCY_PS,
    MOST_PERIOD_PS,
    MOST_QUEUE_PAIRS,
    MOST_REORDER,
    MOST_TIMEOUT,
)
from .section import Section, figure, none_text, part
from .units import (
    Bytes,
    BytesOrAuto,
    OnePortRate,
    SomeBytes,
    TimePs,
)


class Framing(Section):
    """Bytes that a packet takes on the line beside its payload."""

    overhead: Bytes = figure(
        "82 B",
        "Line time of a data packet beyond its payload: preamble, Ethernet, IPv4, UDP, BTH, "
        "ICRC, FCS and inter-frame gap.",
        source="published: RoCEv2 over Ethernet, 8+14+20+8+12+4+4+12",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )
    reth: Bytes = figure(
        "16 B",
        "Line time more for the first packet of a WRITE: its RETH.",
        source="published: InfiniBand specification",
        unit="byte",
        le=MOST_HEADER_BYTES,
    )
    ack: Bytes = figure(
        "86 B",
        "Line time of an ACK or NAK: as a data packet without payload, with AETH.",
        source="published: RoCEv2 over Ethernet, 82+4",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )
    cnp: Bytes = figure(
        "98 B",
        "Line time of a CNP: as a data packet without payload, with 16 B reserved.",
        source="published: RoCEv2 annex 17.9.3, 82+16",
        unit="byte",
        ge=LEAST_FRAME_BYTES,
        le=MOST_HEADER_BYTES,
    )


class Dcqcn(Section):
    """DCQCN's parameters (Zhu et al., SIGCOMM 2015); switches must mark: sites.*.fabric.ecn."""

    cnp_interval: TimePs = figure(
        "50 us",
        "A receiver sends one CNP a queue pair in this time, if marked packets come.",
        source="published: DCQCN paper",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    cnp_priority: int = figure(
        6, "Priority of CNPs.", source="published: ConnectX factory setting", ge=0, le=7
    )
    gain: float = figure(
        1 / 256,
        "g, how fast alpha follows: by this share a CNP or a period without one.",
        source="published: DCQCN paper",
        gt=0,
        lt=1,
    )
    alpha_time: TimePs = figure(
        "55 us",
        "Period without a CNP after which alpha falls.",
        source="published: DCQCN paper",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    increase_time: TimePs = figure(
        "55 us",
        "The rate grows by a step each time this has passed,",
        source="published: DCQCN paper; NVIDIA 300 us, SimAI 900 us",
        unit="ps",
        gt=0,
        le=MOST_LATENCY_PS,
    )
    increase_bytes: SomeBytes = figure(
        "10 MB",
        "and each time this was sent.",
        source="published: DCQCN paper",
        unit="byte",
    )
    fast_steps: int = figure(
        5,
        "Steps of fast recovery before the rate grows beyond what it was.",
        source="published: DCQCN paper; NVIDIA 1",
        ge=1,
        le=1000,
    )
    add: OnePortRate = figure(
        "40 Mbps", "A step of additive increase.", source="published: DCQCN paper", unit="bit/s"
    )
    hyper: OnePortRate = figure(
        "100 Mbps",
        "A step of hyper increase, times how many there were.",
        source="published: SimAI's configuration; the paper gives no figure",
        unit="bit/s",
    )
    least_rate: OnePortRate = figure(
        "100 Mbps",
        "No queue pair is slowed below this.",
        source="published: SimAI's configuration",
        unit="bit/s",
    )


class RetryBudget(Section):
    """How many retries a queue pair survives in a period, whatever each of them mends."""

    retries: int = figure(
        50,
        "Timeouts and NAKs acted on in a period; one more is an error of the queue pair.",
        source="published: WinOF-2, EXT_QP_MAX_RETRY_LIMIT",
        ge=1,
        le=65535,
    )
    period: TimePs = figure(
        "60 s",
        "The period; the first retry after one begins the next.",
        source="assumed: WinOF-2's default was not found",
        unit="ps",
        gt=0,
        le=MOST_PERIOD_PS,
    )


class Nic(Section):
    """What the NICs are set to. Under a site, only the keys given there override these."""

    preset: presets.Name | None = Field(
        None,
        description="Take a known NIC's or library's settings; keys given beside it win. "
        "'wanrdma presets NAME' shows each value with its source.",
    )
    rate: OnePortRate = figure("400 Gbps", "Rate of a NIC's port.", source="assumed", unit="bit/s")
    mtu: Literal[256, 512, 1024, 2048, 4096] = figure(
        4096, "Largest payload of a packet.", source="published: RoCEv2's path MTUs", unit="byte"
    )
    window: BytesOrAuto = figure(
        "auto",
        "Payload that a queue pair may have unacknowledged; 'auto': what keeps the NIC busy "
        "over its path, and with selective-repeat also while a gap is filled.",
        source="derived: NIC rate x round-trip time; twice that with selective-repeat",
        unit="byte",
    )
    queue_pairs: int = figure(
        1,
        "Queue pairs from one host to another; a row of traffic is split evenly over them.",
        source="published: default of NCCL and HCCL",
        ge=1,
        le=MOST_QUEUE_PAIRS,
    )
    timeout: int = figure(
        20,
        "Exponent n of the ACK timer, 4.096 us x 2^n; 0: no timer.",
        source="published: default of HCCL and of NCCL since 2.23",
        ge=0,
        le=MOST_TIMEOUT,
    )
    timeout_detection: float = figure(
        1.0,
        "The timer expires after this many times 4.096 us x 2^n.",
        source="published: InfiniBand specification allows 1 to 4",
        ge=1,
        le=4,
    )
    least_timeout: int = figure(
        0,
        "Lower exponents count as this one.",
        source="assumed; ConnectX's factory setting is 16",
        ge=0,
        le=MOST_TIMEOUT,
    )
    first_timeout: int = figure(
        0,
        "Adaptive retransmission: after progress the first timer runs 4.096 us x 2^n, the next "
        "ones twice as long each, up to timeout; all of these spend one retry. 0: off. Below the "
        "round trip they send again what was not lost.",
        source="assumed: off",
        ge=0,
        le=MOST_TIMEOUT,
    )
    retries: int = figure(
        7,
        "Timeouts and NAKs without progress that a queue pair survives.",
        source="published: default of NCCL, HCCL and perftest",
        ge=0,
        le=7,
    )
    last_retry_is_fatal: bool = figure(
        False,
        "Whether the last of these retries is the error already, and not the one after it.",
        source="published: InfiniBand specification; ConnectX's adaptive retransmission: true",
    )
    retry_budget: Annotated[RetryBudget | None, BeforeValidator(none_text)] = Field(
        None, description="Retries in a period that a queue pair survives; 'none': any number."
    )
    retransmission: Literal["go-back-n", "selective-repeat"] = figure(
        "go-back-n",
        "'go-back-n': the receiver throws away what comes out of order, the sender sends it again. "
        "'selective-repeat': the receiver holds it, the sender fills the gaps.",
        source="published: ConnectX's factory setting is go-back-N",
    )
    out_of_order: int = figure(
        0,
        "Packets that may be outstanding, so that the receiver can hold what comes out of order "
        "(selective-repeat); 0: as many of full size as the window has.",
        source="derived: the window",
        unit="packet",
        ge=0,
        le=MOST_REORDER,
    )
    slow_restart: int = figure(
        0,
        "Packets that may be outstanding after a loss; twice as many each round trip until the "
        "window is full. 0: off.",
        source="assumed: off",
        unit="packet",
        ge=0,
        le=2**23,
    )
    ack_every: int = figure(
        1,
        "Packets that one ACK may acknowledge; the last of a message always gets one.",
        source="assumed",
        unit="packet",
        ge=1,
        le=2**23,
    )
    nak_again: TimePs = figure(
        "0 s",
        "A receiver that misses a packet sends another NAK for each further packet that comes this "
        "long after the last; 0: one NAK a gap. Repeated NAKs spend no retries.",
        source="published: InfiniBand and Linux rxe send one; ns-3's RDMA model 500 us",
        unit="ps",
        le=MOST_LATENCY_PS,
    )
    priority: int = figure(
        3, "Priority (802.1p) of data packets.", source="assumed: usual for RoCE", ge=0, le=7
    )
    ack_priority: int | None = figure(
        None,
        "Priority of ACKs and NAKs; when not given, as the data's.",
        source="assumed",
        ge=0,
        le=7,
    )
    congestion_control: Literal["none", "pacing", "dcqcn"] = figure(
        "none",
        "How fast a queue pair sends: 'none': as the NIC's port can; 'pacing': at a fixed rate; "
        "'dcqcn': slower when it is told of congestion.",
        source="assumed",
    )
    pacing: OnePortRate | None = figure(
        None, "Line rate of each queue pair (pacing).", source="assumed", unit="bit/s"
    )
    dcqcn: Dcqcn = part("DCQCN's parameters (dcqcn).")
    split_messages: bool = figure(
        False,
        "Whether each message is cut over all queue pairs; otherwise whole messages are dealt out.",
        source="published: NCCL's default (NCCL_IB_SPLIT_DATA_ON_QPS 0); HCCL splits",
    )
    framing: Framing = part("Bytes beside the payload.")

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, data: object) -> object:
        """Lay what is given over what the preset says."""
        return presets.under(data, "nic")
