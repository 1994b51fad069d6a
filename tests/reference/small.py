"""Tiny tables by hand: hosts and switches, links, queue pairs, operations."""

import math
import random
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from wanrdma.kernels import tables as records
from wanrdma.kernels.tables import (
    COMPUTE,
    DCQCN,
    FIXED,
    NEVER_PS,
    NO_RATE,
    NOWHERE,
    PACKETS,
    PRIORITIES,
    PSN_MODULUS,
    SEND,
    Group,
    Tables,
)

Row = dict[str, Any]

Change = tuple[int, float]

MUCH = 1 << 40
LINE_BPS = 400_000_000_000  # 20 ps a byte
DCQCN_RATE = {
    "rate_control": DCQCN,
    "line_bps": LINE_BPS,
    "least_bps": 100_000_000,
    "add_bps": 5_000_000_000,
    "hyper_bps": 50_000_000_000,
    "increase_ps": 55_000_000,
    "increase_bytes": 10_000_000,
    "alpha_ps": 55_000_000,
    "fast_steps": 5,
    "gain": 1 / 256,
    "rate_bps": LINE_BPS,
    "target_bps": LINE_BPS,
    "alpha": 1.0,
}


@dataclass
class Small:
    """A network and its work, in rows that become tables.

    What a test does not set makes round numbers: a data packet of 900 B payload has 1000 B
    of line time, 20 ns on a link of 20 ps a byte; an ACK has 100 B.
    """

    seed: int = 1
    log_first: int = 0  # so many of a kind and an entity are logged
    nodes: list[bool] = field(default_factory=list)  # whether it is a host
    ports: list[Row] = field(default_factory=list)
    errors: list[Row] = field(default_factory=list)  # one a port
    error_changes: list[Row] = field(default_factory=list)
    spells: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    pools: list[Row] = field(default_factory=list)
    lanes: list[Row] = field(default_factory=list)
    queue_pairs: list[Row] = field(default_factory=list)
    operations: list[Row] = field(default_factory=list)
    flows: int = 0
    paths: list[int] = field(default_factory=list)
    successors: list[tuple[list[int], list[int]]] = field(default_factory=list)
    agenda: list[tuple[int, int]] = field(default_factory=list)

    def host(self) -> int:
        """Add a host."""
        self.nodes.append(True)
        return len(self.nodes) - 1

    def switch(self) -> int:
        """Add a switch."""
        self.nodes.append(False)
        return len(self.nodes) - 1

    def link(self, a: int, b: int, ps_per_byte: int = 20, delay_ps: int = 1000) -> tuple[int, int]:
        """Join two nodes and return their ports."""
        here, there = len(self.ports), len(self.ports) + 1
        for node, port, peer in ((a, here, there), (b, there, here)):
            self.port(
                peer=peer,
                is_host=self.nodes[node],
                stands_for=port,
                way=port,
                ps_per_byte=ps_per_byte,
                delay_ps=delay_ps,
            )
        return here, there

    def port(self, **fields: int) -> int:
        """Add a port: an end of a cable, or what another module makes of it."""
        row = {"pause_ps": 1_000_000_000, "refresh_ps": 500_000_000, "error_told_ps": NOWHERE}
        row |= dict.fromkeys(("line", "line_in", "control"), NOWHERE)
        self.ports.append(row | fields)
        self.errors.append({"gap": -1})
        self.lanes += [{"queue_limit_bytes": MUCH, "pool": NOWHERE} for _ in range(PRIORITIES)]
        return len(self.ports) - 1

    def lane(self, port: int, priority: int) -> Row:
        """Return the row of a lane, to be set."""
        return self.lanes[PRIORITIES * port + priority]

    def is_lossless(self, port: int, priority: int) -> bool:
        """Tell whether a lane is lossless as an ingress."""
        return self.lane(port, priority).get("ingress_limit_bytes", 0) > 0

    def damage(
        self, port: int, process: int, log_survival: float, series: tuple[Change, ...] = ()
    ) -> None:
        """Let a port damage what it sends, otherwise from each time of a series on."""
        self.ports[port]["has_errors"] = 1
        first = len(self.error_changes)
        self.error_changes += [{"time_ps": at, "log_survival": value} for at, value in series]
        self.errors[port].update(
            process=process,
            log_survival=log_survival,
            change=first,
            change_end=len(self.error_changes),
        )

    def change(self, time_ps: int, kind: int, entity: int, value: int = 0, other: int = 0) -> None:
        """Add a scenario event."""
        names = ("time_ps", "kind", "entity", "value", "other")
        row = (time_ps, kind, entity, value, other)
        self.changes.append(dict(zip(names, row, strict=True)))

    def path(self, ports: list[int]) -> int:
        """Add a path and return its place."""
        self.paths += [*ports, NOWHERE]
        return len(self.paths) - len(ports) - 1

    def queue_pair(self, data: list[int], acks: list[int], first: int = 0, **fields: float) -> int:
        """Add a queue pair whose first packet has the number `first`.

        The keywords are fields of its requester, its responder or its rate: any of
        `rate_control` makes it paced.
        """
        row = {
            "sender_port": data[0],
            "receiver_port": acks[0],
            "data_path": self.path(data),
            "ack_path": self.path(acks),
            "priority": 3,
            "ack_priority": 3,
            "mtu_bytes": 900,
            "overhead_bytes": 100,
            "reth_bytes": 0,
            "ack_bytes": 100,
            "window_bytes": MUCH,
            "ack_every": 1,
            "nak_again_ps": 0,
            "timeout_ps": 0,
            "retries": 7,
            "cnp_bytes": 84,
            "cnp_priority": 6,
            "line_port": NOWHERE,
            "has_rate": int("rate_control" in fields),
        }
        row |= dict.fromkeys(("oldest", "next", "newest", "posted", "expected"), first)
        row |= dict.fromkeys(("resend_next", "resend_end"), first)
        row |= {"deadline_ps": NEVER_PS, "error_ps": NOWHERE}
        self.queue_pairs.append(row | fields)
        return len(self.queue_pairs) - 1

    def send(
        self,
        queue_pair: int,
        size: int,
        message: int | None = None,
        at: int | None = 0,
        after_sent: tuple[int, ...] = (),
        after_delivered: tuple[int, ...] = (),
        credit: int | None = None,
        feeds: int = NOWHERE,
    ) -> int:
        """Add a send of some bytes, in messages of some bytes, with a flow of its own."""
        message = message or size
        messages = -(-size // message)
        self.flows += 1
        row = {
            "kind": SEND,
            "queue_pair": queue_pair,
            "flow": self.flows - 1,
            "bytes": size,
            "message_bytes": message,
            "messages": messages,
            "feeds": feeds,
            "credits": messages if credit is None else credit,
        }
        return self._operation(row, at, after_sent, after_delivered)

    def compute(
        self,
        duration_ps: int,
        at: int | None = 0,
        after_sent: tuple[int, ...] = (),
        after_delivered: tuple[int, ...] = (),
    ) -> int:
        """Add a computation."""
        row = {"kind": COMPUTE, "duration_ps": duration_ps}
        row |= dict.fromkeys(("queue_pair", "flow", "feeds"), NOWHERE)
        return self._operation(row, at, after_sent, after_delivered)

    def _operation(
        self,
        row: Row,
        at: int | None,
        after_sent: tuple[int, ...],
        after_delivered: tuple[int, ...],
    ) -> int:
        """Add a row, with a start time unless `at` is None."""
        o = len(self.operations)
        self.successors.append(([], []))
        for before in after_sent:
            self.successors[before][0].append(o)
        for before in after_delivered:
            self.successors[before][1].append(o)
        if at is not None:
            self.agenda.append((at, o))
        waits = (at is not None) + len(after_sent) + len(after_delivered)
        never = dict.fromkeys(("start_ps", "sent_ps", "delivered_ps"), NOWHERE)
        self.operations.append(row | never | {"waits": waits})
        return o

    def tables(self) -> Tables:
        """Make what the twin reads; the tables that only kernels use stay empty."""
        successors: list[int] = []
        for row, (after_sent, after_delivered) in zip(
            self.operations, self.successors, strict=True
        ):
            row["sent_first"] = len(successors)
            successors += after_sent
            row["delivered_first"] = len(successors)
            successors += after_delivered
            row["successors_end"] = len(successors)
        never = dict.fromkeys(("first_bit_ps", "first_delivery_ps", "last_delivery_ps"), NOWHERE)
        agenda = np.array(sorted(self.agenda), dtype=np.int64).reshape(-1, 2)
        run = {"seed": self.seed, "operations_left": len(self.operations)}
        run |= {"log_first": self.log_first}
        filled = {
            "run": _table(records.run, [run]),
            "ports": _table(records.port, self.ports),
            "errors": _table(records.errors, self.errors),
            "spells": _table(records.spell, self.spells),
            "lines": _table(records.line, self.lines),
            "changes": _table(records.change, sorted(self.changes, key=itemgetter("time_ps"))),
            "pools": _table(records.pool, self.pools),
            "error_changes": _table(records.error_change, self.error_changes),
            "lanes": _table(records.lane, [{"paused_since_ps": NEVER_PS} | r for r in self.lanes]),
            "requesters": _table(records.requester, _fields(records.requester, self.queue_pairs)),
            "responders": _table(records.responder, _fields(records.responder, self.queue_pairs)),
            "rates": _table(records.rate, _fields(records.rate, self.queue_pairs)),
            "operations": _table(records.operation, self.operations),
            "flows": _table(records.flow, [never] * self.flows),
            "paths": np.array(self.paths, dtype=np.int64),
            "successors": np.array(successors, dtype=np.int64),
        }
        no_group = {name: np.zeros(0, dtype=np.int64) for name in Group._fields}
        group = {
            "agenda_ps": agenda[:, 0].copy(),
            "agenda_operation": agenda[:, 1].copy(),
            "probes": _table(records.probe, []),
            "log": _table(records.logged, []),
            "stalls": _table(records.stall, []),
        }
        empty = {name: np.zeros(0, dtype=np.int64) for name in Tables._fields}
        groups = {"groups": [Group(**no_group | group)], "rings": []}
        return Tables(**empty | filled | groups)


def two_hosts(seed: int = 1, **second: int) -> Small:
    """Join host 0 (port 0), a switch (ports 1, 2) and host 1 (port 3).

    The keywords are those of the second link.
    """
    small = Small(seed)
    left, middle, right = small.host(), small.switch(), small.host()
    small.link(left, middle)
    small.link(middle, right, **second)
    return small


def busy(seed: int) -> Small:
    """Cross lossy and lossless traffic between two switches, with bit errors everywhere."""
    chance = random.Random(seed)
    small = Small(seed)
    left, right = small.switch(), small.switch()
    small.link(left, right, chance.choice([10, 20, 40]), chance.choice([0, 3000, 200_000]))
    for k in range(6):
        small.link((left, right)[k % 2], small.host(), chance.choice([10, 20, 80]))
    for port in small.ports:
        port["has_errors"] = 1
        port["pause_ps"] = chance.choice([50_000, 500_000])
        port["refresh_ps"] = port["pause_ps"] // 2
    for row in small.errors:
        row["log_survival"] = math.log1p(-chance.choice([1e-6, 1e-5, 1e-4]))
    for row in small.lanes:
        row["queue_limit_bytes"] = chance.choice([5000, 50_000])
        row.update(ecn_min_bytes=2000, ecn_max_bytes=9000, ecn_probability=0.5)
        if chance.random() < 0.5:
            row.update(xoff_bytes=4000, xon_bytes=2000, ingress_limit_bytes=20_000)
    for k in range(9):
        # Hosts 0, 2, 4 are left, 1, 3, 5 right; host k has port 2 k + 3.
        a, b = chance.choice([0, 2, 4]), chance.choice([1, 3, 5])
        there, back = [2 * a + 3, 0, 2 * b + 2], [2 * b + 3, 1, 2 * a + 2]
        if k % 3 == 2:
            there, back = back, there
        q = small.queue_pair(
            there,
            back,
            first=chance.choice([0, PSN_MODULUS - 3]),
            priority=chance.choice([0, 3]),
            ack_priority=chance.choice([0, 3, 6]),
            ack_every=chance.choice([1, 4]),
            window_bytes=chance.choice([3000, 30_000]),
            timeout_ps=chance.choice([2_000_000, 5_000_000]),
            retries=chance.choice([1, 7]),
            reth_bytes=16,
        )
        small.send(q, chance.randrange(1, 20_000), chance.choice([None, 2000]), at=1000 * k)
        after = (len(small.operations) - 1,)
        small.compute(chance.randrange(100_000), at=None, after_delivered=after)
    return small


def busier(seed: int) -> Small:
    """Let the hosts of a busy network do all that a sender and a receiver can."""
    chance = random.Random(-seed - 1)
    small = busy(seed)
    small.log_first = chance.choice([0, 3])
    for port in small.ports:
        port["notifies"] = chance.choice([0, 1])
    for p in range(0, len(small.ports), 2):
        ratios = [chance.choice([0, 1e-2, 1e-1, 1]) for _ in range(3)]
        series = [(300_000 * k, _log_survival(ratio)) for k, ratio in enumerate([*ratios, 0])]
        small.damage(p, PACKETS, *series[0][1:], tuple(series[1:]))
    for row in small.queue_pairs:
        row["reorder_packets"] = chance.choice([0, 1, 3, 100])
        row["nak_again_ps"] = chance.choice([0, 300_000])
        row["first_timeout_ps"] = chance.choice([0, 100_000, 600_000])
        row["restart_packets"] = chance.choice([0, 1, 4])
        row["round_trip_ps"] = chance.choice([0, 500_000])
        row["line_port"] = chance.choice([NOWHERE, 0, 1])
        row["budget_retries"] = chance.choice([0, 0, 5])
        row["budget_ps"] = 3_000_000
        row["cnp_ps"] = chance.choice([0, 1, 60_000])
        control = chance.choice([NO_RATE, FIXED, DCQCN])
        if control != NO_RATE:
            row |= DCQCN_RATE | {"has_rate": 1, "rate_control": control}
            row["rate_bps"] = chance.choice([LINE_BPS, LINE_BPS // 7])
            row |= {"increase_ps": 100_000, "increase_bytes": 5000, "alpha_ps": 70_000}
    return small


def _log_survival(ratio: float) -> float:
    return math.log1p(-ratio) if ratio < 1 else -math.inf


def _fields(kind: np.dtype[Any], rows: list[Row]) -> list[Row]:
    """Return of each row what a type has a field for."""
    assert kind.names is not None
    return [{name: row[name] for name in row if name in kind.names} for row in rows]


def _table(kind: np.dtype[Any], rows: list[Row]) -> Any:
    """Make records of one type; fields that are not named are zero."""
    table = np.zeros(len(rows), dtype=kind)
    for record, row in zip(table, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    return table
