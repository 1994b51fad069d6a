"""Which sites are emulated as one: those that are near each other.

Groups advance apart for as long as light takes between them (kernels/windows.py). The shorter
the line, the less there is to do before they must meet again.
"""

from collections.abc import Iterable, Sequence

from .topology import NO_LINE, Topology

SHORTEST_APART_PS = 20_000_000  # 20 us, 4 km: a full 400G port does 100 us of work in it


def group_sites(topology: Topology, wished: Sequence[Sequence[str]] | None = None) -> list[int]:
    """Return the group of each site, numbered from 0 in the order of the sites.

    `wished` takes the place of the choice by distance; sites that it leaves out are alone.
    Any choice gives the same results: no operation depends on one of another site except by a
    message (scenario/rows.py sees to it).
    """
    pairs = _near(topology) if wished is None else _neighbours(topology, wished)
    sites = list(topology.scenario.sites)
    group = list(range(len(sites)))
    for one, other in pairs:
        low, high = sorted((group[one], group[other]))
        group = [low if g == high else g for g in group]
    order = {g: k for k, g in enumerate(sorted(set(group)))}
    return [order[g] for g in group]


def _near(topology: Topology) -> Iterable[tuple[int, int]]:
    for port in topology.ports:
        if port.line != NO_LINE and port.delay_ps < SHORTEST_APART_PS:
            yield topology.site_of(port.node), topology.site_of(topology.ports[port.peer].node)


def _neighbours(topology: Topology, groups: Sequence[Sequence[str]]) -> Iterable[tuple[int, int]]:
    sites = list(topology.scenario.sites)
    for group in groups:
        for name in group[1:]:
            yield sites.index(group[0]), sites.index(name)
