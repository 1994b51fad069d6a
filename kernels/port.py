"""A port's service: which frame goes next, and what its departure frees.

Eight priorities, the highest first, never interrupting a frame; PFC frames and notices before all.
"""

import numpy as np

from .access import get_lane, get_packet, get_path_port, get_port
from .bits import highest_bit
from .calendar import WAKE, any_before_service, push
from .cycle_note import tape
from .jit import jit, jit_inlined
from .link import start_frame
from .notice import send_notice
from .packets import join_queue, leave_queue
from .pfc import end_pause_if_over, resume_if_drained, send_pause_frame
from .pool import is_drained
from .requester import send_next
from .serve import announce_end, ask_to_serve, release_buffer
from .tables import ENTERS, NOWHERE, PREAMBLE_AND_GAP_BYTES, PRIORITIES


@jit_inlined
def serve(run, p, now_ps):
    """End the frame in service, if there is one, and start the next; False if neither."""
    port = get_port(run, p)
    port.service_pending = 0
    was_busy = port.busy_until_ps != NOWHERE
    if was_busy:
        end_frame(run, p)
    if port.is_stopped:
        return was_busy
    if port.pause_requests:
        send_pause_frame(run, p, now_ps)
        announce_end(run, p)
        return True
    if port.notice_requested:
        send_notice(run, p, now_ps)
        announce_end(run, p)
        return True
    candidates = port.waiting
    if candidates & port.paused:
        candidates = unpaused(run, p, candidates, now_ps)
    while candidates:
        priority = highest_bit(candidates)
        if send_from_lane(run, p, priority, now_ps):
            announce_end(run, p)
            return True
        candidates &= ~(1 << priority)
    if port.waiting & port.paused:
        announce_wakes(run, p)
    return was_busy


@jit_inlined
def send_from_lane(run, p, priority, now_ps):
    """Send the next packet of a lane; False if it had none after all."""
    lane = get_lane(run, p * PRIORITIES + priority)
    if lane.head == NOWHERE:
        return send_next(run, p, priority, now_ps)
    port = get_port(run, p)
    i = leave_queue(run, lane)
    if lane.head == NOWHERE and lane.ready_head == NOWHERE:
        port.waiting &= ~(1 << priority)
    entered = NOWHERE
    if not port.is_host:
        before = get_port(run, get_path_port(run, get_packet(run, i).at - 1))
        entered = before.peer * PRIORITIES + priority
    send_stored(run, p, i, entered, now_ps)
    return True


@jit_inlined
def send_stored(run, p, i, entered, now_ps):
    """Send a packet that is stored here, and came by ingress lane `entered`."""
    port = get_port(run, p)
    packet = get_packet(run, i)
    port.released_lane = p * PRIORITIES + packet.priority
    port.released_bytes = packet.size_bytes - PREAMBLE_AND_GAP_BYTES
    port.released_queue = entered
    start_frame(run, p, i, now_ps)


@jit
def enter_egress(run, p, i, entered):
    """Store packet i, which came by ingress lane `entered`, to leave by port p.

    If nothing stands in its way it leaves at once: the service of the port would be the next
    event, and would choose it. What has ended quietly there must be settled before, and nothing
    else may enter the port in the same event.
    """
    count_stored(run, p, i)
    port = get_port(run, p)
    if is_free(run, port) and not any_before_service(run, p):
        if port.busy_until_ps != NOWHERE:
            end_frame(run, p)
        send_stored(run, p, i, entered, run.now_ps)
        announce_end(run, p)
        return
    wait_in_egress(run, p, i)


@jit
def wait_in_egress(run, p, i):
    """Put packet i, which is stored here, at the end of its lane's FIFO."""
    priority = np.int64(get_packet(run, i).priority)
    join_queue(run, get_lane(run, p * PRIORITIES + priority), i)
    get_port(run, p).waiting |= 1 << priority
    ask_to_serve(run, p)


@jit_inlined
def count_stored(run, p, i):
    """Count packet i among what is stored to leave by port p."""
    port = get_port(run, p)
    packet = get_packet(run, i)
    stored = packet.size_bytes - PREAMBLE_AND_GAP_BYTES
    get_lane(run, p * PRIORITIES + packet.priority).queued_bytes += stored
    queued_bytes = port.queued_bytes + stored
    port.queued_bytes = queued_bytes
    port.peak_bytes = max(port.peak_bytes, queued_bytes)
    if run.taping:
        tape(run, ENTERS, p, stored, NOWHERE, queued_bytes)


@jit_inlined
def is_free(run, port):
    """Tell whether a port would now send what it is given, of any priority."""
    if port.waiting | port.paused | port.service_pending:
        return False
    if port.pause_requests | port.notice_requested | port.is_stopped:
        return False
    return port.busy_until_ps <= run.now_ps and run.port_to_serve == NOWHERE and not run.stepping


@jit_inlined
def end_frame(run, p):
    """Free what the frame that has just left occupied; let the peer go on if that drained it."""
    port = get_port(run, p)
    entered = np.int64(port.released_queue)
    stored = port.released_lane != NOWHERE
    release_buffer(run, p)
    if stored and entered != NOWHERE:
        ingress = get_lane(run, entered)
        if ingress.ingress_limit_bytes > 0 and is_drained(run, ingress):
            resume_if_drained(run, entered)


@jit
def unpaused(run, p, candidates, now_ps):
    """Return the lanes among the candidates that are not paused."""
    port = get_port(run, p)
    for priority in range(PRIORITIES):
        bit = 1 << priority
        if candidates & port.paused & bit:
            end_pause_if_over(port, get_lane(run, p * PRIORITIES + priority), bit, now_ps)
    return candidates & ~port.paused


@jit
def announce_wakes(run, p):
    """Announce the end of the pause of each lane that has packets and cannot send them."""
    port = get_port(run, p)
    for priority in range(PRIORITIES):
        if port.waiting & port.paused & (1 << priority):
            lane = get_lane(run, p * PRIORITIES + priority)
            if not lane.wake_pending:
                lane.wake_pending = 1
                push(run, lane.pause_until_ps, WAKE, p * PRIORITIES + priority)


@jit
def wake(run, lane_index, now_ps):
    """Handle a wake event: the pause of a lane has run out, or was meanwhile renewed."""
    lane = get_lane(run, lane_index)
    lane.wake_pending = 0
    if lane.pause_until_ps > now_ps:
        lane.wake_pending = 1
        push(run, lane.pause_until_ps, WAKE, lane_index)
    else:
        ask_to_serve(run, lane_index // PRIORITIES)
