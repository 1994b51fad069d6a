"""A plain emulator of docs/protocol.md: a heap of events, and a method a paragraph."""

from wanrdma.kernels.tables import (
    ACK,
    ACK_REQUESTED,
    BY_NAK,
    BY_TIMEOUT,
    CNP,
    COMPUTE,
    DATA,
    DCQCN,
    DONE,
    ECN_MARKED,
    GO_BACK,
    LAST_OF_MESSAGE,
    MAX_OUTSTANDING_PACKETS,
    NAK,
    NEVER_PS,
    NOWHERE,
    PSN_MODULUS,
    QP_ERROR,
    READY,
    RUNNING,
    TIMEOUT,
    Tables,
)

from . import rate, stalls
from .compare import differences
from .events import IDLE, Phase
from .invariants import invariants
from .network import Drop, Network
from .reading import read
from .records import Flow, Lane, Operation, Packet, QueuePair, Twin, lane_of, packets_of

__all__ = ["Twin", "differences", "emulate", "invariants"]

MOST_DOUBLINGS = 31  # of the ACK timer


def emulate(tables: Tables, stop_ps: int | None = None, drop: Drop | None = None) -> Twin:
    """Run the tables to their end, or to the stop time, and leave them as they are.

    `drop(port, k)` may damage a frame besides the bit errors: k = 0, 1, ... counts the
    frames that this port sent, PFC and notices included.
    """
    return Emulator(read(tables), drop).run(stop_ps)


