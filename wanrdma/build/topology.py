"""Sites, links and lines as nodes and ports, and the way from one host to another.

A site is hosts, leaves, spines and a gateway, or hosts and one switch. A line joins two
gateways: with flow control, through an OTN terminal at each end, which is a node of its own
with a deep buffer; without, directly. A port is one direction of a link; the two directions
are made together and are each other's peer.
"""

import hashlib
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ..scenario.room import largest_frame_bytes
from ..scenario.schema import Fabric, Line, Pfc, Scenario, Site, Watchdog
from ..scenario.units import PortRate, show_bytes
from ..theory import headroom_bytes, line_delay_ps
from .errors import ErrorProcess

if TYPE_CHECKING:
    from .events import Timed

NO_LINE = -1
Hop = tuple[int, int, int]  # from a node, to a node, over a line (its index) or NO_LINE


@dataclass
class IngressBuffer:
    """What a port stores of the priorities that it does not drop, bytes a priority.

    In a pool, a buffer that the node's ports share, `xon_bytes` lie below a threshold.
    """

    priorities: list[int]
    xoff_bytes: int
    xon_bytes: int
    limit_bytes: int
    pool: int = -1
    alpha: float = 0.0
    headroom_bytes: int = 0


@dataclass
class Pool:
    """A buffer that lossless priorities of a node's ports share, and their headroom."""

    shared_bytes: int
    headroom_bytes: int


class Change(NamedTuple):
    """A row of the table `changes`: what happens to a port or a queue pair.

    The value of a switch is the port that stands for the new way.
    """

    time_ps: int
    kind: int
    entity: int
    value: int = 0
    other: int = 0


@dataclass
class Port:
    """One direction of a link, seen from the node that sends."""

    node: int
    peer: int
    ps_per_byte: int
    delay_ps: int
    quanta: int = 65535
    ingress: IngressBuffer | None = None
    queue_limit_bytes: int = 0
    errors: ErrorProcess | None = None
    notifies: bool = False
    line: int = NO_LINE
    stands_for: int = -1
    """The port that this one is another way of, or a control channel of; -1: it is itself."""
    control: int = -1
    spells: list[tuple[int, int]] = field(default_factory=list)
    """What is in service between these times is lost with the line, ps."""
    pause_ps: int | None = None
    refresh_ps: int | None = None
    watchdog: Watchdog | None = None


