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
    largest fill of the run; 0 where the frame that crosses XOFF makes the largest fill. `network`
    is built anew, as the one that was watched.
    """
    found = {}
    for window in _windows(network, watch, lanes):
        if window.begin_ps > 0:
            run_to(network, window.begin_ps, False)
        network.tables.run["probe_size"] = 0
        run_to(network, window.end_ps, True)
        rows = network.tables.probe_rows()
        for lane in window.lanes:
            found[lane] = _drain_bps(network, rows, lane, int(watch.most_bytes[lane]))
    return found


def _windows(network: Network, watch: FillWatch, lanes: Iterable[int]) -> list[_Window]:
    """Return when to keep packets: in order, none overlapping."""
    windows: list[_Window] = []
    ports = network.tables.ports
    wanted = []
    for lane in lanes:
        port = ports[lane // kt.PRIORITIES]
        round_trip_ps = int(port["delay_ps"]) + int(ports["delay_ps"][port["peer"]])
        begin_ps = int(watch.after_ps[lane]) - 2 * round_trip_ps - LEAD_PS
        wanted.append((max(0, begin_ps), int(watch.until_ps[lane]), lane))
    for begin_ps, end_ps, lane in sorted(wanted):
        if windows and begin_ps <= windows[-1].end_ps:
            last = windows.pop()
            both = max(end_ps, last.end_ps)
            windows.append(_Window(last.begin_ps, both, [*last.lanes, lane]))
        else:
            windows.append(_Window(begin_ps, end_ps, [lane]))
    return windows


def _drain_bps(network: Network, rows: Any, lane: int, most_bytes: int) -> float:
    """Follow a lane's fill through the rows of a probe in which it was at its largest."""
    levels = network.tables.lanes[lane]
    time_ps, size_bytes, came = _in_and_out(network, rows, lane)
    stored = size_bytes - kt.PREAMBLE_AND_GAP_BYTES
    net = np.cumsum(np.where(came, stored, -stored))
    top = int(np.argmax(net))
    fill = net[: top + 1] - net[top] + most_bytes
    drained = np.flatnonzero(fill <= levels["xon_bytes"])
    began = int(drained[-1]) + 1 if len(drained) > 0 else 0
    crossed = began + int(np.argmax(fill[began:] > levels["xoff_bytes"]))
    left = size_bytes[crossed + 1 : top + 1][~came[crossed + 1 : top + 1]]
    lasted_ps = int(time_ps[top] - time_ps[crossed])
    return float(left.sum()) * 8 * PS_PER_S / lasted_ps if lasted_ps > 0 else 0.0


def _in_and_out(network: Network, rows: Any, lane: int) -> tuple[Any, Any, Any]:
    """Return time, line time in bytes, and whether it came, of each frame of a lane, in order."""
    p, priority = divmod(lane, kt.PRIORITIES)
    tables = network.tables
    queue_pairs, of_line = rows["queue_pair"], rows["kind"] < kt.PFC
    data = rows["kind"] == kt.DATA
    by_data = _ways_on(network, p, "data_path", tables.requesters)[queue_pairs]
    by_ack = _ways_on(network, p, "ack_path", tables.responders)[queue_pairs]
    leaves_by = np.where(data, by_data, by_ack)
    ack = np.where(
        rows["kind"] == kt.CNP,
        tables.responders["cnp_priority"][queue_pairs],
        tables.responders["ack_priority"][queue_pairs],
    )
    its = np.where(data, tables.requesters["priority"][queue_pairs], ack) == priority
    whole = rows["flags"] & kt.DAMAGED == 0
    came = (rows["is_arrival"] == 1) & (rows["port"] == p) & whole
    left = (rows["is_arrival"] == 0) & (rows["port"] == leaves_by)
    chosen = np.flatnonzero(of_line & its & (leaves_by != kt.NOWHERE) & (came | left))
    # A frame holds its buffer for the arrivals of the time at which it leaves.
    chosen = chosen[np.lexsort((left[chosen], rows["time_ps"][chosen]))]
    sizes = rows["size_bytes"][chosen].astype(np.int64)
    return rows["time_ps"][chosen], sizes, came[chosen]


def _ways_on(network: Network, p: int, path: str, table: Any) -> Any:
    """Return by which port each queue pair's packets that enter by port p leave its node again."""
    tables = network.tables
    paths = tables.paths
    enters = np.full(len(paths), kt.NOWHERE)
    on_the_way = paths != kt.NOWHERE
    enters[on_the_way] = tables.ports["peer"][paths[on_the_way]]
    ways = np.full(len(table), kt.NOWHERE)
    starts = table[path]
    order = np.argsort(starts)
    for at in np.flatnonzero(enters == p).tolist():
        q = order[np.searchsorted(starts[order], at, side="right") - 1]
        end = starts[q] + int(np.argmax(paths[starts[q] :] == kt.NOWHERE))
        if at < end:  # of this path, not of the ACKs' behind it
            ways[q] = paths[at + 1]
    return ways
