"""Compare a finished run of the kernels with the twin.

Only what docs/protocol.md gives an exact meaning is compared. Left out: lists, flags of
pending events, time bins, and `status` beyond whether it is DONE. A lane's `paused_ps` is
compared with the pause that is still open counted to `pause_until_ps`, so it does not
matter when a pause that ran out by itself was closed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from wanrdma.kernels.tables import DONE, NEVER_PS, NOWHERE, PRIORITIES, SEND, Tables

from .records import Row, Twin
from .state import State, state_of

MOST_SENTENCES = 20
MOST_ROWS = 3  # probe rows told of in one sentence

ERRORS_FIELDS = ("gap", "draws", "is_bad", "until_ps", "change", "spell")
PORT_FIELDS = (
    "is_stopped",
    "line",
    "way",
    "control",
    "has_errors",
    "delay_ps",
    "ps_per_byte",
    "last_control_ps",
    "pause_requests",
    "notice_requested",
    "error_told_ps",
    "pausing",
    "ecn_draws",
    "queued_bytes",
    "max_queued_bytes",
    "tx_packets",
    "tx_bytes",
    "tx_pause",
    "rx_pause",
    "rx_packets",
    "rx_crc_errors",
    "lost_pause",
    "lost_on_line",
)
LANE_FIELDS = (
    "queued_bytes",
    "pause_until_ps",
    "ingress_bytes",
    "max_ingress_bytes",
    "headroom_used_bytes",
    "episode_drop_bytes",
    "missing_bytes",
    "rx_pause",
    "pauses",
    "resumes",
    "tx_pause",
    "drops_congestion",
    "ecn_marked",
    "last_stop_ps",
    "is_storm",
    "storms",
    "drops_watchdog",
)
POOL_FIELDS = (
    "shared_used_bytes",
    "headroom_used_bytes",
    "max_shared_used_bytes",
    "max_headroom_used_bytes",
)
QUEUE_PAIR_FIELDS = (
    "window_bytes",
    "round_trip_ps",
    "oldest",
    "next",
    "newest",
    "posted",
    "deadline_ps",
    "retries_used",
    "in_error",
    "expected",
    "nak_sent",
    "unacknowledged",
    "tx_packets",
    "retransmitted_packets",
    "packet_seq_err",
    "local_ack_timeout_err",
    "req_transport_retries_exceeded",
    "rx_acks",
    "rx_naks",
    "rx_packets",
    "out_of_sequence",
    "duplicate_request",
    "naks_sent",
    "acks_sent",
    "np_ecn_marked_roce_packets",
    "allowed_packets",
    "timeouts_in_a_row",
    "kept_rate",
    "period_retries",
    "moved_ps",
    "is_stalled",
    "stalls",
    "stalled_ps",
    "lost_by_nak",
    "rp_cnp_handled",
    "held_packets",
    "np_cnp_sent",
)
OPEN_STALL_FIELDS = ("stall_by", "stall_packet", "stall_noticed_ps", "stall_naks", "stall_timeouts")
RATE_FIELDS = (
    "rate_bps",
    "target_bps",
    "alpha",
    "timer_steps",
    "byte_steps",
    "sent_bytes",
    "next_send_ps",
)
OPERATION_FIELDS = (
    "waits",
    "credits",
    "messages_delivered",
    "start_ps",
    "sent_ps",
    "delivered_ps",
)
FLOW_FIELDS = ("delivered_bytes", "first_bit_ps")
FIRST_DELIVERY_FIELDS = ("first_delivery_ps", "first_delivery_bytes", "last_delivery_ps")


def differences(tables: Tables, twin: Twin) -> list[str]:
    """Tell where a finished run of the kernels and the twin differ; nothing if nowhere."""
    site = tables.ports["site"]
    kernel, plain = state_of(tables, site), state_of(twin, site)
    found = list(_probe_differences(kernel.probes, plain.probes))
    found += _row_differences("log", kernel.log, plain.log)
    found += _row_differences("stalls", kernel.stalls, plain.stalls)
    found += _counter_differences(kernel, plain)
    if len(found) > MOST_SENTENCES:
        more = len(found) - MOST_SENTENCES
        found = [*found[:MOST_SENTENCES], f"and {more} differences more"]
    return found


def _probe_differences(kernel: list[Row], plain: list[Row]) -> Iterator[str]:
    if len(kernel) != len(plain):
        yield f"probes: the kernel has {len(kernel)} rows, the twin {len(plain)}"
    ours, theirs = Counter(kernel), Counter(plain)
    for name, rows in (("kernel", ours - theirs), ("twin", theirs - ours)):
        if rows:
            first = sorted(rows.elements())[:MOST_ROWS]
            told = "; ".join(_row_text(row) for row in first)
            yield f"probes: only the {name} has {rows.total()} rows, first {told}"
    if ours != theirs:
        return
    for k, (ours_k, theirs_k) in enumerate(zip(kernel, plain, strict=True)):
        if ours_k != theirs_k:
            yield (
                f"probes: same rows, other order from row {k} on: the kernel has"
                f" {_row_text(ours_k)}; the twin {_row_text(theirs_k)}"
            )
            return


def _row_text(row: Row) -> str:
    what = "arrival" if row.is_arrival else "departure"
    kind = ("data", "ACK", "NAK", "CNP", "PFC", "notice")[row.kind]
    return (
        f"{row.time_ps} ps {what} port {row.port} {kind} queue pair {row.queue_pair}"
        f" psn {row.psn} {row.size_bytes} B flags {row.flags}"
    )


def _row_differences(what: str, ours: list[Any], theirs: list[Any]) -> Iterator[str]:
    if len(ours) != len(theirs):
        yield f"{what}: {len(ours)} rows in the kernel, {len(theirs)} in the twin"
    for n, (kernel, twin) in _pairs(ours[: len(theirs)], theirs[: len(ours)]):
        if tuple(kernel) != tuple(twin):
            yield f"{what}: row {n} is {kernel} in the kernel, {twin} in the twin"
            return


def _counter_differences(kernel: State, plain: State) -> Iterator[str]:
    yield from _compare("run", kernel, plain, ("clock_ps", "packet_hops", "operations_left"))
    for p, (ours, theirs) in _pairs(kernel.ports, plain.ports):
        yield from _compare(f"port {p}", ours, theirs, PORT_FIELDS)
        if theirs.line != NOWHERE:
            yield from _compare(f"port {p}", ours, theirs, ("last_arrival_ps",))
    for p, (ours, theirs) in _pairs(kernel.errors, plain.errors):
        yield from _compare(f"errors of port {p}", ours, theirs, ERRORS_FIELDS)
    for n, (ours, theirs) in _pairs(kernel.lanes, plain.lanes):
        what = f"lane {n} (port {n // PRIORITIES}, priority {n % PRIORITIES})"
        yield from _compare(what, ours, theirs, LANE_FIELDS)
        if _paused_ps(ours) != _paused_ps(theirs):
            yield _sentence(what, "paused_ps", _paused_ps(ours), _paused_ps(theirs))
    for n, (ours, theirs) in _pairs(kernel.pools, plain.pools):
        yield from _compare(f"pool {n}", ours, theirs, POOL_FIELDS)
    for q, (ours, theirs) in _pairs(kernel.queue_pairs, plain.queue_pairs):
        what = f"queue pair {q}"
        yield from _compare(what, ours, theirs, QUEUE_PAIR_FIELDS)
        if theirs.in_error:
            yield from _compare(what, ours, theirs, ("error_ps",))
        if theirs.reorder_packets:
            yield from _compare(what, ours, theirs, ("resend_end",))
        if theirs.is_stalled:
            yield from _compare(what, ours, theirs, OPEN_STALL_FIELDS)
        if theirs.has_rate:
            yield from _compare(what, kernel.rates[q], plain.rates[q], RATE_FIELDS)
    for o, (ours, theirs) in _pairs(kernel.operations, plain.operations):
        what = f"operation {o}"
        yield from _compare(what, ours, theirs, OPERATION_FIELDS)
        if (ours.status == DONE) != (theirs.status == DONE):
            yield _sentence(what, "status", ours.status, theirs.status)
        if theirs.kind == SEND and theirs.start_ps != NOWHERE:
            yield from _compare(what, ours, theirs, ("first_packet", "packets"))
    for f, (ours, theirs) in _pairs(kernel.flows, plain.flows):
        yield from _compare(f"flow {f}", ours, theirs, FLOW_FIELDS)
        if theirs.delivered_bytes:
            yield from _compare(f"flow {f}", ours, theirs, FIRST_DELIVERY_FIELDS)


def _pairs(ours: list[Any], theirs: list[Any]) -> Iterator[tuple[int, tuple[Any, Any]]]:
    return enumerate(zip(ours, theirs, strict=True))


def _compare(what: str, ours: Any, theirs: Any, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        kernel, twin = getattr(ours, name), getattr(theirs, name)
        if kernel != twin:
            yield _sentence(what, name, kernel, twin)


def _sentence(what: str, name: str, kernel: float, twin: float) -> str:
    return f"{what}: {name} is {kernel} in the kernel, {twin} in the twin"


def _paused_ps(lane: Any) -> int:
    """Pauses of a lane, the open one to the time at which it runs out by itself."""
    paused: int = lane.paused_ps
    if lane.paused_since_ps not in (NEVER_PS, NOWHERE):
        paused += lane.pause_until_ps - lane.paused_since_ps
    return paused