@dataclass
class Topology:
    """All nodes and ports of a scenario.

    `links[u, v, line]` lists the ports from node u to v, over a line or (NO_LINE) by cable.
    """

    scenario: Scenario
    frame_bytes: int  # line time of the largest frame, for headroom
    nodes: list[str] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    links: dict[Hop, list[int]] = field(default_factory=lambda: defaultdict(list))
    number: dict[str, int] = field(default_factory=dict)
    hosts: set[int] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    pool_of: dict[int, int] = field(default_factory=dict)  # a node's
    events: list["Timed"] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    longer_ps: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Of a line: from when on its light takes how much longer than at first, ps."""
    lines_between: dict[tuple[str, str], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add_node(self, name: str) -> int:
        """Add a node and return its number."""
        self.number[name] = len(self.nodes)
        self.nodes.append(name)
        return self.number[name]

    def add_link(
        self, a: int, b: int, ps_per_byte: int, delay_ps: int, line: int = NO_LINE
    ) -> tuple[Port, Port]:
        """Join two nodes; return the port from a to b and the port from b to a."""
        first = len(self.ports)
        there = Port(a, first + 1, ps_per_byte, delay_ps)
        back = Port(b, first, ps_per_byte, delay_ps)
        self.ports += [there, back]
        self.links[a, b, line].append(first)
        self.links[b, a, line].append(first + 1)
        return there, back

    def add_stand_ins(self, a: int, b: int, a_delay_ps: int, b_delay_ps: int) -> tuple[int, int]:
        """Add two ports that stand for a and b: another way for light, or a control channel."""
        first = len(self.ports)
        for k, (port, delay_ps) in enumerate(((a, a_delay_ps), (b, b_delay_ps))):
            stands_for = self.ports[port].stands_for
            self.ports.append(
                replace(
                    self.ports[port],
                    peer=first + 1 - k,
                    delay_ps=delay_ps,
                    stands_for=port if stands_for < 0 else stands_for,
                    ingress=None,
                    errors=None,
                    watchdog=None,
                )
            )
        return first, first + 1

    def channels(self, line: int) -> list[int]:
        """Return the ports of a line that its first site sends from, a channel each."""
        first = self.scenario.lines[line].between[0]
        for (node, _, over), ports in self.links.items():
            if over == line and self.nodes[node].partition(".")[0] == first:
                return ports
        raise KeyError(line)

    def site_of(self, node: int) -> int:
        """Return the number of the site that a node stands in."""
        return self.site_numbers[self.nodes[node].partition(".")[0]]

    @cached_property
    def site_numbers(self) -> dict[str, int]:
        """The number of each site, in the order of the scenario."""
        return {name: k for k, name in enumerate(self.scenario.sites)}

    def port_names(self) -> list[str]:
        """Return ``node>peer`` for every real port, ``#k`` after it where links are parallel."""
        parallel: dict[tuple[int, int], list[int]] = defaultdict(list)
        real = [port for port in self.ports if port.stands_for < 0]
        for p, port in enumerate(real):
            parallel[port.node, self.ports[port.peer].node].append(p)
        names = [""] * len(real)
        for (a, b), ports in parallel.items():
            for k, p in enumerate(ports):
                suffix = f"#{k}" if len(ports) > 1 else ""
                names[p] = f"{self.nodes[a]}>{self.nodes[b]}{suffix}"
        return names


def build_topology(scenario: Scenario) -> Topology:
    """Make all nodes and ports of a scenario."""
    frame = max(largest_frame_bytes(scenario.site_nic(site)) for site in scenario.sites)
    topology = Topology(scenario, frame)
    for name, site in scenario.sites.items():
        _add_site(topology, name, site)
    for index, line in enumerate(scenario.lines):
        _add_line(topology, index, line)
    return topology


def _add_site(topology: Topology, name: str, site: Site) -> None:
    fabric = site.fabric
    nic_rate = topology.scenario.site_nic(name).rate
    hosts = [topology.add_node(f"{name}.{h}") for h in range(site.hosts)]
    topology.hosts.update(hosts)
    if fabric.type == "one-switch":
        switch = topology.add_node(f"{name}.switch")
        for host in hosts:
            _add_host_link(topology, fabric, host, switch, nic_rate)
        return
    leaves = [topology.add_node(f"{name}.leaf{k}") for k in range(fabric.leaves)]
    spines = [topology.add_node(f"{name}.spine{k}") for k in range(fabric.spines)]
    gateway = topology.add_node(f"{name}.gateway")
    for h, host in enumerate(hosts):
        _add_host_link(topology, fabric, host, leaves[_leaf_of(h, site)], nic_rate)
    for spine in spines:
        for node in [*leaves, gateway]:
            _add_fabric_links(topology, fabric, node, spine)


def _leaf_of(host: int, site: Site) -> int:
    """Return the leaf of a host: neighbours share a leaf, all leaves are filled alike."""
    return host * site.fabric.leaves // site.hosts


def exit_node(topology: Topology, site: str) -> int:
    """Return the node of a site that the lines hang from."""
    one_switch = topology.scenario.sites[site].fabric.type == "one-switch"
    return topology.number[f"{site}.switch" if one_switch else f"{site}.gateway"]


def _cable_delay_ps(fabric: Fabric) -> int:
    ps_per_metre = 4900.0  # 4.9 us/km, fibre with n = 1.468 (DOMAIN 2)
    return line_delay_ps(fabric.cable, ps_per_metre)


