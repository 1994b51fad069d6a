"""Priority flow control: IEEE 802.1Qbb pauses, an ingress and a priority at a time.

An ingress lane that holds more than XOFF asks the peer to stop; at XON or below it lets it go
on. A pause lasts `pause_ps` (quanta of 512 bit times) and is refreshed while it is meant.
"""

import numpy as np

from .access import get_errors, get_lane, get_line, get_packet, get_port
from .calendar import REFRESH, WATCH, push
from .errors import is_down
from .jit import jit, jit_apart, jit_inlined
from .line import put_on_way
from .link import start_frame
from .log import log
from .packets import take
from .probe import record
from .serve import ask_to_serve
from .tables import (
    CONTROL_FRAME_BYTES,
    LOST,
    NEVER_PS,
    NOWHERE,
    PAUSE,
    PFC,
    PRIORITIES,
    RESUME,
)


@jit
def request_pause_frame(run, p, priorities):
    """Have port p tell its peer, as soon as it can, what each of these priorities shall do."""
    port = get_port(run, p)
    port.pause_requests |= priorities
    if port.control != NOWHERE:
        send_on_control_channel(run, p)
    else:
        ask_to_serve(run, p)


@jit
def pause_if_full(run, lane_index):
    """Make an ingress lane that holds more than XOFF pause its peer."""
    p = lane_index // PRIORITIES
    bit = 1 << (lane_index % PRIORITIES)
    if not get_port(run, p).pausing & bit:
        get_port(run, p).pausing |= bit
        quiet = np.int64(get_lane(run, lane_index).quiet_port)
        if quiet != NOWHERE:
            ask_to_serve(run, quiet)  # the end of its frame may now bring the lane to XON
        request_pause_frame(run, p, bit)


@jit
def resume_if_drained(run, lane_index):
    """Make an ingress lane at or below XON let its peer go on, if it paused it."""
    p = lane_index // PRIORITIES
    bit = 1 << (lane_index % PRIORITIES)
    if get_port(run, p).pausing & bit:
        get_port(run, p).pausing &= ~bit
        get_lane(run, lane_index).episode_drop_bytes = 0
        request_pause_frame(run, p, bit)


@jit
def send_pause_frame(run, p, now_ps):
    """Send one PFC frame for all the requests of port p."""
    i = make_pause_frame(run, p)
    announce_refresh(run, p, i, start_frame(run, p, i, now_ps))


@jit_apart
def send_on_control_channel(run, p):
    """Send what a PFC frame of port p would say beside its line: at once, taking no line time."""
    port = get_port(run, p)
    i = make_pause_frame(run, p)
    packet = get_packet(run, i)
    way = np.int64(port.control)
    channel = get_port(run, way)
    if channel.has_errors and is_down(run, get_errors(run, way), run.now_ps, run.now_ps + 1):
        packet.flags |= LOST
    packet.arrival_ps = max(run.now_ps + channel.delay_ps, port.last_control_ps + 1)
    port.last_control_ps = packet.arrival_ps
    port.tx_pause += 1
    record(run, run.now_ps, p, i, 0)
    announce_refresh(run, p, i, run.now_ps)
    put_on_way(run, get_line(run, np.int64(channel.line)), i)


@jit_inlined
def make_pause_frame(run, p):
    """Take a packet that says what port p was asked to say.

    One that stops any priority stops all that are meant to be: the refresh starts anew with
    each such frame, and would never come for one priority while another comes and goes.
    """
    port = get_port(run, p)
    named = port.pause_requests
    stopped = named & port.pausing
    if stopped:
        stopped = port.pausing
        named |= stopped
    port.pause_requests = 0
    return take(run, PFC, NOWHERE, named | (stopped << PRIORITIES), CONTROL_FRAME_BYTES, 0)


@jit_inlined
def announce_refresh(run, p, i, departure_ps):
    """Count the priorities that PFC frame i stops, and see to its repetition."""
    port = get_port(run, p)
    stopped = port.pausing if get_packet(run, i).psn >> PRIORITIES else 0
    if stopped:
        for priority in range(PRIORITIES):
            if stopped >> priority & 1:
                get_lane(run, p * PRIORITIES + priority).tx_pause += 1
        port.refresh_due_ps = departure_ps + port.refresh_ps
        if not port.refresh_pending:
            port.refresh_pending = 1
            push(run, port.refresh_due_ps, REFRESH, p)


@jit
def refresh(run, p, now_ps):
    """Handle a refresh event: say again what is still meant. False if it was void."""
    port = get_port(run, p)
    if port.refresh_due_ps > now_ps:
        push(run, port.refresh_due_ps, REFRESH, p)
        return False
    port.refresh_pending = 0
    if not port.pausing:
        return False
    request_pause_frame(run, p, port.pausing)
    return True


@jit
def receive_pause_frame(run, p, psn, sender, now_ps):
    """Obey, at port p, a PFC frame from port `sender`."""
    port = get_port(run, p)
    port.rx_pause += 1
    resumed = False
    for priority in range(PRIORITIES):
        bit = 1 << priority
        if psn & bit:
            lane = get_lane(run, p * PRIORITIES + priority)
            end_pause_if_over(port, lane, bit, now_ps)
            if psn >> PRIORITIES & bit:
                lane.rx_pause += 1
                lane.last_stop_ps = now_ps
            if port.storming & bit:
                continue
            if psn >> PRIORITIES & bit:
                lane.pause_until_ps = now_ps + get_port(run, sender).pause_ps
                if lane.paused_since_ps == NEVER_PS:
                    lane.paused_since_ps = now_ps
                    port.paused |= bit
                    lane.pauses += 1
                    log(run, lane.pauses, PAUSE, p * PRIORITIES + priority, NOWHERE)
                    if port.watch_ps > 0 and not lane.watch_pending:
                        lane.watch_pending = 1
                        push(run, now_ps + port.watch_ps, WATCH, p * PRIORITIES + priority)
            else:
                resumed = True
                if lane.paused_since_ps != NEVER_PS:
                    lane.resumes += 1
                    log(run, lane.resumes, RESUME, p * PRIORITIES + priority, NOWHERE)
                lane.pause_until_ps = now_ps
                end_pause_if_over(port, lane, bit, now_ps)
    if resumed:
        ask_to_serve(run, p)


@jit
def end_pause_if_over(port, lane, bit, now_ps):
    """Close the account of a pause that has run out or was lifted."""
    if lane.paused_since_ps != NEVER_PS and lane.pause_until_ps <= now_ps:
        paused_ps = lane.pause_until_ps - lane.paused_since_ps
        lane.paused_ps += paused_ps
        port.paused_ps += paused_ps
        lane.paused_since_ps = NEVER_PS
        port.paused &= ~bit


@jit
def open_pause(lane, time_ps):
    """Return the part, up to a time not before its latest event, of a pause that is open, ps."""
    return min(lane.pause_until_ps, time_ps) - lane.paused_since_ps
