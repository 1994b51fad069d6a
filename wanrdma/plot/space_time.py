"""What a space-time diagram shows, as numbers: times in seconds, places along the path.

Data goes up, later and later: what the near port of a line sends at a time is at x km after x
times the delay of a km. Pauses come down, from the buffer that filled to the port that it stops.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..build.assemble import LOGGED_OF_A_KIND
from .read import Trace
from .route import Hop, Route

WHOLE_DELAYS = 40  # of the lines, that a run may last and be shown whole
SHOWN_DELAYS = 25  # of a longer one
DELAYS_BEFORE = 2  # what is shown of it begins
FULL_SHARE = 0.999  # of a bin: it was paused all the time


@dataclass(frozen=True)
class Stripes:
    """What a line port sent: stripe k is between edges k and k + 1, at either end of the line."""

    near_s: Any
    far_s: Any
    near_place: float
    far_place: float
    share: Any  # of the port's rate

    def shown(self, window_s: tuple[float, float]) -> Any:
        """Return which of them are seen in a window, from the first to the last."""
        inside = (self.near_s[:-1] < window_s[1]) & (self.far_s[1:] > window_s[0])
        return np.flatnonzero(inside)


@dataclass(frozen=True)
class Signal:
    """A PFC frame that changed something, on its way from a full buffer to the port it stops."""

    sent_s: float
    came_s: float
    from_place: float
    to_place: float
    stops: bool


@dataclass(frozen=True)
class Spell:
    """A time in which a port of the path was paused; share: of that time."""

    hop: int  # place of the port in the path
    begin_s: float
    end_s: float
    share: float = 1.0


@dataclass(frozen=True)
class Loss:
    """A row of the log about a loss on the path: where a frame was lost, or a sender noticed."""

    kind: str
    time_s: float
    place: float


@dataclass(frozen=True)
class Lost:
    """What a broken line loses: corners of an area, (time in s, place)."""

    corners: list[tuple[float, float]]

    def is_within(self, window_s: tuple[float, float]) -> bool:
        """Tell whether any of it may be seen in a window."""
        times_s = [time_s for time_s, _ in self.corners]
        return min(times_s) < window_s[1] and max(times_s) > window_s[0]


def stripes(trace: Trace, hop: Hop) -> Stripes:
    """Give the characteristics of a line: what was sent, later the farther it is."""
    assert trace.sent_bytes is not None
    sent_bits = trace.sent_bytes[hop.port] * 8.0
    room_bits = trace.length_s * hop.rate_bps
    share = np.divide(sent_bits, room_bits, out=np.zeros(len(room_bits)), where=room_bits > 0)
    return Stripes(
        near_s=trace.edges_s,
        far_s=trace.edges_s + hop.delay_s,
        near_place=hop.from_place,
        far_place=hop.to_place,
        share=np.clip(share, 0.0, 1.0),  # a frame counts where it begins: a bin may have one more
    )


def signals(trace: Trace, route: Route) -> list[Signal]:
    """Give the stops and go-ons that came to the path's ports and are in the log, by time."""
    found = []
    for hop in route.hops:
        for time_s, stops in _logged(trace, hop, route.priority):
            sent_s = time_s - hop.back_delay_s
            found.append(Signal(sent_s, time_s, hop.to_place, hop.from_place, stops))
    return sorted(found, key=lambda signal: (signal.came_s, signal.from_place))


def spells(trace: Trace, route: Route) -> tuple[list[Spell], list[Spell]]:
    """Give the paused spells of the path's ports: those of the log, and bins after its end.

    The log has the first pauses of each port. Where it has as many as it takes, later ones are
    known by their share of each bin only.
    """
    logged: list[Spell] = []
    binned: list[Spell] = []
    for k, hop in enumerate(route.hops):
        rows = _logged(trace, hop, route.priority)
        own = [
            Spell(k, time_s, _end(trace, hop, rows[i:]))
            for i, (time_s, stops) in enumerate(rows)
            if stops
        ]
        logged += own
        if len(own) >= LOGGED_OF_A_KIND:
            binned += _of_bins(trace, k, hop, own[-1].end_s)
    return logged, binned


def _logged(trace: Trace, hop: Hop, priority: int) -> list[tuple[float, bool]]:
    """Give the pauses (true) and go-ons of a port's priority, in order."""
    log = trace.log
    own = (log.port == hop.port) & (log.priority == priority)
    own &= (log.kind == "pause") | (log.kind == "resume")
    return list(zip(log.time_s[own].tolist(), (log.kind[own] == "pause").tolist(), strict=True))