def _add_host_link(
    topology: Topology, fabric: Fabric, host: int, switch: int, rate: PortRate
) -> None:
    up, down = topology.add_link(host, switch, rate.ps_per_byte, _cable_delay_ps(fabric))
    up.delay_ps += fabric.latency
    _set_switch_buffer(topology, fabric, down)
    if fabric.pfc:
        up.quanta = fabric.pfc.quanta


def _add_fabric_links(topology: Topology, fabric: Fabric, a: int, b: int) -> None:
    for _ in range(fabric.rate.count):
        for port in topology.add_link(a, b, fabric.rate.ps_per_byte, _cable_delay_ps(fabric)):
            port.delay_ps += fabric.latency
        for port in topology.ports[-2:]:
            _set_switch_buffer(topology, fabric, port)


def _worst_headroom_bytes(topology: Topology, port: Port) -> int:
    """Return what may still come to a port after it said stop, if nothing drains."""
    back_ps = port.delay_ps
    if port.line != NO_LINE:
        line = topology.scenario.lines[port.line]
        back_ps += line.back_ps - line.way_ps  # a control channel may be slower than light
    round_trip_ps = topology.ports[port.peer].delay_ps + back_ps
    return headroom_bytes(port.ps_per_byte, round_trip_ps, topology.frame_bytes)


def _set_switch_buffer(topology: Topology, fabric: Fabric, port: Port) -> None:
    """Give a switch's port its ingress buffer; both directions of the link must be complete."""
    port.queue_limit_bytes = fabric.queue_limit
    pfc = fabric.pfc
    if pfc is None:
        return
    port.quanta = pfc.quanta
    port.watchdog = pfc.watchdog
    headroom = pfc.headroom
    if headroom is None:
        headroom = _worst_headroom_bytes(topology, port)
    port.ingress = IngressBuffer(pfc.priorities, pfc.xoff, pfc.xon, pfc.xoff + headroom)
    if pfc.shared is not None:
        _share(topology, port, pfc.shared, pfc.alpha, pfc.xon_offset, headroom, pfc.headroom_pool)


def _share(
    topology: Topology,
    port: Port,
    shared_bytes: int,
    alpha: float,
    xon_offset_bytes: int,
    headroom_bytes: int,
    headroom_pool_bytes: int | None,
) -> None:
    """Let a port with an ingress buffer share that of its node, with headroom of its own."""
    assert port.ingress is not None
    if port.node not in topology.pool_of:
        topology.pool_of[port.node] = len(topology.pools)
        topology.pools.append(Pool(shared_bytes, headroom_pool_bytes or 0))
    pool = topology.pool_of[port.node]
    if headroom_pool_bytes is None:
        topology.pools[pool].headroom_bytes += headroom_bytes * len(port.ingress.priorities)
    port.ingress.pool, port.ingress.alpha = pool, alpha
    port.ingress.headroom_bytes = headroom_bytes
    port.ingress.xon_bytes = xon_offset_bytes
    port.ingress.limit_bytes = shared_bytes + headroom_bytes


def _add_line(topology: Topology, index: int, line: Line) -> None:
    a, b = line.between
    if line.otn.flow_control != "none":
        for site in (a, b):
            if topology.scenario.sites[site].fabric.pfc is None:
                topology.warnings.append(
                    f"lines.{index}.otn.flow_control is {line.otn.flow_control}, but "
                    f"sites.{site} has no PFC: "
                    "nothing is held back there"
                )
    topology.lines_between[a, b].append(index)
    topology.lines_between[b, a].append(index)
    ends = [_line_end(topology, index, line, site) for site in (a, b)]
    for _ in range(line.rate.count):
        both = topology.add_link(ends[0], ends[1], line.rate.ps_per_byte, line.way_ps, index)
        for site, port in zip((a, b), both, strict=True):
            port.line = index
            port.notifies = line.otn.error_notification
            fabric = topology.scenario.sites[site].fabric
            if line.otn.flow_control != "cooperative":
                topology.ports[port.peer].delay_ps += fabric.latency
        for site, port in zip((a, b), both, strict=True):
            fabric = topology.scenario.sites[site].fabric
            if line.otn.flow_control != "none":
                _set_line_buffer(topology, index, line, fabric, port)
            if line.otn.flow_control != "cooperative":
                port.queue_limit_bytes = fabric.queue_limit
                port.watchdog = fabric.pfc.watchdog if fabric.pfc else None


