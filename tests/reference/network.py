"""Ports and links: frames are served, damaged, stored, forwarded and paused."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace

from wanrdma.kernels.tables import (
    CONTROL_FRAME_BYTES,
    DAMAGED,
    DATA,
    DROP_CONGESTION,
    DROP_ERROR,
    DROP_LINE,
    ECN_MARKED,
    LOST,
    NEVER_PS,
    NOTICE,
    NOWHERE,
    PAUSE,
    PFC,
    PRIORITIES,
    RESUME,
    STORM,
)

from . import changes, lines, pools, streams, watchdog
from .events import IDLE, Events, Phase
from .records import Lane, Packet, Pool, Row, Twin, lane_of

Drop = Callable[[int, int], bool]


class Network(Events, ABC):
    """The events of one run; what hosts do with packets is the Emulator's."""

    def __init__(self, twin: Twin, drop: Drop | None = None):
        super().__init__(twin)
        self.drop = drop
        for row, event in enumerate(twin.changes):
            self.at(event.time_ps, Phase.SCENARIO, row, changes.happen, self, event)

    # What a host does

    @abstractmethod
    def next_of_host(self, lane: Lane) -> Packet | None:
        """Take a data packet of a queue pair of this lane, if one can send."""

    @abstractmethod
    def deliver(self, packet: Packet) -> None:
        """Take in a packet that has come to its host."""

    @abstractmethod
    def check_ready(self, q: int) -> None:
        """Let a queue pair that can send join the list of its host lane, now or in its time."""

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
        frame = None if port.is_stopped else self.choose(p)
        if frame is not None:
            self.start(p, frame)
            return None
        port.service_ps = None  # idle
        ends = [
            lane.pause_until_ps
            for lane in self.lanes_of(p)
            if lane.has_something and self.now < lane.pause_until_ps
        ]
        if ends and not port.is_stopped:
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
        if not ingress.is_lossless:
            ingress.ingress_bytes -= frame.stored_bytes
            return
        may_go_on = pools.free(ingress, self.pool_of(ingress), frame.stored_bytes)
        i, c = divmod(frame.ingress_lane, PRIORITIES)
        if may_go_on and self.ports[i].pausing >> c & 1:
            self.ports[i].pausing &= ~(1 << c)
            ingress.episode_drop_bytes = 0
            self.request_pfc(i, 1 << c)

    def choose(self, p: int) -> Packet | None:
        """Step 2: what is sent now."""
        port = self.ports[p]
        if port.pause_requests:
            return self.pfc_frame(p, port.pause_ps)
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

    def pfc_frame(self, p: int, pause_ps: int) -> Packet:
        """Make the frame that says what was requested."""
        port = self.ports[p]
        named, stops = port.pause_requests, port.pause_requests & port.pausing
        if stops:
            stops = port.pausing
            named |= stops
        port.pause_requests = 0
        psn = named | stops << PRIORITIES
        return Packet(PFC, CONTROL_FRAME_BYTES, psn=psn, pause_ps=pause_ps)

    def start(self, p: int, frame: Packet) -> None:
        """Step 3: the service of a frame starts."""
        port = self.ports[p]
        line_ps = frame.size_bytes * port.ps_per_byte
        departure = self.now + line_ps
        self.meet_errors(p, port.way if port.has_errors else NOWHERE, frame, departure)
        port.sending = frame
        port.service_ps = departure
        self.at(departure, Phase.SERVICE, p, self.serve, p)
        self.probe(departure, p, frame, is_arrival=0)
        if frame.kind == PFC:
            self.pfc_leaves(p, frame, departure)
        elif frame.kind != NOTICE:
            port.tx_packets += 1
            port.tx_bytes += frame.size_bytes
            self.twin.packet_hops += 1
        arrival = lines.arrival_ps(self.twin, port, departure, line_ps, bool(frame.flags & LOST))
        self.send_on(port.way, port.peer, frame, arrival)

    def meet_errors(self, p: int, row: int, frame: Packet, departure: int) -> None:
        """Flag a frame that is lost or damaged; row -1 of the errors damages nothing."""
        port = self.ports[p]
        if row != NOWHERE:
            byte_ps = port.ps_per_byte
            frame.flags |= lines.fate(self.twin, row, byte_ps, frame, self.now, departure)
        is_dropped = self.drop is not None and self.drop(p, port.frames_sent)
        if is_dropped and not frame.flags & LOST:
            frame.flags |= DAMAGED
        port.frames_sent += 1

    def pfc_leaves(self, p: int, frame: Packet, departure: int) -> None:
        """Count a PFC frame, and have what it stops be stopped anew in time."""
        port = self.ports[p]
        port.tx_pause += 1
        stops = frame.psn >> PRIORITIES
        for c, lane in enumerate(self.lanes_of(p)):
            lane.tx_pause += stops >> c & 1
        if stops:
            port.refresh_due_ps = departure + port.refresh_ps
            self.at(port.refresh_due_ps, Phase.REFRESH, p, self.refresh, p)

    def send_on(self, way: int, i: int, frame: Packet, arrival: int) -> None:
        """Let a frame arrive at port i; in the order of events it comes from port `way`."""
        is_control = frame.kind in (PFC, NOTICE)
        phase = Phase.CONTROL_ARRIVAL if is_control else Phase.PACKET_ARRIVAL
        arriving = replace(frame, is_stored=False, ingress_lane=NOWHERE)
        self.at(arrival, phase, way, self.arrive, i, arriving)

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
        port = self.ports[p]
        port.pause_requests |= priorities
        if port.control == NOWHERE:
            self.ask_to_serve(p)
        else:
            self.send_by_control(p, port.control)

    def send_by_control(self, p: int, control: int) -> None:
        """Send what is requested of port p at once, by its control channel."""
        frame = self.pfc_frame(p, self.ports[control].pause_ps)
        has_errors = self.twin.ways[self.ports[control].line].has_errors
        self.meet_errors(p, control if has_errors else NOWHERE, frame, self.now)
        self.probe(self.now, p, frame, is_arrival=0)
        self.pfc_leaves(p, frame, self.now)
        arrival = lines.control_arrival_ps(self.twin, self.ports[p], self.now)
        self.send_on(control, self.ports[p].peer, frame, arrival)

    def lanes_of(self, p: int) -> list[Lane]:
        return self.lanes[lane_of(p, 0) : lane_of(p + 1, 0)]

    def pool_of(self, lane: Lane) -> Pool | None:
        return None if lane.pool == NOWHERE else self.twin.pools[lane.pool]

    # The watchdog

    def watch(self, n: int) -> bool | None:
        """Look whether lane n is stopped for too long, or a storm over."""
        p, lane = n // PRIORITIES, self.lanes[n]
        begins, again_ps = watchdog.look(self.ports[p], lane, self.now)
        if begins:
            self.note(lane.storms, STORM, n, NOWHERE)
            if self.ports[p].watch_drops:
                lane.drops_watchdog += len(lane.fifo)
                while lane.fifo:
                    self.release(p, lane.fifo.popleft())
            else:
                self.ask_to_serve(p)
        lane.watch_pending = False
        if again_ps is not None:
            self.watch_later(n, again_ps)
        return None if begins else IDLE

    def watch_later(self, n: int, time: int) -> None:
        if not self.lanes[n].watch_pending:
            self.lanes[n].watch_pending = True
            self.at(time, Phase.WATCH, n, self.watch, n)

    # Arrival

    def arrive(self, i: int, frame: Packet) -> None:
        """Let the last bit enter port i."""
        port = self.ports[i]
        self.probe(self.now, i, frame, is_arrival=1)
        if frame.flags & LOST:
            port.lost_on_line += 1
            self.note(port.lost_on_line, DROP_LINE, i, frame.queue_pair)
            port.lost_pause += frame.kind == PFC
            return
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
            self.hear_pfc(i, frame)
            return
        port.rx_packets += 1
        egress = self.twin.paths[frame.at + 1]
        if egress != NOWHERE:
            self.forward(i, egress, frame)
        else:
            self.deliver(frame)

    def hear_pfc(self, i: int, frame: Packet) -> None:
        port = self.ports[i]
        port.rx_pause += 1
        named, stops = frame.psn & 0xFF, frame.psn >> PRIORITIES
        for c, lane in enumerate(self.lanes_of(i)):
            if not named >> c & 1:
                continue
            if stops >> c & 1:
                self.stop(lane_of(i, c), frame.pause_ps)
            elif not lane.is_storm:
                self.go_on(lane_of(i, c))
        if named & ~stops:
            self.ask_to_serve(i)

    def stop(self, n: int, pause_ps: int) -> None:
        """Pause lane n, or pause it for longer."""
        lane, port = self.lanes[n], self.ports[n // PRIORITIES]
        lane.rx_pause += 1
        lane.last_stop_ps = self.now
        if lane.is_storm:
            return
        lane.close_pause(self.now)
        lane.pause_until_ps = self.now + pause_ps
        if lane.paused_since_ps == NEVER_PS:
            lane.paused_since_ps = self.now
            lane.pauses += 1
            self.note(lane.pauses, PAUSE, n, NOWHERE)
            if port.watch_ps > 0:
                self.watch_later(n, self.now + port.watch_ps)

    def go_on(self, n: int) -> None:
        """End the pause of lane n."""
        lane = self.lanes[n]
        lane.close_pause(self.now)
        if lane.paused_since_ps != NEVER_PS:
            lane.resumes += 1
            self.note(lane.resumes, RESUME, n, NOWHERE)
        lane.pause_until_ps = self.now
        lane.close_pause(self.now)

    def forward(self, i: int, e: int, packet: Packet) -> None:
        """Admit a packet to a switch or OTN terminal: in by port i, out by port e."""
        c, s = packet.priority, packet.stored_bytes
        ingress, egress = self.lanes[lane_of(i, c)], self.lanes[lane_of(e, c)]
        if watchdog.drops_arrival(self.ports[e], egress):
            egress.drops_watchdog += 1
            return
        part, pool = None, self.pool_of(ingress)
        if ingress.is_lossless:
            part = pools.part_for(ingress, pool, s)
            if part is None:
                self.drop_lossless(lane_of(i, c), packet)
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
        if part is None:
            ingress.ingress_bytes += s
        elif pools.store(ingress, pool, s, part):
            self.pause_peer(i, c)
        ingress.max_ingress_bytes = max(ingress.max_ingress_bytes, ingress.ingress_bytes)
        self.ask_to_serve(e)

    def drop_lossless(self, n: int, packet: Packet) -> None:
        """Drop a packet that lane n has no room for."""
        ingress = self.lanes[n]
        ingress.drops_congestion += 1
        ingress.episode_drop_bytes += packet.stored_bytes
        ingress.missing_bytes = max(ingress.missing_bytes, ingress.episode_drop_bytes)
        self.note(ingress.drops_congestion, DROP_CONGESTION, n, packet.queue_pair)
        if self.pool_of(ingress) is None or ingress.ingress_bytes > 0:
            self.pause_peer(*divmod(n, PRIORITIES))

    def pause_peer(self, i: int, c: int) -> None:
        """Begin to pause priority c of the peer of port i, if that has not begun."""
        if not self.ports[i].pausing >> c & 1:
            self.ports[i].pausing |= 1 << c
            self.request_pfc(i, 1 << c)

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
