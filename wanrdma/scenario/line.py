"""What a scenario says of a line: light, terminals, errors."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..theory import line_delay_ps
from . import ber_series
from .found import Found
from .limits import MOST_DELAY_PS_PER_M, MOST_LATENCY_PS, MOST_SHARED_BYTES
from .section import Section, figure, none_text, not_above, part, refuse, whole
from .units import (
    Bytes,
    BytesOrAuto,
    DelayPerLength,
    Distance,
    Rate,
    TimePs,
    show_time,
)


class Otn(Section):
    """The optical terminals at the two ends of a line, and how they keep it lossless."""

    flow_control: Literal["none", "transparent", "cooperative"] = figure(
        "none",
        "'none': what finds no room is lost. 'transparent': PFC frames cross the line, and the "
        "gateways need the buffer. 'cooperative': the terminals end PFC, buffer at the far end "
        "and hold back the near end over the line.",
        source="assumed; 'wide-area lossless' of the field trials is cooperative",
    )
    buffer: Bytes = figure(
        "256 MiB",
        "Receiving buffer of each terminal for each port of the line and each lossless priority; "
        "with transparent it is the gateway's.",
        source="assumed",
        unit="byte",
    )
    xoff: BytesOrAuto = figure(
        "auto",
        "The far end holds back the near end once more than this is stored; 'auto': buffer less "
        "worst-case headroom.",
        source="derived: buffer - rate x round trip - 3 frames - a PFC frame",
        unit="byte",
    )
    xon: BytesOrAuto = figure(
        "auto",
        "It lets go on at this or less; 'auto': three quarters of xoff.",
        source="assumed",
        unit="byte",
    )
    client_buffer: Bytes = figure(
        "16 MiB",
        "The near end's buffer towards its gateway, which it pauses by PFC.",
        source="assumed",
        unit="byte",
    )
    shared: Annotated[Bytes | None, BeforeValidator(none_text)] = figure(
        None,
        "Buffer that all ports of a terminal towards the line share, in place of `buffer` and "
        "`xoff`, with worst-case headroom for each on top; 'none': each has its own.",
        source="assumed: buffers of their own",
        unit="byte",
        le=MOST_SHARED_BYTES,
    )
    alpha: float = figure(
        1.0,
        "With a shared buffer: a port holds back the near end above this much of what is free.",
        source="assumed",
        gt=0,
        le=64,
    )
    control: Literal["in-band", "channel"] = figure(
        "in-band",
        "How the far end holds back the near end (cooperative). 'in-band': by PFC frames on the "
        "line. 'channel': by a channel of the OTN's own, which takes no line time and has no bit "
        "errors.",
        source="assumed; products do not say",
    )
    control_latency: TimePs | None = figure(
        None,
        "How long a message on the channel takes; when not given, as long as the line. No less.",
        source="derived: the line's light and terminals",
        unit="ps",
        le=MOST_LATENCY_PS,
    )
    control_hold: TimePs = figure(
        "1 ms",
        "A stop on the channel holds for this long unless it is repeated, which it is every third "
        "of it.",
        source="assumed",
        unit="ps",
        ge=1_000_000,
        le=MOST_LATENCY_PS,
    )
    distance_hints: bool = figure(
        False,
        "Whether the NICs learn of a new length when the line is switched to another way: "
        "`window: auto` then follows it.",
        source="assumed: off; no product is known that does this",
    )
    latency: TimePs = figure(
        "5 us",
        "Each terminal, each way: framing, FEC, transponder.",
        source="assumed: a few microseconds, not verified",
        unit="ps",
        le=MOST_LATENCY_PS,
    )

    error_notification: bool = figure(
        False,
        "Whether the far end tells the near end of each damaged frame, and that its NICs: a loss "
        "that the line explains does not slow them down (nic.slow_restart).",
        source="assumed: off; no product is known that does this",
    )

    @field_validator("xoff")
    @classmethod
    def _inside_buffer(cls, xoff: int | None, info: ValidationInfo) -> int | None:
        return not_above(xoff, info, "buffer")

    @field_validator("xon")
    @classmethod
    def _below_xoff(cls, xon: int | None, info: ValidationInfo) -> int | None:
        explicit = info.data.get("xoff") is not None
        return not_above(xon, info, "xoff" if explicit else "buffer")


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
            refuse([Found([("down",), ("ratio",)], text)])
        return self


class Errors(Section):
    """What the line damages."""

    process: Literal["bits", "packets", "codewords", "pre-fec", "gilbert-elliott"] = figure(
        "bits",
        "'bits': each bit for itself, by post_fec_ber. 'packets': each frame for itself, by "
        "packet_loss. 'codewords': codewords of the FEC that cannot be corrected, by "
        "post_fec_ber. 'pre-fec': the same, by pre_fec_ber. 'gilbert-elliott': the line is good "
        "and bad by turns, by bad_ber, post_fec_ber, good_time and bad_time.",
        source="assumed",
    )
    post_fec_ber: float = figure(
        0.0,
        "Bit error ratio of what the line delivers, after its FEC (bits, codewords; "
        "gilbert-elliott: while it is good).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    pre_fec_ber: float = figure(
        0.0,
        "Bit error ratio before the FEC, each bit for itself (pre-fec).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    fec: Literal["kp4", "ofec"] = figure(
        "kp4",
        "The FEC that corrects pre_fec_ber (pre-fec). 'kp4': RS(544,514). 'ofec': Open ROADM's, "
        "for long lines; up to 2.0e-2 it leaves nothing, above it nothing passes.",
        source="published: Open ROADM's threshold; that it is a step is assumed",
    )
    packet_loss: float = figure(
        0.0,
        "How many of all frames are damaged, whatever their size and kind (packets).",
        source="assumed: a clean line",
        ge=0,
        lt=1,
    )
    interleaved: Annotated[Literal["auto", 1, 2, 4, 8], BeforeValidator(whole)] = figure(
        "auto",
        "Codewords that share their stretch of the line, so that one that fails damages what all "
        "carry (codewords, pre-fec); 'auto': 1 up to 100G, 2 up to 400G, 4 above.",
        source="published: IEEE 802.3 clauses 91, 119 and 172",
    )
    bad_ber: float = figure(
        0.0,
        "Bit error ratio while the line is bad (gilbert-elliott).",
        source="assumed: a clean line",
        ge=0,
        lt=0.5,
    )
    good_time: TimePs = figure(
        "1 s",
        "How long it is good in the mean; the times are exponential (gilbert-elliott).",
        source="assumed",
        unit="ps",
    )
    bad_time: TimePs = figure(
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
    signal_fail: float | None = figure(
        None,
        "The line is taken down while its ratio is this or more, once that has lasted "
        "signal_fail_time. Without it the line stays up.",
        source="assumed: off; G.806 has 1e-3 to 1e-5",
        gt=0,
        lt=1,
    )
    signal_fail_time: TimePs = figure(
        "10 ms",
        "How long it takes to detect signal fail.",
        source="published: Poisson detector at 1e-3 (G.806 as vendors quote it)",
        unit="ps",
    )
    signal_degrade: float | None = figure(
        None,
        "As signal_fail, by signal_degrade_time.",
        source="assumed: off; G.806 has 1e-5 to 1e-9",
        gt=0,
        lt=1,
    )
    signal_degrade_time: TimePs = figure(
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
        refuse(
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
            refuse([Found([("fec",), ("process",)], text)])
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
        refuse(found)
        return self

    @property
    def ratios(self) -> list[float]:
        """The ratios that the process goes by."""
        return [float(getattr(self, key)) for key in RATIOS_OF_PROCESS[self.process]]


class Line(Section):
    """An optical path between two sites."""

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
    delay: DelayPerLength = figure(
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
    otn: Otn = part("The terminals at its ends.")
    errors: Errors = part("What it damages.")

    @property
    def back_ps(self) -> int:
        """How long it takes the far end to hold back the near end."""
        if self.otn.control == "in-band":
            return self.way_ps
        return max(self.otn.control_latency or 0, self.way_ps)

    @property
    def way_ps(self) -> int:
        """How long a bit takes from end to end: light and both terminals."""
        return line_delay_ps(self.distance, self.delay) + 2 * self.otn.latency
