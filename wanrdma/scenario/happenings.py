"""What must fit between events and the lines and sites that they happen to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .found import Found, Place, unknown_site
from .hosts import expand, site_of
from .units import show_time

if TYPE_CHECKING:
    from .schema import Event, Line, Site


def check(
    sites: Mapping[str, "Site | None"],
    lines: Sequence["Line | None"],
    events: Sequence["Event | None"],
) -> Iterator[Found]:
    """See that each event happens to something that there is; None could not be read."""
    for index, event in enumerate(events):
        if event is None:
            continue
        place: Place = ("events", index)
        if event.what == "pause-storm":
            yield from _host(event, place, sites)
        elif event.line >= len(lines):
            have = f"lines are counted from 0, and there are {len(lines)}"
            yield Found([(*place, "line"), ("lines",)], f"there is no line {event.line}: {have}")
        elif (line := lines[event.line]) is not None:
            yield from _line(event, place, line, _longest_m(line, event.line, events))
    for index, line in enumerate(lines):
        if line is not None:
            yield from _control(line, index)
            yield from _wavelengths(line, index, events)


def _host(event: "Event", place: Place, sites: Mapping[str, "Site | None"]) -> Iterator[Found]:
    name = site_of(event.host or "")
    if name not in sites:
        yield Found([(*place, "host")], unknown_site(name, sites))
        return
    site = sites[name]
    if site is None:
        return
    try:
        hosts = expand(event.host or "", {name: site.hosts})
    except ValueError as error:
        yield Found([(*place, "host"), ("sites", name, "hosts")], str(error))
        return
    if len(hosts) != 1:
        yield Found([(*place, "host")], f"{event.host!r} is {len(hosts)} hosts; name one, SITE.N")
    pfc = site.fabric.pfc
    if pfc is None or event.priority not in pfc.priorities:
        text = f"the switches of {name} have no PFC on priority {event.priority}: they would not "
        text += "obey; give one of sites.SITE.fabric.pfc.priorities"
        yield Found([(*place, "priority"), ("sites", name, "fabric")], text)


def _longest_m(line: "Line", index: int, events: Sequence["Event | None"]) -> float:
    """Return the length of the longest way that a line may go."""
    taken = [one.to for one in events if one is not None and one.line == index]
    return max([line.distance, *(to for to in taken if to is not None)])


def _line(event: "Event", place: Place, line: "Line", longest_m: float) -> Iterator[Found]:
    on: Place = ("lines", event.line)
    if event.direction not in ("both", *line.between):
        a, b = line.between
        text = f"{event.direction!r} is none of 'both', {a!r} and {b!r}, the sites of the line"
        yield Found([(*place, "direction"), (*on, "between")], text)
    if event.channel is not None and event.channel >= line.rate.count:
        text = f"channels are counted from 0, and the line has {line.rate.count}"
        yield Found([(*place, "channel"), (*on, "rate")], text)
    if event.break_at is not None and event.break_at > longest_m:
        text = f"is beyond the end of the line, at most {longest_m / 1000:g} km"
        yield Found([(*place, "break_at"), (*on, "distance")], text)
    if event.what == "wavelength-lost" and line.rate.count == 1:
        text = "the line has one channel only; write what: down"
        yield Found([(*place, "what"), (*on, "rate")], text)
    if event.what == "ber":
        yield from _ratio(event, place, line, on)


def _ratio(event: "Event", place: Place, line: "Line", on: Place) -> Iterator[Found]:
    process: Place = (*on, "errors", "process")
    if line.errors.process == "gilbert-elliott":
        yield Found([(*place, "what"), process], "has no effect with gilbert-elliott")
    elif line.errors.process != "packets" and (event.ratio or 0) >= 0.5:
        yield Found([(*place, "ratio"), process], f"must be below 0.5, got {event.ratio}")


def _control(line: "Line", index: int) -> Iterator[Found]:
    """See that no message is faster than light."""
    otn, on = line.otn, ("lines", index)
    if otn.shared is not None and otn.flow_control != "cooperative":
        text = f"has no effect with flow_control {otn.flow_control!r}, which has no terminals with "
        text += "buffers; write cooperative, or fabric.pfc.shared for the switches"
        yield Found([(*on, "otn", "shared"), (*on, "otn", "flow_control")], text)
    if otn.control == "channel" and otn.flow_control != "cooperative":
        text = f"has no effect with flow_control {otn.flow_control!r}; write cooperative"
        yield Found([(*on, "otn", "control"), (*on, "otn", "flow_control")], text)
    latency = otn.control_latency
    if latency is None:
        return
    if otn.control != "channel":
        text = "has no effect with control 'in-band'; write control: channel"
        yield Found([(*on, "otn", "control_latency"), (*on, "otn", "control")], text)
    elif latency < line.way_ps:
        yield Found(
            [(*on, "otn", "control_latency"), *((*on, key) for key in ("distance", "delay"))],
            f"control_latency ({show_time(latency)}) may not be below what light and terminals "
            f"take ({show_time(line.way_ps)})",
        )


def _wavelengths(line: "Line", index: int, events: Sequence["Event | None"]) -> Iterator[Found]:
    """See that one channel is left at any time."""
    lost = [
        (k, event)
        for k, event in enumerate(events)
        if event is not None and event.what == "wavelength-lost" and event.line == index
    ]
    for k, event in lost:
        for site in dict.fromkeys(line.between):
            gone = {
                other.channel
                for j, other in lost
                if (other.at, j) <= (event.at, k)
                and (other.lasts is None or event.at < other.at + other.lasts)
                and {other.direction, event.direction} <= {"both", site}
            }
            if len(gone) == line.rate.count > 1:
                text = "no channel of the line is left then; write what: down"
                yield Found([("events", k, "what"), ("lines", index, "rate")], text)
                break
