"""The path of a flow, rebuilt from the scenario that the trace keeps, and laid out as places.

Lines are to scale, in km. Cables inside a site are too short for that: each gets one small step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..build.events import add_events, hits
from ..build.topology import Port, Topology, build_topology
from ..build.work import plan_work
from ..errors import ScenarioError, TraceError
from ..scenario.load import loads
from ..scenario.units import BIT_PS_PER_BYTE, PS_PER_S
from .read import Trace

STEP_SHARE = 0.05  # of the height of the diagram goes to each hop inside a site
MOST_STEPS_SHARE = 0.6  # and at most so much to all of them: the rest is for the lines


@dataclass(frozen=True)
class Outage:
    """A time in which a line lets nothing pass, at a place; None: wherever it is then."""

    begin_s: float
    end_s: float
    place: float | None


@dataclass(frozen=True)
class Hop:
    """One port of the path, from its node to the next."""

    port: int  # index in the trace
    peer: int  # the port at the other end
    name: str
    line: int  # index in the scenario; -1: a cable inside a site
    length_km: float  # of the line
    from_place: float
    to_place: float
    rate_bps: float
    delay_s: float  # last bit out to last bit in
    back_delay_s: float  # the same for what comes back, as a PFC frame does
    pause_s: float  # how long a pause lasts that is not said again
    outages: list[Outage]


@dataclass(frozen=True)
class Route:
    """The way of a flow's data."""

    flow: str
    priority: int
    queue_pairs: list[int]  # of the flow; the way is that of the first
    hops: list[Hop]
    nodes: list[str]
    places: list[float]  # of the nodes, km along the lines and steps between

    @property
    def lines(self) -> list[Hop]:
        """The hops that are lines."""
        return [hop for hop in self.hops if hop.line >= 0]

    @property
    def step(self) -> float:
        """How far apart two nodes of a site are drawn."""
        steps = [hop.to_place - hop.from_place for hop in self.hops if hop.line < 0]
        return steps[0] if steps else (self.places[-1] - self.places[0]) * STEP_SHARE

    @property
    def delay_s(self) -> float:
        """How long a bit is on the lines of the path."""
        return sum(hop.delay_s for hop in self.lines)


def chosen_flow(trace: Trace, flow: str | None) -> str:
    """Return the flow to draw: the given one, else the first of those that delivered most."""
    if not trace.flows:
        raise TraceError(
            f"nothing to plot in {trace.path}: its run has no flow; --kind overview needs none"
        )
    if flow is None:
        return trace.flows[int(np.argmax(trace.delivered_bytes))]
    if flow not in trace.flows:
        listed = ", ".join(trace.flows[:20]) + (", ..." if len(trace.flows) > 20 else "")
        raise TraceError(f"--flow {flow}: no such flow in {trace.path}; it has {listed}")
    return flow


def find_route(trace: Trace, flow: str) -> Route:
    """Find the ports that a flow's data takes, as the run did. Raises TraceError."""
    try:
        scenario = loads(trace.scenario_text, origin=f"the scenario in {trace.path}").scenario
        topology = build_topology(scenario)
        add_events(topology, trace.seed)
        plan = plan_work(scenario, topology, trace.seed)
    except ScenarioError as error:
        text = f"cannot rebuild the path of {flow}; --kind overview needs none"
        raise TraceError(f"{text}\n{error}") from None
    names = topology.port_names()
    if plan.flow_names != trace.flows or names != trace.ports:
        text = "this version makes other flows or ports of the scenario that it holds"
        raise TraceError(
            f"cannot rebuild the path of {flow} in {trace.path}: {text}; run it again, or give "
            "--kind overview"
        )
    number = plan.flow_names.index(flow)
    own = [o.queue_pair for o in plan.operations if o.flow == number and o.queue_pair >= 0]
    pair = plan.queue_pairs[own[0]]
    path = pair.data_path
    line_of = {p: line for (_, _, line), ports in topology.links.items() for p in ports}
    lengths_km = [scenario.lines[line].distance / 1e3 for p in path if (line := line_of[p]) >= 0]
    step = _step(len(path) - len(lengths_km), sum(lengths_km))
    hops: list[Hop] = []
    place = -step * next((k for k, p in enumerate(path) if line_of[p] >= 0), 0)
    for p in path:
        hops.append(_hop(topology, p, names[p], line_of[p], place, step))
        place = hops[-1].to_place
    ends = [topology.ports[p].node for p in path]
    ends.append(topology.ports[topology.ports[path[-1]].peer].node)
    return Route(
        flow=flow,
        priority=pair.requester["priority"],
        queue_pairs=list(dict.fromkeys(own)),
        hops=hops,
        nodes=[topology.nodes[node] for node in ends],
        places=[hops[0].from_place, *(hop.to_place for hop in hops)],
    )


def _hop(topology: Topology, p: int, name: str, line: int, place: float, step: float) -> Hop:
    port = topology.ports[p]
    back = topology.ports[port.peer]
    told_by = topology.ports[back.control] if back.control >= 0 else back
    length_km = topology.scenario.lines[line].distance / 1e3 if line >= 0 else 0.0
    return Hop(
        port=p,
        peer=port.peer,
        name=name,
        line=line,
        length_km=length_km,
        from_place=place,
        to_place=place + (max(length_km, step / 10) if line >= 0 else step),
        rate_bps=BIT_PS_PER_BYTE / port.ps_per_byte,
        delay_s=port.delay_ps / PS_PER_S,
        back_delay_s=told_by.delay_ps / PS_PER_S,
        pause_s=_pause_ps(told_by) / PS_PER_S,
        outages=_outages(topology, p, line, place) if line >= 0 else [],
    )


def _pause_ps(port: Port) -> int:
    quantum_ps = 64 * port.ps_per_byte  # 512 bit times
    return port.quanta * quantum_ps if port.pause_ps is None else port.pause_ps


def _outages(topology: Topology, p: int, line: int, place: float) -> list[Outage]:
    """Return when the line lets nothing pass that this port sends."""
    site = topology.nodes[topology.ports[p].node].partition(".")[0]
    channels = topology.channels(line)
    forward = p in channels
    channel = channels.index(p if forward else topology.ports[p].peer)
    length_m = topology.scenario.lines[line].distance
    found = []
    for one in topology.events:
        if one.event.what == "pause-storm" or one.event.line != line:
            continue
        if hits(one, channel, site):
            at_m = one.event.break_at
            if at_m is not None and not forward:
                at_m = length_m - at_m
            where = None if at_m is None else place + at_m / 1e3
            found.append(Outage(one.at_ps / PS_PER_S, one.end_ps / PS_PER_S, where))
    errors = topology.ports[p].errors
    down = errors.down if errors is not None else []
    return found + [Outage(a / PS_PER_S, b / PS_PER_S, None) for a, b in down]


def _step(cables: int, lines_km: float) -> float:
    """Return the height of a hop inside a site, in km of the axis."""
    if not lines_km:
        return 1.0
    share = min(STEP_SHARE * cables, MOST_STEPS_SHARE)
    return lines_km * share / (1 - share) / max(cables, 1)
