"""A scenario's traffic as queue pairs, operations and flows.

Each row becomes a flow a pair of hosts; each flow one send a queue pair. Slots with credits
become two operations that feed each other: the data, and the small messages that free slots.
"""

from dataclasses import dataclass, field
from itertools import chain

from ..errors import Problem, ScenarioError
from ..kernels import tables as kt
from ..scenario.schema import Nic, Scenario, Work
from ..scenario.units import show_time
from ..theory import ack_timeout_ps
from . import settings
from .settings import Row
from .topology import NO_LINE, Change, Topology, find_path, reverse_path

Host = tuple[str, int]
MOST_HELD_PACKETS = 2**27  # 16 B each
MAX_MESSAGE_BYTES = 2**31  # InfiniBand specification: longest RDMA message


@dataclass
class QueuePair:
    """One reliable connection: its paths, and what its rows in the tables are set to."""

    name: str
    flow: int  # -1: credits, which are no one's goodput
    data_path: list[int]
    ack_path: list[int]
    requester: Row
    responder: Row
    rate: Row


@dataclass
class Operation:
    """A computation (duration) or messages on a queue pair, and what waits for it."""

    name: str
    duration_ps: int = 0
    site: str = ""  # of a computation
    queue_pair: int = -1
    flow: int = -1
    bytes: int = 0
    message_bytes: int = 0
    credits: int | None = None  # None: as many as there are messages
    feeds: int = -1
    start_ps: int | None = None  # None: only waits for others
    depends: int = 0
    after_sent: list[int] = field(default_factory=list)
    after_delivered: list[int] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """How many messages; the last may be shorter."""
        return -(-self.bytes // self.message_bytes) if self.message_bytes else 0


@dataclass
class WorkPlan:
    """All work of a scenario."""

    queue_pairs: list[QueuePair] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    flow_names: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def sites_of(self, operation: Operation, topology: Topology) -> tuple[int, int]:
        """Return the sites where an operation begins and is `sent`, and where `delivered`."""
        if operation.queue_pair < 0:
            here = topology.site_numbers[operation.site]
            return here, here
        qp = self.queue_pairs[operation.queue_pair]
        ends = topology.ports[qp.data_path[0]], topology.ports[qp.ack_path[0]]
        return topology.site_of(ends[0].node), topology.site_of(ends[1].node)


def plan_work(scenario: Scenario, topology: Topology, seed: int) -> WorkPlan:
    """Expand the traffic rows of a scenario."""
    planner = _Planner(scenario, topology, seed)
    for work in scenario.traffic:
        planner.add_row(work)
    for work in scenario.traffic:
        planner.add_dependencies(work)
    held = sum(qp.responder["reorder_packets"] for qp in planner.plan.queue_pairs)
    if held > MOST_HELD_PACKETS:
        raise ScenarioError(
            [
                Problem(
                    f"selective-repeat would keep room for {held:,} packets in all; at most "
                    f"{MOST_HELD_PACKETS:,}: give fewer queue pairs, or out_of_order",
                    key="nic.retransmission",
                )
            ]
        )
    return planner.plan


class _Planner:
    def __init__(self, scenario: Scenario, topology: Topology, seed: int) -> None:
        self.scenario = scenario
        self.topology = topology
        self.seed = seed
        self.plan = WorkPlan()
        # Operations of a row: a list a pair of hosts (or a host), one entry a queue pair.
        self.rows: dict[str, list[list[int]]] = {}
        self.row_queue_pairs: dict[str, list[list[int]]] = {}  # of a transfer, likewise

    def add_row(self, work: Work) -> None:
        if work.compute is not None:
            places = self.scenario.hosts(work.at or "")
            names = [work.name] if len(places) == 1 else _numbered(work.name, len(places))
            self.rows[work.name] = [
                [self._add_computation(name, work, site)]
                for name, (site, _) in zip(names, places, strict=True)
            ]
            return
        pairs = self.scenario.pairs(work)
        names = [work.name] if len(pairs) == 1 else _numbered(work.name, len(pairs))
        self.row_queue_pairs[work.name] = [
            self._queue_pairs(work, i, names[i], source, target)
            for i, (source, target) in enumerate(pairs)
        ]
        self.rows[work.name] = [
            self._add_flow(name, work, source, target, queue_pairs)
            for name, (source, target), queue_pairs in zip(
                names, pairs, self.row_queue_pairs[work.name], strict=True
            )
        ]

    def _add_computation(self, name: str, work: Work, site: str) -> int:
        operation = Operation(name, duration_ps=work.compute or 0, site=site, start_ps=_start(work))
        return self._add_operation(operation)

    def _add_operation(self, operation: Operation) -> int:
        self.plan.operations.append(operation)
        return len(self.plan.operations) - 1

    def _queue_pairs(self, work: Work, i: int, name: str, source: Host, target: Host) -> list[int]:
        """Make the queue pairs from one host to another, or find those of an earlier row."""
        if work.queue_pairs_of:
            return self.row_queue_pairs[work.queue_pairs_of][i]
        count = work.queue_pairs or self.scenario.site_nic(source[0]).queue_pairs
        labels = [name] if count == 1 else [f"{name}/qp{k}" for k in range(count)]
        flow = len(self.plan.flow_names) + i
        return [self._add_queue_pair(label, flow, work, source, target) for label in labels]

    def _add_flow(
        self, name: str, work: Work, source: Host, target: Host, queue_pairs: list[int]
    ) -> list[int]:
        flow = len(self.plan.flow_names)
        self.plan.flow_names.append(name)
        total = work.bytes or 0
        message = min(work.message or total, MAX_MESSAGE_BYTES)
        if work.slots:
            message = min(work.slots.bytes, MAX_MESSAGE_BYTES)
        operations = []
        shares = _shares(total, message, len(queue_pairs))
        if self.scenario.site_nic(source[0]).split_messages:
            shares = _shares(total, 1, len(queue_pairs))
            message = -(-message // len(queue_pairs))
        for k, (q, share) in enumerate(zip(queue_pairs, shares, strict=False)):
            label = name if len(queue_pairs) == 1 else f"{name}/qp{k}"
            operation = Operation(
                label,
                queue_pair=q,
                flow=flow,
                bytes=share,
                message_bytes=min(message, share),
                start_ps=_start(work),
            )
            operations.append(self._add_operation(operation))
            if work.slots:
                self._add_credits(label, work, operations[-1], target, source)
        return operations

    def _add_credits(self, label: str, work: Work, data: int, here: Host, there: Host) -> None:
        """Add the messages that free slots: one a slot delivered, from receiver to sender."""
        slots = work.slots
        assert slots is not None
        label += "/credits"
        operation = self.plan.operations[data]
        credit = Operation(
            label,
            queue_pair=self._add_queue_pair(label, -1, work, here, there),
            bytes=slots.credit * operation.messages,
            message_bytes=slots.credit,
            credits=0,
            feeds=data,
            start_ps=0,
        )
        operation.feeds = self._add_operation(credit)
        operation.credits = slots.count

    def _add_queue_pair(self, name: str, flow: int, work: Work, source: Host, target: Host) -> int:
        q = len(self.plan.queue_pairs)
        there = f"{target[0]}.{target[1]}"
        here = f"{source[0]}.{source[1]}"
        data_path = find_path(self.topology, here, there, f"{self.seed} {q}")
        ack_path = reverse_path(self.topology, data_path)
        qp = QueuePair(
            name,
            flow,
            data_path,
            ack_path,
            *self._settings(source[0], target[0], work, data_path, ack_path),
        )
        self.plan.queue_pairs.append(qp)
        self._hint(q, qp, source[0], target[0])
        return q

    def _hint(self, q: int, qp: QueuePair, source_site: str, target_site: str) -> None:
        """Tell the sender of the lengths that its path will have, where lines do that."""
        path = [*qp.data_path, *qp.ack_path]
        lines = [self.topology.ports[p].line for p in path]
        longer = {
            line: self.topology.longer_ps.get(line, [])
            for line in lines
            if line != NO_LINE and self.scenario.lines[line].otn.distance_hints
        }
        sender, receiver = self.scenario.site_nic(source_site), self.scenario.site_nic(target_site)
        ps_per_byte = self.topology.ports[qp.data_path[0]].ps_per_byte
        told = qp.requester["round_trip_ps"]
        for time in sorted({time for steps in longer.values() for time, _ in steps}):
            round_trip = qp.requester["round_trip_ps"] + sum(
                max(step for step in longer[line] if step[0] <= time)[1]
                for line in lines
                if longer.get(line)
            )
            if round_trip == told:
                continue
            told = round_trip
            window = settings.window_bytes(sender, ps_per_byte, round_trip, receiver.ack_every)
            self.topology.changes.append(Change(time, kt.HINT, q, window, round_trip))
            if qp.requester["reorder_packets"]:
                room = settings.reorder_packets(sender, receiver, window)
                for row in (qp.requester, qp.responder):
                    row["reorder_packets"] = max(row["reorder_packets"], room)

    def _settings(
        self,
        source_site: str,
        target_site: str,
        work: Work,
        data_path: list[int],
        ack_path: list[int],
    ) -> tuple[Row, Row, Row]:
        """Return what a queue pair's sender and receiver are set to, and its rate."""
        sender = self.scenario.site_nic(source_site)
        receiver = self.scenario.site_nic(target_site)
        priority = sender.priority if work.priority is None else work.priority
        round_trip = settings.round_trip_ps(sender, self.topology, data_path, ack_path)
        self._warn(sender, work, source_site, round_trip, priority)
        ps_per_byte = self.topology.ports[data_path[0]].ps_per_byte
        window = settings.window_bytes(sender, ps_per_byte, round_trip, receiver.ack_every)
        own = {
            "priority": priority,
            "window_bytes": window,
            "round_trip_ps": round_trip,
        }
        both = {"reorder_packets": settings.reorder_packets(sender, receiver, window)}
        requester = settings.sender_settings(sender, receiver, self.topology, data_path)
        responder = settings.receiver_settings(receiver, sender, priority, ack_path)
        rate = settings.rate_settings(sender, ps_per_byte)
        return requester | own | both, responder | both, rate

    def _warn(self, nic: Nic, work: Work, site: str, round_trip_ps: int, priority: int) -> None:
        """Say once a row what its queue pairs will suffer from."""
        warnings = self.plan.warnings
        timeout_ps = settings.timeout_ps(nic)
        first_ps = min(timeout_ps, ack_timeout_ps(nic.first_timeout) or timeout_ps)
        if 0 < first_ps <= round_trip_ps:
            key = "timeout" if first_ps == timeout_ps else "first_timeout"
            text = (
                f"{work.name}: the ACK timer ({show_time(first_ps)}, nic.{key} "
                f"{getattr(nic, key)}) is no longer than the round trip "
                f"({show_time(round_trip_ps)}): all is sent again"
            )
            if not any(one.startswith(f"{work.name}: the ACK") for one in warnings):
                warnings.append(text)
        if nic.congestion_control == "dcqcn" and not any(
            one.fabric.ecn for one in self.scenario.sites.values()
        ):
            text = "congestion_control is dcqcn, but no site's fabric has ecn: nothing is marked"
            if text not in warnings:
                warnings.append(text)
        pfc = self.scenario.sites[site].fabric.pfc
        if pfc is not None and priority not in pfc.priorities:
            text = f"{work.name}: PFC of sites.{site} does not cover its priority {priority}"
            if text not in warnings:
                warnings.append(text)

    def add_dependencies(self, work: Work) -> None:
        rows = self.rows[work.name]
        for dependency in work.after:
            name, _, completion = dependency.partition(".")
            others = self.rows[name]
            for i, mine in enumerate(rows):
                theirs = others[i] if len(others) == len(rows) else list(chain(*others))
                for earlier in theirs:
                    operation = self.plan.operations[earlier]
                    waiting = (
                        operation.after_sent if completion == "sent" else operation.after_delivered
                    )
                    waiting += mine
                for o in mine:
                    self.plan.operations[o].depends += len(theirs)


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}.{k}" for k in range(count)]


def _start(work: Work) -> int | None:
    """Return the start time of a row; None where it only waits for other rows."""
    return None if work.after and not work.start else work.start


def _shares(total: int, message: int, count: int) -> list[int]:
    """Share bytes out over queue pairs: whole messages where there are enough of them."""
    messages = -(-total // message)
    unit = message if messages >= count else 1
    pieces = messages if messages >= count else total
    ends = [min(total, pieces * (k + 1) // count * unit) for k in range(count)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False) if end > start]
