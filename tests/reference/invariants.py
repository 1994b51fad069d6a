"""Check what must hold at the end of any run, of the kernels or of the twin."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from wanrdma.kernels.tables import (
    CNP,
    DAMAGED,
    DATA,
    DCQCN,
    HINT,
    LOST,
    NEVER_PS,
    NOTICE,
    NOWHERE,
    PFC,
    PRIORITIES,
    PSN_MODULUS,
    SEND,
    STORM_BEGINS,
    STORM_ENDS,
    SWITCH,
    Tables,
)

from .records import Row, Twin, packets_of
from .state import State, state_of

Lossless = Callable[[int], bool] | Iterable[int]

CONSERVED = {DATA: "data", CNP: "CNP"}
FORMULA_HOLDS = (HINT, STORM_BEGINS)  # scenario events that leave what buffers must hold


def invariants(run: Twin | Tables, lossless: Lossless = ()) -> list[str]:
    """Tell what is broken of what must hold at the end of any run; nothing if nothing is.

    `lossless` names the lanes whose buffers hold what a paused peer may still send. Of these
    nothing is asked that share a pool, or whose peers' lanes were in a storm, and of none where
    a scenario event changed what they must hold: a drop must then only have been answered.
    """
    state = state_of(run)
    found = list(_sequence_faults(state))
    found += _loss_faults(state)
    found += _stall_faults(state)
    found += _rate_faults(state)
    found += _delivery_faults(state)
    found += _buffer_faults(state)
    found += _drop_faults(state, lossless)
    found += _pool_faults(state)
    found += _watchdog_faults(state)
    if state.probes:
        found += _conservation_faults(state)
        found += _order_faults(state)
        found += _line_faults(state)
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


def _buffer_faults(state: State) -> Iterator[str]:
    for n, lane in enumerate(state.lanes):
        if lane.queued_bytes < 0 or lane.ingress_bytes < 0:
            yield f"lane {n}: stores {lane.queued_bytes} B, {lane.ingress_bytes} B"
        limit = lane.ingress_limit_bytes if lane.pool == NOWHERE else 0
        if limit and lane.max_ingress_bytes > limit:
            yield f"lane {n}: held {lane.max_ingress_bytes} B, above its limit"
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


def _drop_faults(state: State, lossless: Lossless) -> Iterator[str]:
    """Tell of drops for want of a buffer that none should lack, or that were not answered."""
    is_lossless = lossless if callable(lossless) else set(lossless).__contains__
    is_as_built = all(event.kind in FORMULA_HOLDS for event in state.changes)
    for n, lane in enumerate(state.lanes):
        # `drops_congestion` may be others': of what came by a lossy lane and was to leave here.
        if not lane.missing_bytes:
            continue
        p, c = divmod(n, PRIORITIES)
        port = state.ports[p]
        storms = state.lanes[PRIORITIES * port.peer + c].storms
        if is_lossless(n) and is_as_built and lane.pool == NOWHERE and not storms:
            yield f"lane {n}: lacked {lane.missing_bytes} B though lossless"
        if lane.ingress_limit_bytes == 0 or lane.drops_congestion == 0:
            yield f"lane {n}: lacked {lane.missing_bytes} B and dropped nothing"
        if lane.episode_drop_bytes > lane.missing_bytes:
            yield f"lane {n}: dropped more since a resume than ever"
        if port.tx_pause == 0 and not port.pause_requests >> c & 1:
            yield f"lane {n}: dropped and did not tell its peer to stop"


def _pool_faults(state: State) -> Iterator[str]:
    shared, headroom = Counter[int](), Counter[int]()
    for n, lane in enumerate(state.lanes):
        if lane.pool == NOWHERE:
            if lane.headroom_used_bytes:
                yield f"lane {n}: is in the headroom of no pool"
            continue
        shared[lane.pool] += lane.ingress_bytes - lane.headroom_used_bytes
        headroom[lane.pool] += lane.headroom_used_bytes
        limit = min(lane.ingress_bytes, lane.headroom_limit_bytes)
        if not 0 <= lane.headroom_used_bytes <= limit:
            yield f"lane {n}: has {lane.headroom_used_bytes} B in its headroom"
        p, c = divmod(n, PRIORITIES)
        ended = any(event.kind == STORM_ENDS for event in state.changes)
        if lane.headroom_used_bytes and not ended and not state.ports[p].pausing >> c & 1:
            yield f"lane {n}: is in its headroom and not pausing"
    for n, pool in enumerate(state.pools):
        if (pool.shared_used_bytes, pool.headroom_used_bytes) != (shared[n], headroom[n]):
            yield f"pool {n}: what it holds is not the sum of what its lanes do"
        if not pool.shared_used_bytes <= pool.max_shared_used_bytes <= pool.shared_bytes:
            yield f"pool {n}: its shared part holds too much"
        if not pool.headroom_used_bytes <= pool.max_headroom_used_bytes <= pool.headroom_bytes:
            yield f"pool {n}: its headroom holds too much"


def _watchdog_faults(state: State) -> Iterator[str]:
    for n, lane in enumerate(state.lanes):
        port = state.ports[n // PRIORITIES]
        if lane.storms and not port.watch_ps:
            yield f"lane {n}: storms that nobody watches"
        if lane.storms > lane.pauses or lane.is_storm > lane.storms:
            yield f"lane {n}: {lane.storms} storms of {lane.pauses} pauses"
        if lane.drops_watchdog and not (lane.storms and port.watch_drops):
            yield f"lane {n}: drops of no storm"
        if lane.is_storm and lane.paused_since_ps not in (NEVER_PS, NOWHERE):
            yield f"lane {n}: paused in a storm"


def _order_faults(state: State) -> Iterator[str]:
    """Tell where the packets that came to a receiver do not make what it accepted."""
    first: dict[int, int] = {}
    for operation in state.operations:
        if operation.kind == SEND and operation.first_packet != NOWHERE:
            number = min(operation.first_packet, first.get(operation.queue_pair, NEVER_PS))
            first[operation.queue_pair] = number
    expected, held = dict(first), defaultdict[int, set[int]](set)
    for row in state.probes:
        pair = state.queue_pairs[row.queue_pair] if row.kind == DATA else None
        if pair is None or not row.is_arrival or row.flags & (LOST | DAMAGED):
            continue
        q = row.queue_pair
        if row.port != pair.receiver_port:
            continue
        ahead = (row.psn - expected[q]) % PSN_MODULUS
        if ahead == 0:
            expected[q] += 1
            while expected[q] in held[q]:
                held[q].remove(expected[q])
                expected[q] += 1
        elif pair.reorder_packets and ahead < PSN_MODULUS // 2:
            held[q].add(expected[q] + ahead)
    for q, number in expected.items():
        pair = state.queue_pairs[q]
        if (pair.expected, pair.held_packets) != (number, len(held[q])):
            yield f"queue pair {q}: accepted up to {pair.expected}, in order came {number}"


def _line_faults(state: State) -> Iterator[str]:
    """Tell of losses that are not counted, and of frames that overtook others unasked."""
    may_overtake = {row.entity for row in state.changes if row.kind == SWITCH and row.other}
    lost, damaged = Counter[int](), Counter[int]()
    sent, came = defaultdict[int, list[Row]](list), defaultdict[int, list[Row]](list)
    for row in state.probes:
        if row.is_arrival:
            lost[row.port] += bool(row.flags & LOST)
            damaged[row.port] += bool(row.flags & DAMAGED)
        if row.kind not in (PFC, NOTICE) and not row.flags & LOST:
            left = state.ports[row.port].peer if row.is_arrival else row.port
            bare = row._replace(time_ps=0, port=left, is_arrival=0)
            (came if row.is_arrival else sent)[left].append(bare)
    for p, port in enumerate(state.ports):
        if (port.lost_on_line, port.rx_crc_errors) != (lost[p], damaged[p]):
            yield f"port {p}: {port.lost_on_line} lost, {port.rx_crc_errors} damaged; rows differ"
        if p not in may_overtake and came[p] != sent[p][: len(came[p])]:
            yield f"port {p}: frames overtook others"


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
        elif row.flags & (DAMAGED | LOST):
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
    # What a host drops of its own was never sent.
    drops += sum(
        lane.drops_watchdog
        for n, lane in enumerate(state.lanes)
        if not state.ports[n // PRIORITIES].is_host
    )
    stored = sum(lane.ingress_bytes for lane in state.lanes)
    if missing < drops or (stored == 0 and missing != drops):
        yield f"{missing} packets are missing, {drops} were dropped, {stored} B are stored"