class Emulator(Network):
    """The hosts of one run: queue pairs, operations, flows."""

    def __init__(self, twin: Twin, drop: Drop | None = None):
        super().__init__(twin, drop)
        for time, o in twin.agenda:
            self.at(time, Phase.OPERATION, o, self.agenda, o)

    def next_of_host(self, lane: Lane) -> Packet | None:
        while lane.ready:
            q = lane.ready.pop(0)
            if self.is_ready(q):
                packet = self.next_data_packet(q)
                self.check_ready(q)
                return packet
        return None

    def deliver(self, packet: Packet) -> None:
        handle = {
            DATA: self.receive,
            ACK: self.ack_arrived,
            NAK: self.nak_arrived,
            CNP: self.cnp_arrived,
        }
        handle[packet.kind](packet)

    # Queue pairs: the sender sends

    def is_ready(self, q: int) -> bool:
        pair = self.queue_pairs[q]
        if pair.in_error:
            return False
        if self.to_send_again(pair) is not None:
            return True
        if pair.next >= pair.posted:
            return False
        packet = pair.planned(pair.next)
        if self.operations[packet.operation].credits <= packet.message:
            return False
        return self.fits_window(pair)

    def to_send_again(self, pair: QueuePair) -> int | None:
        """Find the first packet that selective repeat is to send again."""
        if not pair.reorder_packets:
            return None
        missing = (n for n in range(pair.resend_next, pair.resend_end) if n not in pair.received)
        return next(missing, None)

    def fits_window(self, pair: QueuePair) -> bool:
        """Tell whether packet `next` fits in the window beside what is outstanding."""
        packet = pair.planned(pair.next)
        window = packet.bytes_before + packet.payload_bytes
        if pair.oldest < pair.next:
            window -= pair.planned(pair.oldest).bytes_before
        else:
            window -= packet.bytes_before
        if window > pair.window_bytes:
            return False
        outstanding = pair.next - pair.oldest
        if pair.allowed_packets and outstanding >= pair.allowed_packets:
            return False
        if pair.reorder_packets and outstanding >= pair.reorder_packets:
            return False
        return outstanding < MAX_OUTSTANDING_PACKETS

    def check_ready(self, q: int) -> None:
        """Let a queue pair that can send join the list of its host lane, now or in its time."""
        pair = self.queue_pairs[q]
        lane = self.lanes[lane_of(pair.sender_port, pair.priority)]
        if not self.is_ready(q) or q in lane.ready:
            return
        due_ps = self.twin.rates[q].next_send_ps
        if not pair.has_rate or due_ps <= self.now:
            lane.ready.append(q)
            self.ask_to_serve(pair.sender_port)
        elif not pair.pace_pending:
            pair.pace_pending = True
            self.at(due_ps, Phase.PACE, q, self.pace, q)

    def pace(self, q: int) -> bool:
        self.queue_pairs[q].pace_pending = False
        self.check_ready(q)
        return IDLE

    def next_data_packet(self, q: int) -> Packet:
        """Make the next packet of a queue pair, whose service starts now."""
        pair = self.queue_pairs[q]
        again = self.to_send_again(pair)
        number = pair.next if again is None else again
        planned = pair.planned(number)
        size = planned.payload_bytes + pair.overhead_bytes
        if planned.is_first:
            size += pair.reth_bytes
        if pair.oldest == pair.newest:
            departure = self.now + size * self.ports[pair.sender_port].ps_per_byte
            self.restart_timer(q, departure)
            pair.moved_ps = self.now
        packet = Packet(
            DATA,
            size,
            pair.priority,
            q,
            number % PSN_MODULUS,
            payload_bytes=planned.payload_bytes,
            flags=LAST_OF_MESSAGE if planned.is_last else 0,
            at=pair.data_path,
        )
        pair.tx_packets += 1
        if number < pair.newest:
            pair.retransmitted_packets += 1
        if again is None:
            pair.next += 1
            pair.newest = max(pair.newest, pair.next)
        else:
            pair.resend_next = again + 1
        if again is not None or planned.is_last or not self.fits_window(pair):
            packet.flags |= ACK_REQUESTED
        if pair.has_rate:
            rate.data_starts(self.twin.rates[q], size, self.now)
        flow = self.flow_of(planned.operation)
        if flow is not None and flow.first_bit_ps == NOWHERE:
            flow.first_bit_ps = self.now
        return packet

    def restart_timer(self, q: int, start: int) -> None:
        """Set the ACK timer to run from this time, where there is one."""
        pair = self.queue_pairs[q]
        if not pair.timeout_ps:
            return
        pair.deadline_ps = start + self.wait_ps(pair)
        self.at(pair.deadline_ps, Phase.TIMER, q, self.timer, q)

    def wait_ps(self, pair: QueuePair) -> int:
        """Say how long the ACK timer runs that starts now."""
        if not pair.first_timeout_ps:
            return pair.timeout_ps
        doublings = min(pair.timeouts_in_a_row, MOST_DOUBLINGS)
        return min(pair.timeout_ps, pair.first_timeout_ps << doublings)

    # Queue pairs: the sender hears

    def ack_arrived(self, packet: Packet) -> None:
        """Handle an ACK at the sender."""
        q = packet.queue_pair
        pair = self.queue_pairs[q]
        pair.rx_acks += 1
        if pair.in_error:
            return
        a = (packet.psn + 1 - pair.oldest) % PSN_MODULUS
        if 0 < a <= pair.newest - pair.oldest:
            self.progress(q, pair.oldest + a)
        self.check_ready(q)

    def nak_arrived(self, packet: Packet) -> None:
        """Handle a NAK at the sender."""
        q = packet.queue_pair
        pair = self.queue_pairs[q]
        pair.rx_naks += 1
        if pair.in_error:
            return
        a = (packet.psn - pair.oldest) % PSN_MODULUS
        if a < pair.newest - pair.oldest:
            if pair.reorder_packets:
                self.repeat_selectively(q, pair.oldest + a, packet.about)
            else:
                self.act_on_nak(q, pair.oldest + a)
        self.check_ready(q)

    def act_on_nak(self, q: int, n: int) -> None:
        """Go back to packet n."""
        pair = self.queue_pairs[q]
        pair.packet_seq_err += 1
        self.note(pair.packet_seq_err, GO_BACK, q, n)
        is_progress = n > pair.oldest
        if is_progress:
            self.progress(q, n)
        pair.lost_by_nak += stalls.learn(pair, self.now, BY_NAK)
        self.spend_budget(q)
        if not is_progress and not pair.nak_again_ps:
            self.spend_retry(q)
        self.go_back(q)

    def repeat_selectively(self, q: int, n: int, about: int) -> None:
        """Learn that all below n have come, and with PSN `about` a later one."""
        pair = self.queue_pairs[q]
        if n > pair.oldest:
            self.progress(q, n)
        b = (about - pair.oldest) % PSN_MODULUS
        if b >= pair.newest - pair.oldest:
            return
        end = pair.oldest + b
        pair.received.add(end)
        sent = range(pair.resend_end, end)
        lost = [number for number in sent if number not in pair.received]
        if lost:
            pair.packet_seq_err += 1
            self.note(pair.packet_seq_err, GO_BACK, q, lost[0])
            stalls.learn(pair, self.now, BY_NAK)
            pair.lost_by_nak += 1
            self.spend_budget(q)
            self.restart_slowly(q)
        if not pair.in_error:
            pair.resend_end = max(pair.resend_end, end)

    def cnp_arrived(self, packet: Packet) -> None:
        """Handle a CNP at the sender."""
        q = packet.queue_pair
        pair = self.queue_pairs[q]
        pair.rp_cnp_handled += 1
        if not pair.in_error and pair.has_rate and self.twin.rates[q].rate_control == DCQCN:
            rate.cnp_comes(self.twin.rates[q], self.now)

    def progress(self, q: int, n: int) -> None:
        """All packets below n are acknowledged."""
        pair = self.queue_pairs[q]
        if pair.allowed_packets:
            pair.allowed_packets += n - pair.oldest
            if pair.allowed_packets * pair.mtu_bytes >= pair.window_bytes:
                pair.allowed_packets = 0
        self.end_stall(q)
        pair.oldest = n
        pair.next = max(pair.next, n)
        if pair.reorder_packets:
            pair.resend_next = max(pair.resend_next, n)
            pair.resend_end = max(pair.resend_end, n)
            pair.received = {number for number in pair.received if number >= n}
        pair.retries_used = pair.timeouts_in_a_row = 0
        pair.moved_ps = self.now
        if pair.oldest == pair.newest:
            pair.deadline_ps = NEVER_PS
        else:
            self.restart_timer(q, self.now)
        while pair.unsent:
            operation = self.operations[pair.unsent[0]]
            if operation.first_packet + operation.packets > pair.oldest:
                break
            self.sent(pair.unsent.popleft())

    # Queue pairs: the sender waits in vain

    def timer(self, q: int) -> None:
        pair = self.queue_pairs[q]
        is_first = pair.timeouts_in_a_row == 0
        is_short = self.wait_ps(pair) < pair.timeout_ps
        pair.local_ack_timeout_err += 1
        pair.timeouts_in_a_row += 1
        self.note(pair.local_ack_timeout_err, TIMEOUT, q, pair.oldest)
        stalls.learn(pair, self.now, BY_TIMEOUT)
        self.spend_budget(q)
        if is_first or not is_short:
            self.spend_retry(q)
        self.go_back(q)
        self.check_ready(q)

    def spend_budget(self, q: int) -> None:
        """Count a NAK or an expiry in its period, where these are limited."""
        pair = self.queue_pairs[q]
        if not pair.budget_retries:
            return
        if self.now >= pair.period_end_ps:
            pair.period_retries = 0
            pair.period_end_ps = self.now + pair.budget_ps
        pair.period_retries += 1
        if pair.period_retries > pair.budget_retries:
            self.fail(q)

    def spend_retry(self, q: int) -> None:
        pair = self.queue_pairs[q]
        if pair.in_error:
            return
        pair.retries_used += 1
        if pair.retries_used > pair.retries:
            self.fail(q)

    def fail(self, q: int) -> None:
        """Put a queue pair into error."""
        pair = self.queue_pairs[q]
        pair.in_error = 1
        pair.req_transport_retries_exceeded += 1
        pair.error_ps = self.now
        pair.deadline_ps = NEVER_PS
        self.note(pair.req_transport_retries_exceeded, QP_ERROR, q, pair.oldest)
        self.end_stall(q)

    def go_back(self, q: int) -> None:
        """Send again what is outstanding: all of it, or with selective repeat what is missing."""
        pair = self.queue_pairs[q]
        if pair.in_error:
            return
        if pair.reorder_packets:
            pair.resend_next, pair.resend_end = pair.oldest, pair.newest
        else:
            pair.next = pair.oldest
        self.restart_slowly(q)
        self.restart_timer(q, self.now)

    def restart_slowly(self, q: int) -> None:
        """Allow little outstanding after a loss, unless the line has told of damage."""
        pair = self.queue_pairs[q]
        if pair.in_error or not pair.restart_packets:
            return
        if pair.line_port != NOWHERE:
            told_ps = self.ports[pair.line_port].error_told_ps
            if told_ps != NOWHERE and told_ps + pair.round_trip_ps >= pair.moved_ps:
                pair.kept_rate += 1
                return
        pair.allowed_packets = pair.restart_packets

    def end_stall(self, q: int) -> None:
        row = stalls.end(self.queue_pairs[q], q, self.now, self.twin.log_first)
        if row is not None:
            self.twin.stalls.append(row)

    # Queue pairs: the receiver

    def receive(self, packet: Packet) -> None:
        """Handle data at the receiver."""
        q = packet.queue_pair
        pair = self.queue_pairs[q]
        if packet.flags & ECN_MARKED:
            self.tell_of_mark(q)
            pair.np_ecn_marked_roce_packets += 1
        pair.rx_packets += 1
        d = (packet.psn - pair.expected) % PSN_MODULUS
        if d >= PSN_MODULUS // 2:
            d -= PSN_MODULUS
        if d == 0:
            self.take_in_order(q, packet)
        elif d < 0:
            pair.duplicate_request += 1
            self.acknowledge(q)
        elif pair.reorder_packets:
            if pair.expected + d in pair.held:
                pair.duplicate_request += 1
            else:
                pair.out_of_sequence += 1
                pair.held[pair.expected + d] = packet
            self.send_nak(q, packet.psn)
        else:
            pair.out_of_sequence += 1
            is_due = pair.nak_again_ps and self.now - pair.last_nak_ps >= pair.nak_again_ps
            if is_due or not pair.nak_sent:
                self.send_nak(q, pair.expected % PSN_MODULUS)

    def tell_of_mark(self, q: int) -> None:
        """Send a CNP if it is time for one."""
        pair = self.queue_pairs[q]
        if not pair.cnp_ps:
            return
        if pair.last_cnp_ps is None or self.now - pair.last_cnp_ps >= pair.cnp_ps:
            pair.last_cnp_ps = self.now
            pair.np_cnp_sent += 1
            self.send_back(q, Packet(CNP, pair.cnp_bytes, pair.cnp_priority, q))

    def take_in_order(self, q: int, packet: Packet) -> None:
        """Accept the expected packet and what was held behind it, then acknowledge."""
        pair = self.queue_pairs[q]
        is_asked = bool(packet.flags & ACK_REQUESTED) or bool(pair.held)
        self.accept(q, packet)
        while pair.expected in pair.held:
            packet = pair.held.pop(pair.expected)
            is_asked = is_asked or bool(packet.flags & ACK_REQUESTED)
            self.accept(q, packet)
        if is_asked or pair.unacknowledged >= pair.ack_every:
            self.acknowledge(q)

    def accept(self, q: int, packet: Packet) -> None:
        pair = self.queue_pairs[q]
        planned = pair.planned(pair.expected)
        pair.expected += 1
        pair.nak_sent = 0
        pair.unacknowledged += 1
        flow = self.flow_of(planned.operation)
        if flow is not None:
            flow.delivered_bytes += packet.payload_bytes
            if flow.first_delivery_ps == NOWHERE:
                flow.first_delivery_ps = self.now
                flow.first_delivery_bytes = packet.payload_bytes
            flow.last_delivery_ps = self.now
        if packet.flags & LAST_OF_MESSAGE:
            self.message_delivered(planned.operation)

    def acknowledge(self, q: int) -> None:
        """Send an ACK."""
        pair = self.queue_pairs[q]
        pair.unacknowledged = 0
        pair.acks_sent += 1
        psn = (pair.expected - 1) % PSN_MODULUS
        self.send_back(q, Packet(ACK, pair.ack_bytes, pair.ack_priority, q, psn))

    def send_nak(self, q: int, about: int) -> None:
        """Send a NAK, about the PSN that came."""
        pair = self.queue_pairs[q]
        pair.unacknowledged = 0
        pair.nak_sent = 1
        pair.last_nak_ps = self.now
        pair.naks_sent += 1
        psn = pair.expected % PSN_MODULUS
        self.send_back(q, Packet(NAK, pair.ack_bytes, pair.ack_priority, q, psn, about))

    def send_back(self, q: int, packet: Packet) -> None:
        """Send an ACK, a NAK or a CNP by the path of the ACKs."""
        pair = self.queue_pairs[q]
        packet.at = pair.ack_path
        packet.is_stored = True
        self.join(pair.receiver_port, packet)
        self.ask_to_serve(pair.receiver_port)

    # Operations

    def agenda(self, o: int) -> None:
        """Handle the start time of an operation."""
        operation = self.operations[o]
        operation.waits -= 1
        if operation.waits == 0:
            self.begin(o)

    def tell(self, o: int) -> None:
        """One operation that this one depends on has come so far."""
        operation = self.operations[o]
        operation.waits -= 1
        if operation.waits == 0:
            operation.status = READY
            self.at(self.now, Phase.OPERATION, o, self.begin, o)

    def begin(self, o: int) -> None:
        """Start a computation, or post a send."""
        operation = self.operations[o]
        operation.status = RUNNING
        operation.start_ps = self.now
        if operation.kind == COMPUTE:
            self.at(self.now + operation.duration_ps, Phase.OPERATION, o, self.computed, o)
            return
        pair = self.queue_pairs[operation.queue_pair]
        if pair.in_error:
            return
        self.post(o, operation, pair)
        self.check_ready(operation.queue_pair)

    def post(self, o: int, operation: Operation, pair: QueuePair) -> None:
        operation.first_packet = pair.posted
        bytes_before = 0
        if pair.plan:
            bytes_before = pair.plan[-1].bytes_before + pair.plan[-1].payload_bytes
        packets = list(packets_of(operation, pair.mtu_bytes, bytes_before, o))
        pair.plan.extend(packets)
        operation.packets = len(packets)
        pair.unsent.append(o)

    def computed(self, o: int) -> None:
        self.sent(o)
        self.delivered(o)

    def message_delivered(self, o: int) -> None:
        """Count a message whose last packet was accepted; it feeds, it may be the last."""
        operation = self.operations[o]
        operation.messages_delivered += 1
        if operation.feeds != NOWHERE:
            fed = self.operations[operation.feeds]
            fed.credits += 1
            self.check_ready(fed.queue_pair)
        if operation.messages_delivered == operation.messages:
            self.delivered(o)

    def sent(self, o: int) -> None:
        operation = self.operations[o]
        operation.sent_ps = self.now
        self.finish(operation)
        for successor in operation.tells_sent:
            self.tell(successor)

    def delivered(self, o: int) -> None:
        operation = self.operations[o]
        operation.delivered_ps = self.now
        self.finish(operation)
        for successor in operation.tells_delivered:
            self.tell(successor)

    def finish(self, operation: Operation) -> None:
        if operation.sent_ps != NOWHERE and operation.delivered_ps != NOWHERE:
            operation.status = DONE
            self.twin.operations_left -= 1

    # Flows

    def flow_of(self, o: int) -> Flow | None:
        f = self.operations[o].flow
        return None if f == NOWHERE else self.twin.flows[f]
