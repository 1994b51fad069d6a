"""Check what must hold at the end of any run, of the kernels or of the twin."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from wanrdma.kernels.tables import (
    CNP,
    DAMAGED,
    DATA,
    DCQCN,
    NOTICE,
    NOWHERE,
    PFC,
    PRIORITIES,
    SEND,
    Tables,
)

from .records import Twin, packets_of
from .state import State, state_of

Lossless = Callable[[int], bool] | Iterable[int]

CONSERVED = {DATA: "data", CNP: "CNP"}


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
