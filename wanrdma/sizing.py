"""How large lossless buffers have to be: by the closed form, to lose nothing, to lose no time.

Every port that paused its peer is sized, as the ingress that fills. Buffers are changed in the
tables of a built scenario, an OTN terminal's and a switch's alike; docs/size.md has the
definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from . import engine
from .build import build
from .build.events import add_events
from .build.topology import NO_LINE, build_topology
from .build.worst_case import worst_links
from .drain import FillWatch, drains_bps
from .errors import Problem, ScenarioError
from .kernels import tables as kt
from .results.sizes import PortSize, Sizes
from .theory import headroom_bytes

if TYPE_CHECKING:
    from .build.network import Network
    from .scenario.load import LoadedScenario

PS_PER_S = 10**12
NO_LIMIT_BYTES = 1 << 60
LEAST_STEP = 1000  # full throughput is sought to one part in this, or to a frame
FRAMES_TO_XON = 2
GroupKey = tuple[str | int, ...]


@dataclass(frozen=True)
class _Place:
    """Where a port stands: what is set by one number with it, and what leads to it."""

    group: GroupKey
    cable_m: float
    is_terminal: bool


class _Lab:
    """Emulates a scenario again and again, with other buffers, and counts the runs."""

    def __init__(
        self,
        loaded: LoadedScenario,
        seed: int,
        threads: int | None,
        on_run: Callable[[str], object] | None,
    ) -> None:
        self.scenario, self.seed, self.threads = loaded.scenario, seed, threads
        self.on_run = on_run
        self.runs = 0
        self.topology = build_topology(loaded.scenario)
        self.places = _places(self.topology)
        add_events(self.topology, seed)
        self.links = worst_links(self.topology)
        self.frame_bytes = self.topology.frame_bytes

    def network(self, what: str) -> Network:
        """Build the scenario for one more run, its lossless buffers without limits."""
        self.runs += 1
        if self.on_run:
            self.on_run(f"run {self.runs}: {what}")
        network = build(self.scenario, self.seed)
        _give_each_its_own(network)
        lanes = network.tables.lanes
        lanes["ingress_limit_bytes"][lanes["ingress_limit_bytes"] > 0] = NO_LIMIT_BYTES
        return network

    def run(
        self,
        network: Network,
        stop_ps: int | None = None,
        *,
        probe: bool = False,
        on_slice: Callable[[Network], None] | None = None,
    ) -> engine.Outcome:
        """Run to the end, or to a time."""
        outcome = engine.run(network, stop_ps, on_slice, probe=probe, threads=self.threads)
        if outcome.interrupted:
            raise KeyboardInterrupt
        return outcome


def size(
    loaded: LoadedScenario,
    seed: int,
    *,
    threads: int | None = None,
    tolerance: float = 0.001,
    ports: str = "*",
    on_run: Callable[[str], object] | None = None,
) -> Sizes:
    """Size every port that pauses its peer when a scenario is run with buffers without limits.

    ``tolerance``: how much later, as a share, a run may be over and still have full throughput.
    ``ports``: a pattern that the names of ports must match, or both ends as they are shown.
    ``on_run`` is told of each run before it. Raises ScenarioError if no port matches.
    """
    lab = _Lab(loaded, seed, threads, on_run)
    network = lab.network("how much each port stores, without a limit")
    wanted = [p for p, name in enumerate(network.port_names) if _matches(name, ports)]
    if not wanted:
        text = f"no port matches {ports!r}; they are named like {network.port_names[-1]!r}"
        raise ScenarioError([Problem(text, setting=ports, setting_by="--port")])
    watch = FillWatch(network)
    outcome = lab.run(network, loaded.scenario.stop, on_slice=watch.look)
    watch.look(network)
    lanes = [lane for p in wanted if (lane := _fullest_lane(network, p)) is not None]
    if not lanes:
        return Sizes((), lab.runs, outcome.status, outcome.reason)
    again = lab.network("how fast they drain while they pause")
    drains = drains_bps(
        again, watch, lanes, lambda net, stop_ps, probe: lab.run(net, stop_ps, probe=probe)
    )
    groups = _groups(lab, network)
    _check_lossless(lab, network, watch, lanes, groups)
    full: dict[GroupKey, int | None] = {}
    for lane in lanes:
        key = lab.places[lane // kt.PRIORITIES].group
        if key not in full:
            full[key] = _full_throughput_bytes(lab, network, groups[key], tolerance)
    found = tuple(_port_size(lab, network, lane, drains[lane], full) for lane in lanes)
    return Sizes(found, lab.runs, outcome.status, outcome.reason)


def _give_each_its_own(network: Network) -> None:
    """Take lanes that share a buffer out of it; XOFF is then what one alone could have of it."""
    lanes, pools = network.tables.lanes, network.tables.pools
    for lane in np.flatnonzero(lanes["pool"] != kt.NOWHERE):
        row = lanes[lane]
        alpha, shared = float(row["alpha"]), int(pools[row["pool"]]["shared_bytes"])
        row["xoff_bytes"] = int(shared * alpha / (1 + alpha))
        row["xon_bytes"] = max(0, row["xoff_bytes"] - row["xon_bytes"])
        row["pool"] = kt.NOWHERE


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name.replace(">", " from "), pattern)


def _fullest_lane(network: Network, p: int) -> int | None:
    """Return the lossless lane by which a port paused its peer; the fullest, if several did."""
    lanes = network.tables.lanes[p * kt.PRIORITIES : (p + 1) * kt.PRIORITIES]
    paused = np.flatnonzero((lanes["ingress_limit_bytes"] > 0) & (lanes["tx_pause"] > 0))
    if len(paused) == 0:
        return None
    most = paused[np.argmax(lanes["max_ingress_bytes"][paused])]
    return p * kt.PRIORITIES + int(most)


def _places(topology: Any) -> list[_Place]:
    """Say of each port what one key of the scenario sets with it.

    The line ports of a line's terminals, their client ports, or those of a site's switches of one
    kind; and among these, links of one rate and delay.
    """
    line_of = {p: line for (_, _, line), ports in topology.links.items() for p in ports}
    places = []
    for p, port in enumerate(topology.ports):
        site, _, node = topology.nodes[port.node].partition(".")
        from_peer = topology.ports[port.peer]
        link = (from_peer.ps_per_byte, from_peer.delay_ps)
        line, kind = line_of[p], node.rstrip("0123456789")
        is_terminal = kind == "otn"
        if line != NO_LINE:
            group: GroupKey = ("line", line, kind, *link)
        else:
            group = (kind if is_terminal else site, node if is_terminal else kind, *link)
        scenario = topology.scenario
        cable_m = scenario.sites[site].fabric.cable
        if line != NO_LINE:
            cable_m = scenario.lines[line].distance
        places.append(_Place(group, cable_m, is_terminal))
    return places


def _groups(lab: _Lab, network: Network) -> dict[GroupKey, list[int]]:
    """Return the lossless lanes of each group of ports."""
    groups: dict[GroupKey, list[int]] = {}
    lossless = np.flatnonzero(network.tables.lanes["ingress_limit_bytes"] > 0)
    for lane in lossless.tolist():
        groups.setdefault(lab.places[lane // kt.PRIORITIES].group, []).append(lane)
    return groups


def _dropped(network: Network) -> bool:
    """Tell whether a lossless buffer was full."""
    return bool((network.tables.lanes["missing_bytes"] > 0).any())


def _check_lossless(
    lab: _Lab,
    unlimited: Network,
    watch: FillWatch,
    wanted: Sequence[int],
    groups: dict[GroupKey, list[int]],
) -> None:
    """Show by the emulator that the largest fills are the smallest lossless buffers.

    With all limits there at once nothing is dropped. With a byte less, a group at a time (an
    engineer sets one number for it), the packet that made its largest fill is. For the other
    ports of a group the same holds: the run is the same up to that packet, which then finds
    a byte less than it needs.
    """
    most_bytes = unlimited.tables.lanes["max_ingress_bytes"]
    held = np.flatnonzero((unlimited.tables.lanes["ingress_limit_bytes"] > 0) & (most_bytes > 0))
    network = lab.network("with buffers of just that")
    network.tables.lanes["ingress_limit_bytes"][held] = most_bytes[held]
    lab.run(network, lab.scenario.stop)
    if _dropped(network):
        raise AssertionError("a buffer of the largest fill dropped a packet")
    for key in dict.fromkeys(lab.places[lane // kt.PRIORITIES].group for lane in wanted):
        group = groups[key]
        largest = int(most_bytes[group].max())
        until_ps = int(watch.until_ps[group][most_bytes[group] == largest].max())
        network = lab.network("with a byte less")
        network.tables.lanes["ingress_limit_bytes"][group] = largest - 1
        lab.run(network, until_ps)
        if not _dropped(network):
            raise AssertionError("a buffer of a byte less than the largest fill dropped nothing")


def _full_throughput_bytes(
    lab: _Lab, scenario_run: Network, group: list[int], tolerance: float
) -> int | None:
    """Return the smallest buffer with which the run is over as soon as without pauses here.

    The other groups have the scenario's XOFF and XON, and no limit. XOFF is bisected, XON lies
    two frames below: the buffer that is largest for its size. Throughput need not grow with every
    byte, so what is returned is the upper end, which was run and was full.
    """
    baseline = lab.network("without pauses at a group of ports")
    _set_levels(baseline, group, NO_LIMIT_BYTES, lab.frame_bytes)
    outcome = lab.run(baseline, lab.scenario.stop)
    if outcome.status == "incomplete":
        return None
    goal = _Goal(baseline, outcome, tolerance, lab.scenario.stop)
    lanes = scenario_run.tables.lanes[group]
    paused = lanes[lanes["tx_pause"] > 0]
    headroom = int((paused["max_ingress_bytes"] - paused["xoff_bytes"]).max())

    def largest_fill(xoff: int, limit: int = NO_LIMIT_BYTES) -> int | None:
        """Run with an XOFF; return the largest fill, None if not full or not lossless."""
        network = lab.network(f"full throughput with XOFF at {xoff:,} B?")
        _set_levels(network, group, xoff, lab.frame_bytes)
        network.tables.lanes["ingress_limit_bytes"][group] = limit
        reached = goal.is_reached(network, lab.run(network, goal.stop_ps))
        if not reached or _dropped(network):
            return None
        return int(network.tables.lanes["max_ingress_bytes"][group].max())

    most = int(baseline.tables.lanes["max_ingress_bytes"][group].max())
    too_small, xoff, fill = -1, 0, largest_fill(0)
    while fill is None:
        too_small = xoff
        xoff = max(2 * xoff, _enough_for_any_drain(lab, group[0]))
        # XOFF at what it stores without a pause is the run without.
        xoff, fill = (xoff, largest_fill(xoff)) if xoff < most else (most, most)
    while xoff > 0 and xoff - too_small > max(lab.frame_bytes, xoff // LEAST_STEP):
        middle = (too_small + xoff) // 2
        found = largest_fill(middle)
        if found is None:
            too_small = middle
        else:
            xoff, fill = middle, found
    # With another XOFF the last frame may fall otherwise, and more may come.
    whole = max(xoff + headroom, fill)
    if largest_fill(xoff, whole) is None:
        raise AssertionError("a run that is the same to the last packet ended otherwise")
    return whole


def _enough_for_any_drain(lab: _Lab, lane: int) -> int:
    """Return XOFF with an XON of rate x RTT (Bifrost, section III), and a frame begun at each end.

    Only the first guess of the search, from which it doubles.
    """
    link = lab.links[lane // kt.PRIORITIES]
    return link.round_trip_ps // link.ps_per_byte + (FRAMES_TO_XON + 2) * lab.frame_bytes


def _set_levels(network: Network, group: list[int], xoff: int, frame_bytes: int) -> None:
    lanes = network.tables.lanes
    lanes["xoff_bytes"][group] = xoff
    lanes["xon_bytes"][group] = max(0, xoff - FRAMES_TO_XON * frame_bytes)


class _Goal:
    """What a run must reach by when, to be as fast as another, within a tolerance.

    To be over; or where the scenario's stop time ends the run, to have delivered as much.
    """

    def __init__(
        self, network: Network, outcome: engine.Outcome, tolerance: float, stop_ps: int | None
    ) -> None:
        self.stop_ps = stop_ps
        self.least_bytes: float | None = None
        if outcome.status == "completed":
            over_ps = int(network.tables.run["clock_ps"].max())
            self.stop_ps = over_ps + int(over_ps * tolerance)
        else:
            self.least_bytes = (1 - tolerance) * _delivered_bytes(network)

    def is_reached(self, network: Network, outcome: engine.Outcome) -> bool:
        """Tell whether a run up to ``stop_ps`` reached it."""
        if outcome.status == "completed" or self.least_bytes is None:
            return outcome.status == "completed"
        return _delivered_bytes(network) >= self.least_bytes


def _delivered_bytes(network: Network) -> int:
    return int(network.tables.flows["delivered_bytes"].sum())


def _port_size(
    lab: _Lab,
    network: Network,
    lane_index: int,
    drain_bps: float,
    full: dict[GroupKey, int | None],
) -> PortSize:
    p = lane_index // kt.PRIORITIES
    lane, place = network.tables.lanes[lane_index], lab.places[p]
    link = lab.links[p]
    xoff = int(lane["xoff_bytes"])
    return PortSize(
        port=network.port_names[p],
        rate_bps=8 * PS_PER_S / link.ps_per_byte,
        one_way_s=link.one_way_ps / PS_PER_S,
        drain_bps=drain_bps,
        xoff_bytes=xoff,
        xon_bytes=int(lane["xon_bytes"]),
        formula_bytes=xoff + headroom_bytes(link.ps_per_byte, link.round_trip_ps, lab.frame_bytes),
        lossless_bytes=int(lane["max_ingress_bytes"]),
        full_throughput_bytes=full[place.group],
        cable_m=place.cable_m,
        is_terminal=place.is_terminal,
    )
