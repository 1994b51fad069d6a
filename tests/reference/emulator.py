"""A plain emulator of docs/protocol.md: a heap of events, and a method a paragraph."""

import heapq
import math
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum, auto
from typing import Any

from wanrdma.kernels.tables import (
    ACK,
    ACK_REQUESTED,
    BITS,
    CODEWORDS,
    COMPUTE,
    DAMAGED,
    DATA,
    DONE,
    DROP_CONGESTION,
    DROP_ERROR,
    ECN_MARKED,
    GILBERT_ELLIOTT,
    GO_BACK,
    LAST_OF_MESSAGE,
    MAX_OUTSTANDING_PACKETS,
    NAK,
    NEVER_PS,
    NOWHERE,
    PAUSE,
    PFC,
    PFC_FRAME_BYTES,
    PRIORITIES,
    PSN_MODULUS,
    QP_ERROR,
    READY,
    RESUME,
    RUNNING,
    TIMEOUT,
    Tables,
)

from . import streams
from .compare import differences, invariants
from .records import (
    Errors,
    Flow,
    Lane,
    Operation,
    Packet,
    QueuePair,
    Row,
    Twin,
    lane_of,
    packets_of,
    read,
)

__all__ = ["Twin", "differences", "emulate", "invariants"]

Drop = Callable[[int, int], bool]
Handler = Callable[..., bool | None]  # returns IDLE if its event changed nothing
IDLE = True


class Phase(IntEnum):
    """The order of events of one time."""

    PFC_ARRIVAL = auto()  # 1
    PACKET_ARRIVAL = auto()  # 2
    REFRESH = auto()  # 3a
    WAKE = auto()  # 3b
    TIMER = auto()  # 3c
    OPERATION = auto()  # 4
    SERVICE = auto()  # 5


def emulate(tables: Tables, stop_ps: int | None = None, drop: Drop | None = None) -> Twin:
    """Run the tables to their end, or to the stop time, and leave them as they are.

    `drop(port, k)` may damage a frame besides the bit errors: k = 0, 1, ... counts the
    frames that this port sent, PFC included.
    """
    return Emulator(read(tables), drop).run(stop_ps)


