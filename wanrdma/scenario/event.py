"""What a scenario says of events: lines that break, switch, get slower; NICs that go mad."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from .found import Found
from .hosts import written_well
from .section import Section, figure, refuse
from .units import Distance, OnePortRate, TimePs, show_time

Kind = Literal["down", "switch", "reroute", "capacity", "ber", "wavelength-lost", "pause-storm"]

OF_A_BREAK = ("outage", "outage_at_least", "direction", "break_at", "waiting", "detection")
KEYS: dict[str, tuple[str, ...]] = {
    "down": ("line", "channel", *OF_A_BREAK),
    "switch": ("line", "to", "overtake", *OF_A_BREAK),
    "reroute": ("line", "to", "overtake", *OF_A_BREAK),
    "capacity": ("line", "rate", "lasts", *OF_A_BREAK),
    "ber": ("line", "ratio"),
    "wavelength-lost": ("line", "channel", "lasts", *OF_A_BREAK),
    "pause-storm": ("host", "priority", "lasts"),
}
NEEDED = {
    "capacity": "rate",
    "ber": "ratio",
    "wavelength-lost": "channel",
    "pause-storm": "host",
}
USUAL_OUTAGE_PS = {
    "switch": 50 * 10**9,  # 1+1 and WSON: within 50 ms (DOMAIN 5)
    "reroute": 2 * 10**12,  # ASON: seconds
    "capacity": 0,
    "wavelength-lost": 50 * 10**9,
}


class Event(Section):
    """Something that happens to a line or to a NIC."""

    at: TimePs = Field(description="When.", json_schema_extra={"unit": "ps"}, examples=["5 ms"])
    what: Kind = Field(
        description="'down': the line breaks, and is mended. 'switch': it breaks, and goes on by "
        "another way (1+1, WSON). 'reroute': the same, later (ASON). 'capacity': another rate. "
        "'ber': another ratio of bad bits. 'wavelength-lost': one channel breaks, then all share "
        "what is left. 'pause-storm': a NIC sends PFC without end.",
        examples=["switch"],
    )
    line: int = Field(0, description="Which line, counted from 0.", ge=0)
    outage: TimePs | None = figure(
        None,
        "How long nothing passes (down, switch, reroute, capacity, wavelength-lost); 0: hitless. "
        "When not given: switch and wavelength-lost 50 ms, reroute 2 s, capacity 0, down for ever.",
        source="published: 1+1 and WSON within 50 ms; ASON takes seconds, 2 s is assumed",
        unit="ps",
    )
    outage_at_least: TimePs | None = figure(
        None,
        "The outage is drawn, evenly, from this to `outage`.",
        source="assumed: as given, not drawn",
        unit="ps",
    )
    to: Distance | None = figure(
        None,
        "Length of the way that it goes on by, in both directions (switch, reroute); when not "
        "given, as before. It is always another fibre than before; a length that comes again is "
        "the same one again.",
        source="assumed: as long",
        unit="metre",
    )
    overtake: bool = figure(
        False,
        "Whether what is sent by a shorter way may overtake what is still on the other.",
        source="assumed: the terminals keep the order",
    )
    rate: OnePortRate | None = Field(
        None,
        description="Rate of each channel from then on (capacity).",
        json_schema_extra={"unit": "bit/s"},
        examples=["200 Gbps"],
    )
    ratio: float | None = Field(
        None,
        description="The ratio that the line's error process goes by from then on (ber).",
        ge=0,
        lt=1,
        examples=[1e-8],
    )
    channel: int | None = Field(
        None,
        description="Which channel of the line, counted from 0 (wavelength-lost; down: all when "
        "not given).",
        ge=0,
    )
    lasts: TimePs | None = Field(
        None,
        description="How long until it is as before (capacity, wavelength-lost, pause-storm); "
        "for ever when not given.",
        json_schema_extra={"unit": "ps"},
        examples=["1 s"],
    )
    direction: str = figure(
        "both",
        "The site whose sending is hit, or 'both'.",
        source="assumed: a cut takes both",
    )
    break_at: Distance | None = figure(
        None,
        "Where it breaks, from the line's first site (on a shorter way at its end): what has "
        "passed there still arrives. When not given, all that is on the fibre is lost.",
        source="assumed: the worst",
        unit="metre",
    )
    waiting: Literal["lost", "held"] = figure(
        "lost",
        "What the terminals do meanwhile: send on, so that it is 'lost', or stop, so that it is "
        "'held' in their buffers.",
        source="assumed",
    )
    detection: TimePs = figure(
        0,
        "How long until the terminals stop (held).",
        source="assumed: at once",
        unit="ps",
    )
    host: Annotated[str | None, AfterValidator(written_well)] = Field(
        None, description="Whose NIC (pause-storm): SITE.N.", examples=["b.0"]
    )
    priority: int = figure(
        3, "The priority that it stops (pause-storm).", source="assumed", ge=0, le=7
    )

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> "Event":
        found = []
        for key in type(self).model_fields:
            if key in self.model_fields_set and key not in ("at", "what", *KEYS[self.what]):
                takes = ", ".join(KEYS[self.what])
                text = f"{key} has no effect with {self.what!r}, which takes {takes}"
                found.append(Found([(key,), ("what",)], text))
        needed = NEEDED.get(self.what)
        if needed and getattr(self, needed) is None:
            found.append(Found([("what",), (needed,)], f"{self.what!r} needs {needed}"))
        found += self._without_effect()
        least = self.outage_at_least
        if least is not None and (self.longest_outage is None or least > self.longest_outage):
            longest = "the outage, which is for ever"
            if self.longest_outage is not None:
                longest = f"the outage ({show_time(self.longest_outage)})"
            text = f"outage_at_least ({show_time(least)}) may not be above {longest}"
            found.append(Found([("outage_at_least",), ("outage",)], text))
        refuse(found)
        return self

    def _without_effect(self) -> Iterator[Found]:
        """Tell of keys that would change nothing."""
        outage = self.longest_outage
        if self.detection and self.waiting == "lost":
            text = "detection has no effect unless waiting is 'held'"
            yield Found([("detection",), ("waiting",)], text)
        elif self.detection and outage is not None and self.detection >= outage:
            text = f"detection ({show_time(self.detection)}) must be below the outage "
            text += f"({show_time(outage)}), or nothing is held"
            yield Found([("detection",), ("outage",)], text)
        if self.overtake and self.to is None:
            yield Found([("overtake",), ("to",)], "overtake has no effect without to, a length")
        if self.what == "down" and outage == 0:
            yield Found([("outage",)], "an outage of 0 is none; give a time, or leave it out")
        if self.what == "pause-storm" and self.lasts == 0:
            yield Found([("lasts",)], "a storm of 0 is none; give a time, or leave it out")
        if self.breaks and outage == 0:
            for key in {"break_at", "waiting", "outage_at_least"} & self.model_fields_set:
                yield Found([(key,), ("outage",)], f"{key} has no effect with an outage of 0")
        if self.breaks and self.lasts is not None and outage is not None and self.lasts < outage:
            text = f"lasts ({show_time(self.lasts)}) may not be below the outage "
            text += f"({show_time(outage)})"
            yield Found([("lasts",), ("outage",)], text)

    @property
    def longest_outage(self) -> int | None:
        """How long nothing passes at most, in ps; None: for ever."""
        return USUAL_OUTAGE_PS.get(self.what) if self.outage is None else self.outage

    @property
    def breaks(self) -> bool:
        """Whether it is an event in which nothing may pass for a time."""
        return "outage" in KEYS[self.what]
