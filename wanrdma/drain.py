"""What left an ingress while it was pausing its peer: read from the packets of a probed run.

The tables keep the largest fill of a lane, not when it came. So a first run is watched: a look
between its slices says in which of them the largest fill was reached. A second, the same to the
picosecond, keeps its packets around those slices alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .kernels import tables as kt

if TYPE_CHECKING:
    from .build.network import Network

PS_PER_S = 10**12
LEAD_PS = 10_000_000  # with two round trips: from before XOFF was crossed to the largest fill
RunTo = Callable[["Network", int, bool], object]
"""Takes a network on to a time, with or without its packets being kept."""


class FillWatch:
    """Between which two looks at a run the largest fill of each lane was reached."""

    def __init__(self, network: Network) -> None:
        lanes = network.tables.lanes
        self.group = np.repeat(network.tables.ports["group"], kt.PRIORITIES)
        self.most_bytes = np.zeros(len(lanes), np.int64)
        self.seen_ps = np.zeros(len(lanes), np.int64)
        self.after_ps = np.zeros(len(lanes), np.int64)
        self.until_ps = np.zeros(len(lanes), np.int64)

    def look(self, network: Network) -> None:
        """Note which lanes hold more than ever since the last look."""
        now_ps = network.tables.run["now_ps"][self.group]
        most_bytes = network.tables.lanes["max_ingress_bytes"]
        risen = most_bytes > self.most_bytes
        self.after_ps[risen] = self.seen_ps[risen]
        self.until_ps[risen] = now_ps[risen]
        self.most_bytes, self.seen_ps = most_bytes.copy(), now_ps


@dataclass(frozen=True)
class _Window:
    begin_ps: int
    end_ps: int
    lanes: list[int]


def drains_bps(
    network: Network, watch: FillWatch, lanes: Iterable[int], run_to: RunTo
) -> dict[int, float]:
    """Return how fast each lane drained while it paused its peer and still filled.

    That is the line time of the frames that left it, over the time from crossing XOFF to the
    largest fill of the run; 0 where the frame that crosses XOFF makes the largest fill. Where lost
    PFC frames let it fill for longer it is of the last two round trips. `network` is built anew,
    as the one that was watched.
    """
    found = {}
    for window in _windows(network, watch, lanes):
        if window.begin_ps > 0:
            run_to(network, window.begin_ps, False)
        network.tables.run["probe_size"] = 0
        run_to(network, window.end_ps, True)
        for lane, frames in _frames_by_lane(network, window.lanes):
            found[lane] = _drain_bps(network, lane, frames, int(watch.most_bytes[lane]))
    return found


def _lead_ps(network: Network, lane: int) -> int:
    """Return how long before the largest fill of a lane XOFF may have been crossed."""
    ports = network.tables.ports
    port = ports[lane // kt.PRIORITIES]
    return 2 * (int(port["delay_ps"]) + int(ports["delay_ps"][port["peer"]])) + LEAD_PS


def _windows(network: Network, watch: FillWatch, lanes: Iterable[int]) -> list[_Window]:
    """Return when to keep packets: in order, none overlapping."""
    windows: list[_Window] = []
    wanted = []
    for lane in lanes:
        begin_ps = int(watch.after_ps[lane]) - _lead_ps(network, lane)
        wanted.append((max(0, begin_ps), int(watch.until_ps[lane]), lane))
    for begin_ps, end_ps, lane in sorted(wanted):
        if windows and begin_ps <= windows[-1].end_ps:
            last = windows.pop()
            both = max(end_ps, last.end_ps)
            windows.append(_Window(last.begin_ps, both, [*last.lanes, lane]))
        else:
            windows.append(_Window(begin_ps, end_ps, [lane]))
    return windows


@dataclass(frozen=True)
class _Frames:
    """What came into a lane and left it, in order."""

    time_ps: Any
    line_bytes: Any  # preamble and gap included
    came: Any


def _drain_bps(network: Network, lane: int, frames: _Frames, most_bytes: int) -> float:
    """Follow a lane's fill through the frames of a time in which it was at its largest."""
    levels = network.tables.lanes[lane]
    stored = frames.line_bytes - kt.PREAMBLE_AND_GAP_BYTES
    net = np.cumsum(np.where(frames.came, stored, -stored))
    top = int(np.argmax(net))
    fill = net[: top + 1] - net[top] + most_bytes
    earliest_ps = frames.time_ps[top] - _lead_ps(network, lane)
    before = (fill <= levels["xon_bytes"]) | (frames.time_ps[: top + 1] < earliest_ps)
    began = int(np.flatnonzero(before)[-1]) + 1 if before.any() else 0
    crossed = began + int(np.argmax(fill[began:] > levels["xoff_bytes"]))
    between = slice(crossed + 1, top + 1)
    left_bytes = float(frames.line_bytes[between][~frames.came[between]].sum())
    lasted_ps = int(frames.time_ps[top] - frames.time_ps[crossed])
    return left_bytes * 8 * PS_PER_S / lasted_ps if lasted_ps > 0 else 0.0