class Emulator:
    """The events of one run."""

    def __init__(self, twin: Twin, drop: Drop | None = None):
        self.twin = twin
        self.drop = drop
        self.now = 0
        self.ports, self.lanes = twin.ports, twin.lanes
        self.queue_pairs, self.operations = twin.queue_pairs, twin.operations
        self.heap: list[tuple[int, Phase, int, int, Callable[[], bool]]] = []
        self.events = 0
        for time, o in twin.agenda:
            self.at(time, Phase.OPERATION, o, self.agenda, o)

    def at(self, time: int, phase: Phase, entity: int, handle: Handler, *what: Any) -> None:
        """Put an event into the heap."""
        self.events += 1
        event = (time, phase, entity, self.events, lambda: handle(*what) is IDLE)
        heapq.heappush(self.heap, event)

    def run(self, stop_ps: int | None) -> Twin:
        """Handle events in the order (time, phase, entity)."""
        while self.heap and self.twin.operations_left:
            time, phase, entity, _, handle = self.heap[0]
            if self.is_void(time, phase, entity):
                heapq.heappop(self.heap)
                continue
            if stop_ps is not None and time > stop_ps:
                self.twin.clock_ps = stop_ps
                break
            heapq.heappop(self.heap)
            self.now = time
            is_idle = handle()
            if not is_idle:
                self.twin.clock_ps = time
        for lane in self.lanes:
            lane.close_pause(self.twin.clock_ps)
        return self.twin

    def is_void(self, time: int, phase: Phase, entity: int) -> bool:
        """Tell whether a timer or a refresh was set anew, or off, since."""
        if phase == Phase.REFRESH:
            return self.ports[entity].refresh_due_ps != time
        if phase == Phase.TIMER:
            return self.queue_pairs[entity].deadline_ps != time
        return False

    # Service of a port

    def ask_to_serve(self, p: int) -> None:
        """Give a port its service event at this time, unless it has one or is sending."""
        port = self.ports[p]
        if port.service_ps is None:
            port.service_ps = self.now
            self.at(self.now, Phase.SERVICE, p, self.serve, p)

    def serve(self, p: int) -> bool | None:
        port = self.ports[p]
        ended = port.sending
        if ended is not None:
            self.release(p, ended)
            port.sending = None
        frame = self.choose(p)
        if frame is not None:
            self.start(p, frame)
            return None
        port.service_ps = None  # idle
        ends = [
            lane.pause_until_ps
            for lane in self.lanes_of(p)
            if (lane.fifo or lane.ready) and self.now < lane.pause_until_ps
        ]
        if ends:
            self.at(min(ends), Phase.WAKE, p, self.wake, p)
        return IDLE if ended is None else None

    def release(self, p: int, frame: Packet) -> None:
        """Step 1: a frame ends, what it occupied in this node becomes free."""
        if not frame.is_stored:
            return
        port, egress = self.ports[p], self.lanes[lane_of(p, frame.priority)]
        egress.queued_bytes -= frame.stored_bytes
        port.queued_bytes -= frame.stored_bytes
        if frame.ingress_lane == NOWHERE:
            return
        ingress = self.lanes[frame.ingress_lane]
        ingress.ingress_bytes -= frame.stored_bytes
        i, c = divmod(frame.ingress_lane, PRIORITIES)
        is_pausing = self.ports[i].pausing >> c & 1
        if ingress.is_lossless and is_pausing and ingress.ingress_bytes <= ingress.xon_bytes:
            self.ports[i].pausing &= ~(1 << c)
            ingress.episode_drop_bytes = 0
            self.request_pfc(i, 1 << c)

    def choose(self, p: int) -> Packet | None:
        """Step 2: what is sent now."""
        port = self.ports[p]
        if port.pause_requests:
            named, stops = port.pause_requests, port.pause_requests & port.pausing
            if stops:
                stops = port.pausing
                named |= stops
            port.pause_requests = 0
            return Packet(PFC, PFC_FRAME_BYTES, psn=named | stops << PRIORITIES)
        for c in reversed(range(PRIORITIES)):
            lane = self.lanes[lane_of(p, c)]
            if self.now < lane.pause_until_ps:
                continue
            if lane.fifo:
                return lane.fifo.popleft()
            while port.is_host and lane.ready:
                q = lane.ready.pop(0)
                if not self.is_ready(q):
                    continue
                packet = self.next_data_packet(q)
                if self.is_ready(q):
                    lane.ready.append(q)
                return packet
        return None

    def start(self, p: int, frame: Packet) -> None:
        """Step 3: the service of a frame starts."""
        port = self.ports[p]
        departure = self.now + frame.size_bytes * port.ps_per_byte
        is_dropped = self.drop is not None and self.drop(p, port.frames_sent)
        if self.is_hit_by_errors(p, frame, self.now) or is_dropped:
            frame.flags |= DAMAGED
        port.frames_sent += 1
        port.sending = frame
        port.service_ps = departure
        self.at(departure, Phase.SERVICE, p, self.serve, p)
        self.probe(departure, p, frame, is_arrival=0)
        phase = Phase.PACKET_ARRIVAL
        if frame.kind == PFC:
            phase = Phase.PFC_ARRIVAL
            port.tx_pause += 1
            stops = frame.psn >> PRIORITIES
            for c, lane in enumerate(self.lanes_of(p)):
                lane.tx_pause += stops >> c & 1
            if stops:
                port.refresh_due_ps = departure + port.refresh_ps
                self.at(port.refresh_due_ps, Phase.REFRESH, p, self.refresh, p)
        else:
            port.tx_packets += 1
            port.tx_bytes += frame.size_bytes
            self.twin.packet_hops += 1
        arriving = replace(frame, is_stored=False, ingress_lane=NOWHERE)
        self.at(departure + port.delay_ps, phase, p, self.arrive, p, arriving)

    def refresh(self, p: int) -> bool | None:
        port = self.ports[p]
        if not port.pausing:
            return IDLE
        self.request_pfc(p, port.pausing)
        return None

    def wake(self, p: int) -> bool:
        self.ask_to_serve(p)
        return IDLE

    def request_pfc(self, p: int, priorities: int) -> None:
        """Request a PFC frame for a mask of priorities."""
        self.ports[p].pause_requests |= priorities
        self.ask_to_serve(p)

    def lanes_of(self, p: int) -> list[Lane]:
        return self.lanes[lane_of(p, 0) : lane_of(p + 1, 0)]

    # Arrival

    def arrive(self, sender: int, frame: Packet) -> None:
        """Let the last bit enter the peer port."""
        i = self.ports[sender].peer
        port = self.ports[i]
        self.probe(self.now, i, frame, is_arrival=1)
        if frame.flags & DAMAGED:
            port.rx_crc_errors += 1
            self.note(port.rx_crc_errors, DROP_ERROR, i, frame.queue_pair)
            port.lost_pause += frame.kind == PFC
            return
        if frame.kind == PFC:
            self.hear_pfc(i, sender, frame)
            return
        port.rx_packets += 1
        egress = self.twin.paths[frame.at + 1]
        if egress != NOWHERE:
            self.forward(i, egress, frame)
        elif frame.kind == DATA:
            self.receive(frame)
        elif frame.kind == ACK:
            self.acknowledged(frame)
        else:
            self.nak_arrived(frame)

    def hear_pfc(self, i: int, sender: int, frame: Packet) -> None:
        self.ports[i].rx_pause += 1
        named, stops = frame.psn & 0xFF, frame.psn >> PRIORITIES
        for c, lane in enumerate(self.lanes_of(i)):
            if not named >> c & 1:
                continue
            lane.close_pause(self.now)
            if stops >> c & 1:
                lane.rx_pause += 1
                lane.pause_until_ps = self.now + self.ports[sender].pause_ps
                if lane.paused_since_ps == NEVER_PS:
                    lane.paused_since_ps = self.now
                    lane.pauses += 1
                    self.note(lane.pauses, PAUSE, lane_of(i, c), NOWHERE)
            else:
                if lane.paused_since_ps != NEVER_PS:
                    lane.resumes += 1
                    self.note(lane.resumes, RESUME, lane_of(i, c), NOWHERE)
                lane.pause_until_ps = self.now
                lane.close_pause(self.now)
        if named & ~stops:
            self.ask_to_serve(i)

    def forward(self, i: int, e: int, packet: Packet) -> None:
        """Admit a packet to a switch or OTN terminal: in by port i, out by port e."""
        c, s = packet.priority, packet.stored_bytes
        ingress, egress = self.lanes[lane_of(i, c)], self.lanes[lane_of(e, c)]
        if ingress.is_lossless:
            if ingress.ingress_bytes + s > ingress.ingress_limit_bytes:
                ingress.drops_congestion += 1
                ingress.episode_drop_bytes += s
                ingress.missing_bytes = max(ingress.missing_bytes, ingress.episode_drop_bytes)
                drops = ingress.drops_congestion
                self.note(drops, DROP_CONGESTION, lane_of(i, c), packet.queue_pair)
                if not self.ports[i].pausing >> c & 1:
                    self.ports[i].pausing |= 1 << c
                    self.request_pfc(i, 1 << c)
                return
        elif egress.queued_bytes + s > egress.queue_limit_bytes:
            egress.drops_congestion += 1
            drops = egress.drops_congestion
            self.note(drops, DROP_CONGESTION, lane_of(e, c), packet.queue_pair)
            return
        if packet.kind == DATA and self.is_marked(e, egress):
            packet.flags |= ECN_MARKED
            egress.ecn_marked += 1
        packet.at += 1
        packet.is_stored = True
        packet.ingress_lane = lane_of(i, c)
        self.join(e, packet)
        ingress.ingress_bytes += s
        ingress.max_ingress_bytes = max(ingress.max_ingress_bytes, ingress.ingress_bytes)
        is_pausing = self.ports[i].pausing >> c & 1
        if ingress.is_lossless and not is_pausing and ingress.ingress_bytes > ingress.xoff_bytes:
            self.ports[i].pausing |= 1 << c
            self.request_pfc(i, 1 << c)
        self.ask_to_serve(e)

    def is_marked(self, e: int, egress: Lane) -> bool:
        """ECN, by what the egress lane held before this packet."""
        port, q = self.ports[e], egress.queued_bytes
        low, high = egress.ecn_min_bytes, egress.ecn_max_bytes
        if high <= 0 or q <= low:
            return False
        if q >= high:
            return True
        u = streams.uniform(self.twin.seed, streams.ecn_stream(e), port.ecn_draws)
        port.ecn_draws += 1
        return u < egress.ecn_probability * (q - low) / (high - low)

    def join(self, e: int, packet: Packet) -> None:
        """Put a packet at the end of the FIFO of its lane."""
        port, egress = self.ports[e], self.lanes[lane_of(e, packet.priority)]
        egress.fifo.append(packet)
        egress.queued_bytes += packet.stored_bytes
        port.queued_bytes += packet.stored_bytes
        port.max_queued_bytes = max(port.max_queued_bytes, port.queued_bytes)

    # Errors

    def is_hit_by_errors(self, p: int, frame: Packet, start_ps: int) -> bool:
        if not self.ports[p].has_errors:
            return False
        errors = self.twin.errors[p]
        if errors.process == CODEWORDS:
            return self.is_hit_by_block(p, errors, frame, start_ps)
        if errors.process == GILBERT_ELLIOTT:
            return self.is_hit_by_turns(p, errors, frame, start_ps)
        if errors.draws == 0:
            errors.gap = self.draw_gap(p, errors)
        units = 8 * frame.stored_bytes if errors.process == BITS else 1
        is_hit = False
        while errors.gap < units:
            is_hit = True
            units -= errors.gap + 1
            errors.gap = self.draw_gap(p, errors)
        errors.gap -= units
        return is_hit

    def is_hit_by_block(self, p: int, errors: Errors, frame: Packet, start_ps: int) -> bool:
        byte_ps = self.ports[p].ps_per_byte
        first = (start_ps + 8 * byte_ps) // errors.block_ps
        last = (start_ps + (frame.size_bytes - 12) * byte_ps - 1) // errors.block_ps
        if errors.draws == 0 or errors.gap < first:
            errors.gap = min(streams.LARGEST_GAP, first + self.draw_gap(p, errors))
        is_hit = errors.gap <= last
        while errors.gap < last:
            errors.gap = min(streams.LARGEST_GAP, errors.gap + 1 + self.draw_gap(p, errors))
        return is_hit

    def is_hit_by_turns(self, p: int, errors: Errors, frame: Packet, start_ps: int) -> bool:
        byte_ps = self.ports[p].ps_per_byte
        begin = start_ps + 8 * byte_ps
        end = start_ps + (frame.size_bytes - 12) * byte_ps
        share = errors.bad_ps / (errors.good_ps + errors.bad_ps)
        if errors.draws == 0:
            self.enter(p, errors, self.draw(p, errors) < share, begin)
        elif errors.until_ps <= begin:
            w = 0 if errors.is_bad else 1
            passed = errors.until_ps - begin
            left = math.exp(passed * (1 / errors.good_ps + 1 / errors.bad_ps))
            self.enter(p, errors, self.draw(p, errors) < share + (w - share) * left, begin)
        is_hit, done = False, 0
        while True:
            bits = 8 * (min(errors.until_ps, end) - begin) // byte_ps
            if errors.gap < bits - done:
                is_hit = True
                errors.gap = self.draw_gap(p, errors)
            else:
                errors.gap -= bits - done
            done = bits
            if errors.until_ps >= end:
                return is_hit
            self.enter(p, errors, not errors.is_bad, errors.until_ps)

    def enter(self, p: int, errors: Errors, is_bad: bool, time_ps: int) -> None:
        errors.is_bad = int(is_bad)
        mean = errors.bad_ps if is_bad else errors.good_ps
        lasts = math.floor(-math.log(1 - self.draw(p, errors)) * mean)
        errors.until_ps = time_ps + 1 + lasts
        errors.gap = self.draw_gap(p, errors)

    def draw_gap(self, p: int, errors: Errors) -> int:
        survival = errors.bad_log_survival if errors.is_bad else errors.log_survival
        if survival == 0:
            return streams.LARGEST_GAP
        return streams.gap(self.draw(p, errors), survival)

    def draw(self, p: int, errors: Errors) -> float:
        u = streams.uniform(self.twin.seed, streams.error_stream(p), errors.draws)
        errors.draws += 1
        return u

    # Queue pairs: the sender

    def is_ready(self, q: int) -> bool:
        pair = self.queue_pairs[q]
        if pair.in_error or pair.next >= pair.posted:
            return False
        packet = pair.planned(pair.next)
        if self.operations[packet.operation].credits <= packet.message:
            return False
        return self.fits_window(pair)

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
        return pair.next - pair.oldest < MAX_OUTSTANDING_PACKETS

    def check_ready(self, q: int) -> None:
        """Let a queue pair that can send join the list of its host lane."""
        pair = self.queue_pairs[q]
        lane = self.lanes[lane_of(pair.sender_port, pair.priority)]
        if self.is_ready(q) and q not in lane.ready:
            lane.ready.append(q)
            self.ask_to_serve(pair.sender_port)

    def next_data_packet(self, q: int) -> Packet:
        """Make the next packet of a queue pair, whose service starts now."""
        pair = self.queue_pairs[q]
        planned = pair.planned(pair.next)
        size = planned.payload_bytes + pair.overhead_bytes
        if planned.is_first:
            size += pair.reth_bytes
        if pair.oldest == pair.newest:
            departure = self.now + size * self.ports[pair.sender_port].ps_per_byte
            self.restart_timer(q, departure)
        packet = Packet(
            DATA,
            size,
            pair.priority,
            q,
            pair.next % PSN_MODULUS,
            planned.payload_bytes,
            LAST_OF_MESSAGE if planned.is_last else 0,
            pair.data_path,
        )
        pair.tx_packets += 1
        if pair.next < pair.newest:
            pair.retransmitted_packets += 1
        pair.next += 1
        pair.newest = max(pair.newest, pair.next)
        if planned.is_last or not self.fits_window(pair):
            packet.flags |= ACK_REQUESTED
        flow = self.flow_of(planned.operation)
        if flow is not None and flow.first_bit_ps == NOWHERE:
            flow.first_bit_ps = self.now
        return packet

    def restart_timer(self, q: int, start: int) -> None:
        """Set the ACK timer to run from this time, where there is one."""
        pair = self.queue_pairs[q]
        if pair.timeout_ps:
            pair.deadline_ps = start + pair.timeout_ps
            self.at(pair.deadline_ps, Phase.TIMER, q, self.timer, q)

    def acknowledged(self, packet: Packet) -> None:
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
            pair.packet_seq_err += 1
            self.note(pair.packet_seq_err, GO_BACK, q, pair.oldest + a)
            if a > 0:
                self.progress(q, pair.oldest + a)
            elif not pair.nak_again_ps:
                self.spend_retry(q)
            if not pair.in_error:
                self.go_back(q)
        self.check_ready(q)

    def progress(self, q: int, n: int) -> None:
        """All packets below n are acknowledged."""
        pair = self.queue_pairs[q]
        pair.oldest = n
        pair.next = max(pair.next, n)
        pair.retries_used = 0
        if pair.oldest == pair.newest:
            pair.deadline_ps = NEVER_PS
        else:
            self.restart_timer(q, self.now)
        while pair.unsent:
            operation = self.operations[pair.unsent[0]]
            if operation.first_packet + operation.packets > pair.oldest:
                break
            self.sent(pair.unsent.popleft())

    def timer(self, q: int) -> None:
        pair = self.queue_pairs[q]
        pair.local_ack_timeout_err += 1
        self.note(pair.local_ack_timeout_err, TIMEOUT, q, pair.oldest)
        self.spend_retry(q)
        if not pair.in_error:
            self.go_back(q)
        self.check_ready(q)

    def spend_retry(self, q: int) -> None:
        pair = self.queue_pairs[q]
        pair.retries_used += 1
        if pair.retries_used > pair.retries:
            pair.in_error = 1
            pair.req_transport_retries_exceeded += 1
            pair.error_ps = self.now
            pair.deadline_ps = NEVER_PS
            self.note(pair.req_transport_retries_exceeded, QP_ERROR, q, pair.oldest)

    def go_back(self, q: int) -> None:
        pair = self.queue_pairs[q]
        pair.next = pair.oldest
        self.restart_timer(q, self.now)

    # Queue pairs: the receiver

    def receive(self, packet: Packet) -> None:
        """Handle data at the receiver."""
        q = packet.queue_pair
        pair = self.queue_pairs[q]
        pair.rx_packets += 1
        if packet.flags & ECN_MARKED:
            pair.np_ecn_marked_roce_packets += 1
        d = (packet.psn - pair.expected) % PSN_MODULUS
        if d >= PSN_MODULUS // 2:
            d -= PSN_MODULUS
        if d == 0:
            self.accept(q, packet)
        elif d > 0:
            pair.out_of_sequence += 1
            is_due = pair.nak_again_ps and self.now - pair.last_nak_ps >= pair.nak_again_ps
            if is_due or not pair.nak_sent:
                pair.nak_sent = 1
                pair.last_nak_ps = self.now
                self.reply(q, NAK)
        else:
            pair.duplicate_request += 1
            self.reply(q, ACK)

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
        is_last = bool(packet.flags & LAST_OF_MESSAGE)
        if is_last:
            self.message_delivered(planned.operation)
        if packet.flags & ACK_REQUESTED or pair.unacknowledged >= pair.ack_every:
            self.reply(q, ACK)

    def reply(self, q: int, kind: int) -> None:
        """Send an ACK or a NAK."""
        pair = self.queue_pairs[q]
        pair.unacknowledged = 0
        if kind == ACK:
            pair.acks_sent += 1
            number = pair.expected - 1
        else:
            pair.naks_sent += 1
            number = pair.expected
        packet = Packet(
            kind,
            pair.ack_bytes,
            pair.ack_priority,
            q,
            number % PSN_MODULUS,
            at=pair.ack_path,
            is_stored=True,
        )
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

    # Flows, the log, and probes

    def note(self, count: int, kind: int, entity: int, about: int) -> None:
        """Log something if it is among the first of its kind and entity."""
        if count <= self.twin.log_first:
            self.twin.log.append((self.now, kind, entity, about))

    def flow_of(self, o: int) -> Flow | None:
        f = self.operations[o].flow
        return None if f == NOWHERE else self.twin.flows[f]

    def probe(self, time: int, port: int, frame: Packet, is_arrival: int) -> None:
        row = Row(
            time,
            port,
            frame.queue_pair,
            frame.psn,
            frame.size_bytes,
            frame.kind,
            frame.flags,
            is_arrival,
        )
        self.twin.probes.append(row)
