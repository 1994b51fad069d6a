"""Read the tables of a run into the plain records of the twin."""

from typing import Any

from wanrdma.kernels.tables import Tables

from .records import (
    Change,
    Errors,
    Event,
    Flow,
    Lane,
    Operation,
    Pool,
    Port,
    QueuePair,
    Rate,
    Spell,
    Twin,
    Way,
)


def read(tables: Tables) -> Twin:
    """Copy the input of a run into Python numbers."""
    successors = tables.successors.tolist()
    return Twin(
        seed=int(tables.run[0]["seed"]),
        ports=[Port(**{name: row[name] for name in PORT_INPUT}) for row in _rows(tables.ports)],
        errors=[Errors(**row) for row in _rows(tables.errors)],
        error_changes=[Change(**row) for row in _rows(tables.error_changes)],
        spells=[Spell(**row) for row in _rows(tables.spells)],
        ways=[Way(**{name: row[name] for name in WAY_INPUT}) for row in _rows(tables.lines)],
        changes=[Event(**row) for row in _rows(tables.changes)],
        pools=[Pool(**row) for row in _rows(tables.pools)],
        lanes=[Lane(**{name: row[name] for name in LANE_INPUT}) for row in _rows(tables.lanes)],
        queue_pairs=[
            _queue_pair(sends | receives)
            for sends, receives in zip(
                _rows(tables.requesters), _rows(tables.responders), strict=True
            )
        ],
        rates=[_rate(row) for row in _rows(tables.rates)],
        operations=[_operation(row, successors) for row in _rows(tables.operations)],
        flows=[Flow() for _ in range(len(tables.flows))],
        paths=tables.paths.tolist(),
        log_first=int(tables.run[0]["log_first"]),
        agenda=sorted(
            pair
            for group in tables.groups
            for pair in zip(group.agenda_ps.tolist(), group.agenda_operation.tolist(), strict=True)
        ),
    )


LANE_INPUT = (
    "xoff_bytes",
    "xon_bytes",
    "ingress_limit_bytes",
    "queue_limit_bytes",
    "ecn_min_bytes",
    "ecn_max_bytes",
    "ecn_probability",
    "pool",
    "alpha",
    "headroom_limit_bytes",
)
WAY_INPUT = ("port", "delay_ps", "has_errors", "control")
PORT_INPUT = (
    "peer",
    "is_host",
    "ps_per_byte",
    "delay_ps",
    "pause_ps",
    "refresh_ps",
    "line",
    "stands_for",
    "way",
    "control",
    "has_errors",
    "notifies",
    "watch_ps",
    "restore_ps",
    "watch_drops",
    "error_told_ps",
)
QUEUE_PAIR_INPUT = (
    "sender_port",
    "receiver_port",
    "data_path",
    "ack_path",
    "priority",
    "ack_priority",
    "mtu_bytes",
    "overhead_bytes",
    "reth_bytes",
    "ack_bytes",
    "window_bytes",
    "ack_every",
    "timeout_ps",
    "retries",
    "nak_again_ps",
    "reorder_packets",
    "first_timeout_ps",
    "restart_packets",
    "round_trip_ps",
    "line_port",
    "budget_ps",
    "budget_retries",
    "cnp_bytes",
    "cnp_priority",
    "cnp_ps",
    "has_rate",
    "oldest",
    "next",
    "newest",
    "expected",
    "resend_next",
    "resend_end",
    "allowed_packets",
    "period_end_ps",
    "moved_ps",
)
OPERATION_INPUT = (
    "kind",
    "duration_ps",
    "queue_pair",
    "flow",
    "bytes",
    "message_bytes",
    "messages",
    "feeds",
    "waits",
    "credits",
)


def _rows(table: Any) -> list[dict[str, Any]]:
    """Take records as dictionaries of Python numbers."""
    return [dict(zip(table.dtype.names, row, strict=True)) for row in table.tolist()]


def _queue_pair(row: dict[str, Any]) -> QueuePair:
    """Give it the numbers it starts with: the first packet posted gets the number `newest`."""
    queue_pair = QueuePair(**{name: row[name] for name in QUEUE_PAIR_INPUT})
    queue_pair.first_number = queue_pair.newest
    return queue_pair


def _rate(row: dict[str, Any]) -> Rate:
    return Rate(**{name: row[name] for name in Rate.__dataclass_fields__})


def _operation(row: dict[str, Any], successors: list[int]) -> Operation:
    return Operation(
        **{name: row[name] for name in OPERATION_INPUT},
        tells_sent=successors[row["sent_first"] : row["delivered_first"]],
        tells_delivered=successors[row["delivered_first"] : row["successors_end"]],
    )
