"""Events, ports and links: frames are served, damaged, stored, forwarded and paused."""

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum, auto
from typing import Any

from wanrdma.kernels.tables import (
    CONTROL_FRAME_BYTES,
    DAMAGED,
    DATA,
    DROP_CONGESTION,
    DROP_ERROR,
    ECN_MARKED,
    NEVER_PS,
    NOTICE,
    NOWHERE,
    PAUSE,
    PFC,
    PRIORITIES,
    RESUME,
)

from . import streams
from .errors import Line
from .records import Lane, Packet, Row, Twin, lane_of

Drop = Callable[[int, int], bool]
Handler = Callable[..., bool | None]  # returns IDLE if its event changed nothing
IDLE = True


class Phase(IntEnum):
    """The order of events of one time."""

    CONTROL_ARRIVAL = auto()  # 1
    PACKET_ARRIVAL = auto()  # 2
    REFRESH = auto()  # 3a
    WAKE = auto()  # 3b
    TIMER = auto()  # 3c
    PACE = auto()  # 3d
    OPERATION = auto()  # 4
    SERVICE = auto()  # 5


class Network(ABC):
    """The events of one run; what hosts do with packets is the Emulator's."""

    def __init__(self, twin: Twin, drop: Drop | None = None):
        self.twin = twin
        self.drop = drop
        self.now = 0
        self.ports, self.lanes = twin.ports, twin.lanes
        self.queue_pairs, self.operations = twin.queue_pairs, twin.operations
        self.heap: list[tuple[int, Phase, int, int, Callable[[], bool]]] = []
        self.events = 0

    # What a host does

    @abstractmethod
    def next_of_host(self, lane: Lane) -> Packet | None:
        """Take a data packet of a queue pair of this lane, if one can send."""

    @abstractmethod
    def deliver(self, packet: Packet) -> None:
        """Take in a packet that has come to its host."""

    # Events

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
            return Packet(PFC, CONTROL_FRAME_BYTES, psn=named | stops << PRIORITIES)
        if port.notice_requested:
            port.notice_requested = 0
            return Packet(NOTICE, CONTROL_FRAME_BYTES)
        for c in reversed(range(PRIORITIES)):
            lane = self.lanes[lane_of(p, c)]
            if self.now < lane.pause_until_ps:
                continue
            if lane.fifo:
                return lane.fifo.popleft()
            packet = self.next_of_host(lane) if port.is_host else None
            if packet is not None:
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
        if frame.kind == NOTICE:
            phase = Phase.CONTROL_ARRIVAL
        elif frame.kind == PFC:
            phase = Phase.CONTROL_ARRIVAL
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
            if port.notifies and frame.kind != NOTICE:
                port.notice_requested = 1
                self.ask_to_serve(i)
            return
        if frame.kind == NOTICE:
            port.error_told_ps = self.now
            return
        if frame.kind == PFC:
            self.hear_pfc(i, sender, frame)
            return
        port.rx_packets += 1
        egress = self.twin.paths[frame.at + 1]
        if egress != NOWHERE:
            self.forward(i, egress, frame)
        else:
            self.deliver(frame)

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

    def is_hit_by_errors(self, p: int, frame: Packet, start_ps: int) -> bool:
        if not self.ports[p].has_errors:
            return False
        line = Line(self.twin.seed, p, self.ports[p].ps_per_byte, self.twin.errors[p])
        return line.hits(frame, start_ps, self.twin.error_changes)

    # The log and probes

    def note(self, count: int, kind: int, entity: int, about: int) -> None:
        """Log something if it is among the first of its kind and entity."""
        if count <= self.twin.log_first:
            self.twin.log.append((self.now, kind, entity, about))

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
