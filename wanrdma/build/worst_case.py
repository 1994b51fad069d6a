"""What events can make of a link at its worst, and whether buffers have room for it."""

from dataclasses import dataclass

from ..kernels import tables as kt
from ..scenario.units import show_bytes
from ..theory import headroom_bytes
from .topology import NO_LINE, Topology


@dataclass(frozen=True)
class Link:
    """What fills a port, at its worst: by its longest way and at its highest rate."""

    ps_per_byte: int
    one_way_ps: int
    round_trip_ps: int


def worst_links(topology: Topology) -> list[Link]:
    """Give the link that fills each port, at its worst if events change it."""
    least_ps = [port.ps_per_byte for port in topology.ports]
    longest_ps = [port.delay_ps for port in topology.ports]
    slowest_ps = longest_ps.copy()  # of what says stop
    controls = {port.control for port in topology.ports}
    for p, port in enumerate(topology.ports):
        if port.stands_for >= 0:
            its = [slowest_ps] if p in controls else [slowest_ps, longest_ps]
            for delays in its:
                delays[port.stands_for] = max(delays[port.stands_for], port.delay_ps)
    for change in topology.changes:
        if change.kind == kt.RATE:
            least_ps[change.entity] = min(least_ps[change.entity], change.value)
    found = []
    for p, port in enumerate(topology.ports):
        there_ps = longest_ps[port.peer]
        found.append(Link(least_ps[port.peer], there_ps, there_ps + slowest_ps[p]))
    return found


def warn_of_headroom(topology: Topology) -> None:
    """Say which buffer is large enough as the line is, but not as events make it."""
    worst = worst_links(topology)
    names = topology.port_names()
    for p, port in enumerate(topology.ports):
        if port.line == NO_LINE or port.ingress is None or port.ingress.pool >= 0:
            continue
        room = port.ingress.limit_bytes - port.ingress.xoff_bytes
        back_ps = topology.ports[port.control].delay_ps if port.control >= 0 else port.delay_ps
        now_ps = back_ps + topology.ports[port.peer].delay_ps
        at_first, later = (
            headroom_bytes(ps_per_byte, round_trip_ps, topology.frame_bytes)
            for ps_per_byte, round_trip_ps in (
                (topology.ports[port.peer].ps_per_byte, now_ps),
                (worst[p].ps_per_byte, worst[p].round_trip_ps),
            )
        )
        if at_first <= room < later:
            topology.warnings.append(
                f"events let the worst-case headroom of {names[p]} grow to {show_bytes(later)}, "
                f"and its buffer has {show_bytes(room)} above xoff: what is meant to be lossless "
                "may be dropped"
            )
