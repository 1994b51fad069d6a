"""Compare a finished run of the kernels with the twin, and check what must always hold.

Only what docs/protocol.md gives an exact meaning is compared. Left out: lists, flags of
pending events, time bins, and `status` beyond whether it is DONE. A lane's `paused_ps` is
compared with the pause that is still open counted to `pause_until_ps`, so it does not
matter when a pause that ran out by itself was closed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from wanrdma.kernels.tables import (
    CNP,
    DAMAGED,
    DATA,
    DCQCN,
    DONE,
    LOG_ENTITIES,
    NEVER_PS,
    NOTICE,
    NOWHERE,
    PFC,
    PRIORITIES,
    SEND,
    Tables,
)

from .records import Row, Stall, Twin, packets_of

Lossless = Callable[[int], bool] | Iterable[int]

CONSERVED = {DATA: "data", CNP: "CNP"}

MOST_SENTENCES = 20
MOST_ROWS = 3  # probe rows told of in one sentence

ERRORS_FIELDS = ("gap", "draws", "is_bad", "until_ps", "change")
PORT_FIELDS = (
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
)
LANE_FIELDS = (
    "queued_bytes",
    "pause_until_ps",
    "ingress_bytes",
    "max_ingress_bytes",
    "episode_drop_bytes",
    "missing_bytes",
    "rx_pause",
    "pauses",
    "resumes",
    "tx_pause",
    "drops_congestion",
    "ecn_marked",
)
QUEUE_PAIR_FIELDS = (
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


@dataclass
class State:
    """The final state of either side, as records with the same names."""

    ports: list[Any]
    errors: list[Any]
    lanes: list[Any]
    queue_pairs: list[Any]
    rates: list[Any]
    operations: list[Any]
    flows: list[Any]
    probes: list[Row]
    log: list[tuple[int, int, int, int]]
    stalls: list[Stall]
    clock_ps: int
    packet_hops: int
    operations_left: int


def state_of(run: Twin | Tables, site: Any = None) -> State:
    """Look at a twin or at the tables of a kernel in one way; `site` is each port's."""
    if isinstance(run, Twin):
        site = [0] * len(run.ports) if site is None else site
        return State(
            run.ports,
            run.errors,
            run.lanes,
            run.queue_pairs,
            run.rates,
            run.operations,
            run.flows,
            sorted(run.probes, key=lambda row: site[row.port]),
            sorted(run.log, key=lambda row: (row[0], site[_port_of(run, row)])),
            sorted(run.stalls, key=lambda row: (row.time_ps, site[_sender_of(run, row)])),
            run.clock_ps,
            run.packet_hops,
            run.operations_left,
        )
    rows = run.probe_rows()
    columns = [rows[name].tolist() for name in Row._fields]
    return State(
        _records(run.ports),
        _records(run.errors),
        _records(run.lanes),
        [
            SimpleNamespace(**vars(sends) | vars(receives))
            for sends, receives in zip(
                _records(run.requesters), _records(run.responders), strict=True
            )
        ],
        _records(run.rates),
        _records(run.operations),
        _records(run.flows),
        [Row(*values) for values in zip(*columns, strict=True)],
        run.log_rows().tolist(),
        [Stall(*row) for row in run.stall_rows().tolist()],
        int(run.run["clock_ps"].max()),
        run.packet_hops(),
        run.total("operations_left"),
    )


def _port_of(twin: Twin, row: tuple[int, int, int, int]) -> int:
    """Return the port that a row of the log is of; a queue pair's is its sender's."""
    _, kind, entity, _ = row
    if LOG_ENTITIES[kind] == "queue_pair":
        return twin.queue_pairs[entity].sender_port
    return entity // PRIORITIES if LOG_ENTITIES[kind] == "lane" else entity


def _sender_of(twin: Twin, row: Stall) -> int:
    return twin.queue_pairs[row.queue_pair].sender_port


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
    for p, (ours, theirs) in _pairs(kernel.errors, plain.errors):
        yield from _compare(f"errors of port {p}", ours, theirs, ERRORS_FIELDS)
    for n, (ours, theirs) in _pairs(kernel.lanes, plain.lanes):
        what = f"lane {n} (port {n // PRIORITIES}, priority {n % PRIORITIES})"
        yield from _compare(what, ours, theirs, LANE_FIELDS)
        if _paused_ps(ours) != _paused_ps(theirs):
            yield _sentence(what, "paused_ps", _paused_ps(ours), _paused_ps(theirs))
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


def invariants(run: Twin | Tables, lossless: Lossless = ()) -> list[str]:
    """Tell what is broken of what must hold at the end of any run; nothing if nothing is.

    `lossless` names the lanes whose buffers hold what a paused peer may still send.
    """
    state = state_of(run)
    found = list(_sequence_faults(state))
    found += _loss_faults(state)
    found += _stall_faults(state)
    found += _rate_faults(state)
    found += _delivery_faults(state)
    found += _buffer_faults(state, lossless)
    if state.probes:
        found += _conservation_faults(state)
    return found