def _line_end(topology: Topology, index: int, line: Line, site: str) -> int:
    """Return the node that a line leaves a site from; make its OTN terminal if that is a node."""
    outside = exit_node(topology, site)
    if line.otn.flow_control != "cooperative":
        return outside
    fabric = topology.scenario.sites[site].fabric
    terminal = topology.add_node(f"{site}.otn{index}")
    rate = topology.scenario.sites[site].gateway.rate or line.rate
    for _ in range(rate.count):
        out, back = topology.add_link(outside, terminal, rate.ps_per_byte, _cable_delay_ps(fabric))
        back.delay_ps += fabric.latency
        _set_switch_buffer(topology, fabric, out)
        _set_client_buffer(topology, index, line, fabric, back)
    return terminal


def _set_client_buffer(
    topology: Topology, index: int, line: Line, fabric: Fabric, port: Port
) -> None:
    """Give a terminal's client port the near-end buffer, which pauses the gateway."""
    name, limit = f"lines.{index}.otn.client_buffer", line.otn.client_buffer
    xoff = _automatic_xoff(topology, name, limit, port)
    _set_terminal_buffer(port, fabric.pfc, limit, xoff, automatic_xon(xoff))


def _set_line_buffer(
    topology: Topology, index: int, line: Line, fabric: Fabric, port: Port
) -> None:
    """Give a terminal's line port the far-end buffer, which pauses the other terminal."""
    otn, name = line.otn, f"lines.{index}.otn.buffer"
    xoff = otn.xoff
    if xoff is None:
        xoff = _automatic_xoff(topology, name, otn.buffer, port)
    xon = automatic_xon(xoff) if otn.xon is None else otn.xon
    _set_terminal_buffer(port, fabric.pfc, otn.buffer, xoff, xon)
    if otn.shared is not None and port.ingress is not None:
        headroom = _worst_headroom_bytes(topology, port)
        _share(topology, port, otn.shared, otn.alpha, 2 * topology.frame_bytes, headroom, None)


def _automatic_xoff(topology: Topology, name: str, limit: int, port: Port) -> int:
    """Leave the worst-case headroom free; a smaller buffer pauses at its first byte."""
    headroom = _worst_headroom_bytes(topology, port)
    if limit < headroom:
        text = (
            f"{name} ({show_bytes(limit)}) is below the worst-case headroom "
            f"({show_bytes(headroom)}): what is meant to be lossless may be dropped"
        )
        if text not in topology.warnings:
            topology.warnings.append(text)
    return max(0, limit - headroom)


def automatic_xon(xoff_bytes: int) -> int:
    """Return three quarters of XOFF (assumed): high, for what drains while nothing comes."""
    return xoff_bytes * 3 // 4


def _set_terminal_buffer(port: Port, pfc: Pfc | None, limit: int, xoff: int, xon: int) -> None:
    port.queue_limit_bytes = limit
    if pfc is not None:
        port.quanta = pfc.quanta
        port.ingress = IngressBuffer(pfc.priorities, xoff, xon, limit)


def find_path(topology: Topology, source: str, target: str, key: str) -> list[int]:
    """Return the ports that a queue pair's packets leave by, from host to host.

    Among spines, equally short ways, and ports that lead to the same place, of one line or
    several, ECMP: a hash of `key` chooses, each alike.
    """
    here, there = source.split(".")[0], target.split(".")[0]
    start, end = topology.number[source], topology.number[target]
    if here == there:
        hops = _cables([start, *_inside(topology, source, target, key)])
    else:
        hops = _cables([start, *_up(topology, source, key)])
        for site_a, site_b in _site_hops(topology, here, there, key):
            hops += _line_hops(topology, site_a, site_b, key)
        hops += _cables([*reversed(_up(topology, target, key)), end])
    return [_choose(topology.links[hop], key, stage) for hop, stage in hops]


