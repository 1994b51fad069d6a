"""A scenario's events as what the kernels know: ways, spells in which a line is down, changes.

What a break loses needs no event: a frame is lost if the line is down anywhere while the frame
passes there, and when that is follows from when it was sent (docs/protocol.md, "Errors").
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ..kernels import tables as kt
from ..scenario.schema import Change as ErrorChange
from ..scenario.schema import Event, Line
from ..theory import line_delay_ps
from .errors import ErrorProcess, error_process
from .network import Happening
from .topology import Change, Port, Topology
from .worst_case import warn_of_headroom

Spell = tuple[int, int]  # from a time, to a time, ps

# In which order changes of one time are made: on the new way at the new rate, then on.
_ORDER = {kind: place for place, kind in enumerate([kt.SWITCH, kt.RATE, kt.STOP, kt.GO])}


@dataclass(frozen=True)
class Way:
    """A fibre between the ends of a line; of each length there may be two."""

    length_m: float
    copy: int = 0


@dataclass(frozen=True)
class Timed:
    """An event of the scenario, and when it is over."""

    event: Event
    number: int  # in the scenario
    end_ps: int

    @property
    def at_ps(self) -> int:
        """When it begins."""
        return self.event.at

    def happening(self) -> Happening:
        """Return what a trace says of it."""
        storm = self.event.what == "pause-storm"
        end_ps = -1 if self.end_ps >= kt.LAST_PS else self.end_ps
        return Happening(self._name(), self.at_ps, end_ps, -1 if storm else self.event.line)

    def _name(self) -> str:
        event = self.event
        if event.what == "pause-storm":
            return f"pause storm from {event.host}"
        of = f"line {event.line}"
        if event.channel is not None:
            of += f" channel {event.channel}"
        if event.direction != "both":
            of += f" from {event.direction}"
        said = {
            "down": "down",
            "switch": "switched",
            "reroute": "rerouted",
            "wavelength-lost": "lost",
            "ber": f"at an error ratio of {event.ratio}",
            "capacity": f"at {event.rate}",
        }[event.what]
        length = "" if event.to is None else f" to {event.to / 1000:g} km"
        return f"{of} {said}{length}"


def timed(events: Iterable[Event], seed: int) -> list[Timed]:
    """Give each event its end; outages that are to be drawn are drawn here."""
    return [Timed(event, k, _end_ps(event, k, seed)) for k, event in enumerate(events)]


def _end_ps(event: Event, number: int, seed: int) -> int:
    if not event.breaks:
        lasts = event.lasts if event.what == "pause-storm" else 0
        return kt.LAST_PS if lasts is None else min(kt.LAST_PS, event.at + lasts)
    longest, least = event.longest_outage, event.outage_at_least
    if longest is None:
        return kt.LAST_PS
    if least is None:
        return min(kt.LAST_PS, event.at + longest)
    digest = hashlib.blake2b(f"{seed} outage {number}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return min(kt.LAST_PS, event.at + least + int(share * (longest - least)))


def add_events(topology: Topology, seed: int) -> None:
    """Put all that happens into the topology: call it once every port of a site is there."""
    topology.events = timed(topology.scenario.events, seed)
    for index, line in enumerate(topology.scenario.lines):
        own = [
            one
            for one in topology.events
            if one.event.what != "pause-storm" and one.event.line == index
        ]
        _LineEvents(topology, index, line, own).add()
    _add_storms(topology)
    warn_of_headroom(topology)


def _add_storms(topology: Topology) -> None:
    storms: dict[tuple[int, int], list[Spell]] = {}
    for one in topology.events:
        if one.event.what == "pause-storm":
            where = _port_of_host(topology, one.event.host or ""), one.event.priority
            storms.setdefault(where, []).append((one.at_ps, one.end_ps))
    for (p, priority), spells in storms.items():
        for began, ended in _merged(spells):
            topology.changes.append(Change(began, kt.STORM_BEGINS, p, 1 << priority))
            if ended < kt.LAST_PS:
                topology.changes.append(Change(ended, kt.STORM_ENDS, p, 1 << priority))


def _port_of_host(topology: Topology, selector: str) -> int:
    ((site, index),) = topology.scenario.hosts(selector)
    node = topology.number[f"{site}.{index}"]
    return next(p for p, port in enumerate(topology.ports) if port.node == node)


def order_changes(topology: Topology) -> None:
    """Put the changes in the order in which they are made."""
    topology.changes.sort(key=lambda row: (row.time_ps, _ORDER.get(row.kind, len(_ORDER))))


class _LineEvents:
    """What happens to one line."""

    def __init__(self, topology: Topology, index: int, line: Line, events: list[Timed]) -> None:
        self.topology, self.index, self.line, self.events = topology, index, line, events

    def add(self) -> None:
        for channel, p in enumerate(self.topology.channels(self.index)):
            ends = (p, self.topology.ports[p].peer)
            ways = [self._way(ends, way) for way in range(len(self.ways))]
            controls = [self._control(way) for way in ways]
            for side, site in enumerate(self.line.between):
                self._add_port(
                    channel,
                    site,
                    [way[side] for way in ways],
                    [control[side] for control in controls if control is not None],
                )
        base = self._light_ps(0)
        at = {time: self._light_ps(way) - base for time, way in self.switches}  # the last counts
        self.topology.longer_ps[self.index] = sorted(at.items())

    @cached_property
    def _taken(self) -> list[tuple[int, Way]]:
        """From when on the line goes by which way: always another one than before."""
        found = [(0, Way(self.line.distance))]
        for one in sorted(filter(_switches, self.events), key=lambda one: one.end_ps):
            before = found[-1][1]
            way = Way(before.length_m if one.event.to is None else one.event.to)
            found.append((one.end_ps, way if way != before else Way(way.length_m, 1)))
        return found

    @cached_property
    def ways(self) -> list[Way]:
        """The ways that light may take, the line's own first."""
        return list(dict.fromkeys(way for _, way in self._taken))

    @cached_property
    def switches(self) -> list[tuple[int, int]]:
        """From when on the line goes by which way, by number."""
        return [(time, self.ways.index(way)) for time, way in self._taken]

    def way_at(self, time_ps: int) -> int:
        """Return the way that the line goes by at a time."""
        return self.switches[bisect_right(self.switches, (time_ps, math.inf)) - 1][1]

    def _light_ps(self, way: int) -> int:
        return line_delay_ps(self.ways[way].length_m, self.line.delay)

    def _way(self, ends: tuple[int, int], way: int) -> tuple[int, int]:
        """Return the two ports of a way of a channel; the first one's are the channel's own."""
        if way == 0:
            return ends
        longer_ps = self._light_ps(way) - self._light_ps(0)
        return self.topology.add_stand_ins(
            *ends,
            *(self.topology.ports[end].delay_ps + longer_ps for end in ends),
        )

    def _control(self, way: tuple[int, int]) -> tuple[int, int] | None:
        """Add the control channel beside a way, if the line has one."""
        otn = self.line.otn
        if otn.control == "in-band" or otn.flow_control != "cooperative":
            return None
        ports = self.topology.ports
        delays = [max(otn.control_latency or 0, ports[end].delay_ps) for end in way]
        pair = self.topology.add_stand_ins(*way, *delays)
        for end, beside in zip(way, pair, strict=True):
            ports[end].control = beside
            ports[end].refresh_ps = otn.control_hold // 3
            ports[beside].pause_ps = otn.control_hold
        return pair

    def _add_port(self, channel: int, site: str, ways: list[int], controls: list[int]) -> None:
        """Add what happens to the sending of one site on one channel."""
        ports, own = self.topology.ports, ways[0]
        hitting = [one for one in self.events if hits(one, channel, site)]
        held: list[list[Spell]] = []
        for w, p in enumerate(ways):
            ports[p].errors = self._errors(w, ports[own])
            here = [one for one in hitting if self.way_at(one.at_ps) == w]
            held.append(
                [
                    (one.at_ps + one.event.detection, one.end_ps)
                    for one in here
                    if one.event.waiting == "held" and one.at_ps + one.event.detection < one.end_ps
                ]
            )
            for sender in [p, *controls[w : w + 1]]:
                delay_ps = ports[sender].delay_ps
                spells = [self._spell(one, site, w, delay_ps) for one in here]
                errors = ports[p].errors
                if errors is not None:
                    spells += [(began - delay_ps, ended) for began, ended in errors.down]
                ports[sender].spells = _merged(spells)
        rows = self._switch_rows(own, ways)
        rows += self._rate_rows(own, site)
        rows += [
            Change(time, kt.STOP if stopped else kt.GO, own) for time, stopped in self._stops(held)
        ]
        self.topology.changes += rows

    def _errors(self, way: int, port: Port) -> ErrorProcess | None:
        """Return what damages frames on a way: that of the line, with what happens to it."""
        series = list(self.line.errors.series) if way == 0 else []
        series += [
            ErrorChange.model_construct(at=one.at_ps, ratio=one.event.ratio, down=False)
            for one in self.events
            if one.event.what == "ber" and self.way_at(one.at_ps) == way
        ]
        series.sort(key=lambda change: change.at)
        errors = self.line.errors.model_copy(update={"series": series})
        return error_process(errors, port.ps_per_byte)

    def _spell(self, one: Timed, site: str, way: int, delay_ps: int) -> Spell:
        """Return when what is sent is lost to a break.

        By default all is lost that is on the fibre when it breaks, and all that is sent before it
        is mended. At a place, what is not past it then, and what passes before it is mended.
        """
        if one.event.break_at is None:
            return one.at_ps - delay_ps, one.end_ps
        from_start = line_delay_ps(
            min(one.event.break_at, self.ways[way].length_m), self.line.delay
        )
        light = self._light_ps(way)
        to_break = from_start if site == self.line.between[0] else light - from_start
        if light > 0:
            to_break = delay_ps * to_break // light  # terminals, and a slower control channel
        return one.at_ps - to_break, one.end_ps - to_break

    def _switch_rows(self, port: int, ways: list[int]) -> list[Change]:
        overtakes = {one.end_ps for one in self.events if _switches(one) and one.event.overtake}
        rows, before = [], 0
        for time, way in self.switches[1:]:
            if way != before and time < kt.LAST_PS:
                rows.append(Change(time, kt.SWITCH, port, ways[way], time in overtakes))
            before = way
        return rows

    def _rate_rows(self, port: int, site: str) -> list[Change]:
        """Return when a port sends at which rate from then on."""
        usual = self.line.rate.ps_per_byte
        rows, before = [], usual
        for time, now in self._rates[site]:
            if now != before and time < kt.LAST_PS:
                rows.append(Change(time, kt.RATE, port, now))
            before = now
        return rows

    @cached_property
    def _rates(self) -> dict[str, list[tuple[int, int]]]:
        """From when on a byte takes how long, ps, by the site that sends."""
        return {site: self._rates_from(site) for site in self.line.between}

    def _rates_from(self, site: str) -> list[tuple[int, int]]:
        """Give the rate at each change: the latest one holds, the channels left share it."""
        own = [
            one
            for one in sorted(self.events, key=lambda one: one.end_ps)
            if one.event.what in ("capacity", "wavelength-lost")
            and one.event.direction in ("both", site)
        ]
        steps = sorted({one.end_ps for one in own} | {_until_ps(one) for one in own})
        found, in_force, k = [], list[Timed](), 0
        for time in steps:
            while k < len(own) and own[k].end_ps <= time:
                if own[k].event.what == "capacity" and own[k].event.lasts is None:
                    in_force = [one for one in in_force if one.event.what != "capacity"]
                in_force.append(own[k])
                k += 1
            in_force = [one for one in in_force if time < _until_ps(one)]
            found.append((time, self._shared_ps_per_byte([one.event for one in in_force])))
        return found

    def _shared_ps_per_byte(self, in_force: list[Event]) -> int:
        at, channels = self.line.rate.ps_per_byte, self.line.rate.count
        for event in in_force:
            if event.rate is not None:
                at = event.rate.ps_per_byte
        lost = {event.channel for event in in_force if event.what == "wavelength-lost"}
        return -(-at * channels // (channels - len(lost)))

    def _stops(self, held: list[list[Spell]]) -> list[tuple[int, bool]]:
        """Return when a port stops and goes on: it stops while its present way is known broken."""
        times = {time for spells in held for spell in spells for time in spell}
        times |= {time for time, _ in self.switches}
        merged = [_merged(spells) for spells in held]
        found, before = [], False
        for time in sorted(times - {kt.LAST_PS}):
            spells = merged[self.way_at(time)]
            k = bisect_right(spells, (time, math.inf)) - 1
            stopped = k >= 0 and time < spells[k][1]
            if stopped != before:
                found.append((time, stopped))
            before = stopped
        return found


def _until_ps(one: Timed) -> int:
    """Return when what follows its outage is over."""
    lasts = one.event.lasts
    return kt.LAST_PS if lasts is None else min(kt.LAST_PS, max(one.end_ps, one.at_ps + lasts))


def _switches(one: Timed) -> bool:
    return one.event.what in ("switch", "reroute")


def hits(one: Timed, channel: int, site: str) -> bool:
    """Tell whether an event lets nothing pass on a channel, sent from a site, for a time."""
    event = one.event
    if not event.breaks or one.end_ps <= one.at_ps:
        return False
    return event.direction in ("both", site) and event.channel in (None, channel)


def _merged(spells: list[Spell]) -> list[Spell]:
    """Put spells in order, and make one of those that touch."""
    merged: list[Spell] = []
    for began, ended in sorted(spells):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        else:
            merged.append((began, ended))
    return merged