def _sequence_faults(state: State) -> Iterator[str]:
    for q, pair in enumerate(state.queue_pairs):
        order = [
            ("oldest", "next"),
            ("next", "newest"),
            ("newest", "posted"),
            ("oldest", "expected"),
            ("expected", "newest"),
        ]
        if pair.reorder_packets:
            order += [
                ("oldest", "resend_next"),
                ("resend_next", "resend_end"),
                ("resend_end", "newest"),
                ("newest", "next"),
            ]
        for lower, upper in order:
            low, high = getattr(pair, lower), getattr(pair, upper)
            if low > high:
                yield f"queue pair {q}: {lower} {low} is above {upper} {high}"
        if pair.packet_seq_err > pair.rx_naks:
            yield f"queue pair {q}: acted on more NAKs than arrived"
        if pair.rx_acks > pair.acks_sent or pair.rx_naks > pair.naks_sent:
            yield f"queue pair {q}: more ACKs or NAKs arrived than were sent"
        if pair.rp_cnp_handled > pair.np_cnp_sent:
            yield f"queue pair {q}: more CNPs arrived than were sent"
        if pair.np_cnp_sent > pair.np_ecn_marked_roce_packets:
            yield f"queue pair {q}: more CNPs sent than marked packets arrived"


def _loss_faults(state: State) -> Iterator[str]:
    """Tell of what is held, repeated or restarted beyond its limits."""
    for q, pair in enumerate(state.queue_pairs):
        if not 0 <= pair.held_packets < max(1, pair.reorder_packets):
            yield f"queue pair {q}: holds {pair.held_packets} of {pair.reorder_packets} packets"
        if pair.held_packets > max(0, pair.newest - pair.expected - 1):
            yield f"queue pair {q}: holds {pair.held_packets} packets, of fewer that were sent"
        if pair.allowed_packets < 0 or (pair.allowed_packets and not pair.restart_packets):
            yield f"queue pair {q}: {pair.allowed_packets} packets allowed"
        if pair.kept_rate > pair.packet_seq_err + pair.local_ack_timeout_err:
            yield f"queue pair {q}: kept its rate at more losses than it heard of"
        if pair.budget_retries and pair.period_retries > pair.budget_retries + pair.in_error:
            yield f"queue pair {q}: {pair.period_retries} retries are above its budget"


def _stall_faults(state: State) -> Iterator[str]:
    rows = Counter(row.queue_pair for row in state.stalls)
    lasted: Counter[int] = Counter()
    for row in state.stalls:
        lasted[row.queue_pair] += row.time_ps - row.began_ps
        if not row.began_ps <= row.noticed_ps <= row.time_ps:
            yield f"queue pair {row.queue_pair}: a stall in no order of time: {row}"
        if row.ended_ps not in (row.time_ps, NOWHERE):
            yield f"queue pair {row.queue_pair}: a stall of two ends: {row}"
        if not (row.naks, row.timeouts)[row.by]:
            yield f"queue pair {row.queue_pair}: a stall that nothing told of: {row}"
    for q, pair in enumerate(state.queue_pairs):
        if rows[q] > pair.stalls or lasted[q] > pair.stalled_ps:
            yield f"queue pair {q}: rows of more stalls than it counted"
        if rows[q] == pair.stalls and lasted[q] != pair.stalled_ps:
            yield f"queue pair {q}: stood still for {pair.stalled_ps} ps, {lasted[q]} in rows"
        if pair.lost_by_nak > pair.packet_seq_err:
            yield f"queue pair {q}: more losses by NAK than NAKs acted on"
        if pair.is_stalled and (pair.in_error or pair.oldest == pair.newest):
            yield f"queue pair {q}: a stall is open and nothing to wait for"


def _rate_faults(state: State) -> Iterator[str]:
    for q, pair in enumerate(state.queue_pairs):
        rate = state.rates[q]
        if not pair.has_rate:
            continue
        if rate.next_send_ps < 0 or rate.rate_bps <= 0:
            yield f"queue pair {q}: no rate, or no time to send at"
        if rate.rate_control != DCQCN:
            continue
        if not rate.least_bps <= rate.rate_bps <= rate.target_bps <= rate.line_bps:
            yield f"queue pair {q}: {rate.rate_bps} bit/s to {rate.target_bps}"
        if not 0 <= rate.alpha <= 1:
            yield f"queue pair {q}: alpha is {rate.alpha}"
        if not 0 <= rate.sent_bytes < rate.increase_bytes:
            yield f"queue pair {q}: {rate.sent_bytes} B sent in a step"