def _cables(nodes: list[int]) -> list[tuple[Hop, str]]:
    return [((a, b, NO_LINE), f"link {min(a, b)} {max(a, b)}") for a, b in pairwise(nodes)]


def _line_hops(topology: Topology, site_a: str, site_b: str, key: str) -> list[tuple[Hop, str]]:
    """Return the way from the exit of one site to that of the next.

    One choice for all of it: client port k is carried on the line's channel k to client port k,
    where there are as many of each.
    """
    exit_a, exit_b = exit_node(topology, site_a), exit_node(topology, site_b)
    ports = []  # the line of each port that leads from one to the other
    for index in topology.lines_between[site_a, site_b]:
        terminal = topology.number.get(f"{site_a}.otn{index}")
        first = (exit_a, exit_b, index) if terminal is None else (exit_a, terminal, NO_LINE)
        ports += [index] * len(topology.links[first])
    line = _choose(ports, key, "line " + " ".join(sorted((site_a, site_b))))
    near, far = (topology.number.get(f"{site}.otn{line}") for site in (site_a, site_b))
    stage = f"channel {line}"
    if near is None or far is None:
        return [((exit_a, exit_b, line), stage)]
    hops = [(exit_a, near, NO_LINE), (near, far, line), (far, exit_b, NO_LINE)]
    return [(hop, stage) for hop in hops]


def reverse_path(topology: Topology, path: list[int]) -> list[int]:
    """Return the same way back."""
    return [topology.ports[p].peer for p in reversed(path)]


def _choose(options: list[int], key: str, stage: str) -> int:
    if len(options) == 1:
        return options[0]
    digest = hashlib.blake2b(f"{key} {stage}".encode(), digest_size=8).digest()
    return options[int.from_bytes(digest, "big") % len(options)]


def _up(topology: Topology, host: str, key: str) -> list[int]:
    """Return the nodes from a host to the exit of its site, the host not included."""
    site_name, index = host.split(".")
    site = topology.scenario.sites[site_name]
    if site.fabric.type == "one-switch":
        return [exit_node(topology, site_name)]
    leaf = topology.number[f"{site_name}.leaf{_leaf_of(int(index), site)}"]
    return [leaf, _spine(topology, site_name, key), exit_node(topology, site_name)]


def _inside(topology: Topology, source: str, target: str, key: str) -> list[int]:
    """Return the nodes from a host to another of the same site, the first not included."""
    out, back = _up(topology, source, key), _up(topology, target, key)
    end = topology.number[target]
    if out[0] == back[0]:
        return [out[0], end]
    leaf, spine = out[:2]
    return [leaf, spine, back[0], end]


def _spine(topology: Topology, site: str, key: str) -> int:
    spines = topology.scenario.sites[site].fabric.spines
    return topology.number[f"{site}.spine{_choose(list(range(spines)), key, f'spine {site}')}"]


def _site_hops(topology: Topology, here: str, there: str, key: str) -> list[tuple[str, str]]:
    """Return the sites to pass, two by two: the fewest lines, ties by hash."""
    lines_to_go = {there: 0}
    waiting = deque([there])
    while waiting:
        site = waiting.popleft()
        for a, b in topology.lines_between:
            if a == site and b not in lines_to_go:
                lines_to_go[b] = lines_to_go[site] + 1
                waiting.append(b)
    hops = []
    while here != there:
        nearer = sorted(
            b
            for a, b in topology.lines_between
            if a == here and lines_to_go[b] == lines_to_go[here] - 1
        )
        after = nearer[_choose(list(range(len(nearer))), key, f"site {here}")]
        hops.append((here, after))
        here = after
    return hops