def _end(trace: Trace, hop: Hop, rows: list[tuple[float, bool]]) -> float:
    """Say when the pause that is the first of these rows ended.

    A go-on is in the log. A pause that ran out is not: it lasted as long as one does, and on
    through the bins that are paused as a whole.
    """
    begin_s, next_s = rows[0][0], rows[1][0] if len(rows) > 1 else trace.end_s
    if len(rows) > 1 and not rows[1][1]:
        return next_s
    end_s = begin_s + hop.pause_s
    paused = trace.paused_share[hop.port] >= FULL_SHARE
    while end_s < next_s:
        b = int(np.searchsorted(trace.edges_s, end_s, side="right")) - 1
        if b >= len(paused) or not paused[b]:
            break
        end_s = float(trace.edges_s[b + 1])
    return min(end_s, next_s, trace.end_s)


def _of_bins(trace: Trace, k: int, hop: Hop, from_s: float) -> list[Spell]:
    shares = np.clip(trace.paused_share[hop.port], 0.0, 1.0)
    begins = np.maximum(trace.edges_s[:-1], from_s)
    ends = trace.edges_s[1:]
    shown = np.flatnonzero((ends > begins) & (shares > 0))
    return [Spell(k, float(begins[b]), float(ends[b]), float(shares[b])) for b in shown]


def within(spells: list[Spell], window_s: tuple[float, float]) -> list[Spell]:
    """Give what of each spell lies in a window."""
    begin_s, end_s = window_s
    return [
        replace(one, begin_s=max(one.begin_s, begin_s), end_s=min(one.end_s, end_s))
        for one in spells
        if one.end_s >= begin_s and one.begin_s <= end_s
    ]


def merged(spells: list[Spell], least_gap_s: float) -> list[Spell]:
    """Make one of whole spells of a port that are too near each other to be seen apart."""
    out: list[Spell] = []
    for one in spells:
        before = out[-1] if out else None
        if (
            before is not None
            and before.hop == one.hop
            and before.share == one.share == 1.0
            and one.begin_s - before.end_s < least_gap_s
        ):
            out[-1] = replace(before, end_s=one.end_s)
        else:
            out.append(one)
    return out


def losses(trace: Trace, route: Route) -> list[Loss]:
    """Give the log's losses on the path: at the node that lost, or at the sender."""
    log = trace.log
    of_lane = log.priority == route.priority
    found = []
    for hop in route.hops:
        for kind, port, place, also in (
            ("drop_error", hop.peer, hop.to_place, True),
            ("drop_congestion", hop.peer, hop.to_place, of_lane),  # lossless: as it came in
            ("drop_congestion", hop.port, hop.from_place, of_lane),  # lossy: as it was to leave
        ):
            times_s = log.time_s[(log.kind == kind) & (log.port == port) & also]
            found += [Loss(kind, time_s, place) for time_s in times_s.tolist()]
    own = np.isin(log.queue_pair, route.queue_pairs)
    for kind in ("go_back", "timeout", "queue_pair_error"):
        times_s = log.time_s[(log.kind == kind) & own]
        found += [Loss(kind, time_s, route.places[0]) for time_s in times_s.tolist()]
    return found


def outages(trace: Trace, route: Route) -> list[Lost]:
    """Give what is lost on the path's lines: what was on them as they broke, and came after.

    The slant is that of the line's own length, also after a switch to another way.
    """
    found = []
    for hop in route.lines:
        for outage in hop.outages:
            end_s = min(outage.end_s, trace.end_s)
            place = hop.from_place if outage.place is None else outage.place
            beyond_s = hop.delay_s * (hop.to_place - place) / (hop.to_place - hop.from_place)
            # What has passed the place of a break goes on; where none is given, nothing does.
            top_s = outage.begin_s + (beyond_s if outage.place is not None else 0.0)
            corners = [
                (outage.begin_s, place),
                (end_s, place),
                (end_s + beyond_s, hop.to_place),
                (top_s, hop.to_place),
            ]
            found.append(Lost(corners))
    return found


def telling_window_s(trace: Trace, route: Route) -> tuple[float, float]:
    """Choose what to show of a run: all, or where it is much longer than light takes, a part.

    That part begins a little before the first event, loss or pause: before that there is little
    to see.
    """
    shown_s = SHOWN_DELAYS * route.delay_s
    if trace.end_s <= WHOLE_DELAYS * route.delay_s or not shown_s:
        return 0.0, trace.end_s
    on_path = [hop.port for hop in route.hops]
    is_loss = ~np.isin(trace.log.kind, ["pause", "resume"])
    candidates = (
        [event.time_s for event in trace.events],
        trace.log.time_s[is_loss].tolist(),
        trace.log.time_s[np.isin(trace.log.port, on_path)].tolist(),
        [0.0],
    )
    first_s = min(next(times for times in candidates if times))
    begin_s = min(max(0.0, first_s - DELAYS_BEFORE * route.delay_s), trace.end_s - shown_s)
    return begin_s, begin_s + shown_s