def _delivery_faults(state: State) -> Iterator[str]:
    """Each byte once and in order: flows hold what the accepted packets carried."""
    accepted: dict[int, int] = defaultdict(int)
    for o, operation in enumerate(state.operations):
        if operation.kind != SEND or operation.first_packet == NOWHERE:
            continue
        pair = state.queue_pairs[operation.queue_pair]
        packets = list(packets_of(operation, pair.mtu_bytes, 0, o))
        if sum(packet.payload_bytes for packet in packets) != operation.bytes:
            yield f"operation {o}: its packets do not add up to its bytes"
        arrived = packets[: max(0, pair.expected - operation.first_packet)]
        accepted[operation.flow] += sum(packet.payload_bytes for packet in arrived)
        messages = sum(packet.is_last for packet in arrived)
        if operation.messages_delivered != messages:
            yield (
                f"operation {o}: {operation.messages_delivered} messages delivered,"
                f" {messages} of them whole"
            )
        if (operation.delivered_ps != NOWHERE) != (messages == operation.messages):
            yield f"operation {o}: delivered at {operation.delivered_ps} ps with {messages}"
    for f, flow in enumerate(state.flows):
        if flow.delivered_bytes != accepted[f]:
            yield f"flow {f}: {flow.delivered_bytes} B delivered, {accepted[f]} B accepted"


def _buffer_faults(state: State, lossless: Lossless) -> Iterator[str]:
    is_lossless = lossless if callable(lossless) else set(lossless).__contains__
    for n, lane in enumerate(state.lanes):
        if lane.queued_bytes < 0 or lane.ingress_bytes < 0:
            yield f"lane {n}: stores {lane.queued_bytes} B, {lane.ingress_bytes} B"
        if lane.ingress_limit_bytes and lane.max_ingress_bytes > lane.ingress_limit_bytes:
            yield f"lane {n}: held {lane.max_ingress_bytes} B, above its limit"
        # Its drops may be others': of what came by a lossy lane and was to leave by this one.
        if lane.missing_bytes and is_lossless(n):
            yield f"lane {n}: lacked {lane.missing_bytes} B though lossless"
    for p, port in enumerate(state.ports):
        lanes = state.lanes[PRIORITIES * p : PRIORITIES * (p + 1)]
        if port.queued_bytes != sum(lane.queued_bytes for lane in lanes):
            yield f"port {p}: its queued bytes are not those of its lanes"
    stored = sum(
        lane.queued_bytes
        for n, lane in enumerate(state.lanes)
        if not state.ports[n // PRIORITIES].is_host
    )
    if stored != sum(lane.ingress_bytes for lane in state.lanes):
        yield "what is stored as egress is not what is stored as ingress"


def _conservation_faults(state: State) -> Iterator[str]:
    """Sent = delivered + damaged + dropped + on its way, from rows and from counters."""
    sent, delivered, damaged, flying = (Counter[tuple[int, str]]() for _ in range(4))
    on_link = Counter[tuple[int, int, int, int]]()
    for row in state.probes:
        whose = (row.queue_pair, CONSERVED.get(row.kind, "ACK or NAK"))
        step = -1 if row.is_arrival else 1
        left = state.ports[row.port].peer if row.is_arrival else row.port
        on_link[left, row.kind, row.queue_pair, row.psn] += step
        if row.kind in (PFC, NOTICE):
            continue
        flying[whose] += step
        pair = state.queue_pairs[row.queue_pair]
        ends = (pair.sender_port, pair.receiver_port)
        first, last = ends if row.kind == DATA else ends[::-1]
        if not row.is_arrival:
            sent[whose] += row.port == first
        elif row.flags & DAMAGED:
            damaged[whose] += 1
        else:
            delivered[whose] += row.port == last
    for (port, *_), count in on_link.items():
        if count < 0:
            yield f"port {port}: frames come from it that never left it"
    missing = 0
    for q, pair in enumerate(state.queue_pairs):
        for kind, arrivals in (
            ("data", pair.rx_packets),
            ("ACK or NAK", pair.rx_acks + pair.rx_naks),
            ("CNP", pair.rp_cnp_handled),
        ):
            whose = (q, kind)
            gone = delivered[whose] + damaged[whose] + flying[whose]
            rest = sent[whose] - gone  # dropped or stored
            if rest < 0:
                yield f"queue pair {q}: {-rest} {kind} packets more came than were sent"
            if delivered[whose] != arrivals:
                yield f"queue pair {q}: {arrivals} {kind} packets came, {delivered[whose]} rows"
            missing += rest
        if sent[q, "data"] != pair.tx_packets:
            yield f"queue pair {q}: {pair.tx_packets} packets sent, {sent[q, 'data']} rows"
    drops = sum(lane.drops_congestion for lane in state.lanes)
    stored = sum(lane.ingress_bytes for lane in state.lanes)
    if missing < drops or (stored == 0 and missing != drops):
        yield f"{missing} packets are missing, {drops} were dropped, {stored} B are stored"


def _records(table: Any) -> list[SimpleNamespace]:
    """Take records as Python numbers."""
    names = table.dtype.names
    return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in table.tolist()]