def _frames_by_lane(network: Network, lanes: list[int]) -> Iterable[tuple[int, _Frames]]:
    """Give each lane's frames out of the rows of a probe."""
    rows = network.tables.probe_rows()
    rows = rows[rows["kind"] < kt.PFC]
    lane_of = _ingress_lanes(network, rows)
    came = rows["is_arrival"] == 1
    chosen = np.flatnonzero(np.isin(lane_of, lanes))
    # A frame holds its buffer for the arrivals of the time at which it leaves.
    order = np.lexsort((~came[chosen], rows["time_ps"][chosen], lane_of[chosen]))
    chosen = chosen[order]
    ends = np.searchsorted(lane_of[chosen], lanes, side="right")
    for lane, begin, end in zip(lanes, np.searchsorted(lane_of[chosen], lanes), ends, strict=True):
        its = chosen[begin:end]
        sizes = rows["size_bytes"][its].astype(np.int64)
        yield lane, _Frames(rows["time_ps"][its], sizes, came[its])


def _ingress_lanes(network: Network, rows: Any) -> Any:
    """Return by which lane each frame of a probe came into a node, or had come into it.

    NOWHERE for what a host sends, and for frames damaged or lost, which are not stored.
    """
    tables = network.tables
    count, pair = len(tables.ports), rows["queue_pair"].astype(np.int64)
    is_data = rows["kind"] == kt.DATA
    keys, entered = _entered_by(network)
    key = (2 * pair + ~is_data) * count + rows["port"]
    at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    left = np.where(keys[at] == key, entered[at], kt.NOWHERE)
    came = np.where(rows["flags"] & (kt.DAMAGED | kt.LOST), kt.NOWHERE, rows["port"])
    port = np.where(rows["is_arrival"] == 1, came, left)
    answers = np.where(
        rows["kind"] == kt.CNP,
        tables.responders["cnp_priority"][pair],
        tables.responders["ack_priority"][pair],
    )
    priority = np.where(is_data, tables.requesters["priority"][pair], answers)
    return np.where(port == kt.NOWHERE, kt.NOWHERE, port * kt.PRIORITIES + priority)


def _entered_by(network: Network) -> tuple[Any, Any]:
    """Return, for each port on each path, by which port packets came into its node before.

    A path's number is twice its queue pair's, and one more for ACKs; the keys, number x ports +
    port, are in order.
    """
    tables = network.tables
    paths, pairs = tables.paths, np.arange(len(tables.requesters))
    starts = np.concatenate([tables.requesters["data_path"], tables.responders["ack_path"]])
    numbers = np.concatenate([2 * pairs, 2 * pairs + 1])
    order = np.argsort(starts)
    last = np.searchsorted(starts[order], np.arange(len(paths)), side="right") - 1
    entered = np.full(len(paths), kt.NOWHERE)
    inside = (paths[1:] != kt.NOWHERE) & (paths[:-1] != kt.NOWHERE)
    entered[1:][inside] = tables.ports["peer"][paths[:-1][inside]]
    on_path = np.flatnonzero(paths != kt.NOWHERE)
    keys = numbers[order][last[on_path]] * len(tables.ports) + paths[on_path]
    by_key = np.argsort(keys)
    return keys[by_key], entered[on_path][by_key]
