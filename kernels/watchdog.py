"""The watchdog of pauses: a port that is held for too long takes it for a fault, and ends it.

As in SONiC (PFC watchdog: detection, restoration, action), but by events in place of polling.
"""

import numpy as np

from .access import get_lane, get_packet, get_path_port, get_port
from .calendar import WATCH, push
from .jit import jit, jit_apart
from .log import log
from .packets import give_back, leave_queue
from .pfc import end_pause_if_over, resume_if_drained
from .pool import is_drained, leave_ingress
from .serve import ask_to_serve
from .tables import NEVER_PS, NOWHERE, PREAMBLE_AND_GAP_BYTES, PRIORITIES, STORM


@jit_apart
def watch(run, lane_index, now_ps):
    """Handle a watch event of an egress lane; True if a storm begins."""
    lane = get_lane(run, lane_index)
    port = get_port(run, lane_index // PRIORITIES)
    bit = 1 << (lane_index % PRIORITIES)
    lane.watch_pending = 0
    if port.storming & bit:
        if lane.last_stop_ps + port.restore_ps > now_ps:
            look_again(run, lane_index, lane.last_stop_ps + port.restore_ps)
        else:
            port.storming &= ~bit
        return False
    end_pause_if_over(port, lane, bit, now_ps)
    if lane.paused_since_ps == NEVER_PS:
        return False
    if lane.paused_since_ps + port.watch_ps > now_ps:
        look_again(run, lane_index, lane.paused_since_ps + port.watch_ps)
        return False
    if not port.waiting & bit:
        look_again(run, lane_index, now_ps + port.watch_ps)
        return False
    port.storming |= bit
    lane.storms += 1
    log(run, lane.storms, STORM, lane_index, NOWHERE)
    lane.pause_until_ps = now_ps
    end_pause_if_over(port, lane, bit, now_ps)
    if port.watch_drops:
        drop_waiting(run, lane_index)
    else:
        ask_to_serve(run, lane_index // PRIORITIES)
    look_again(run, lane_index, max(now_ps, lane.last_stop_ps + port.restore_ps))
    return True


@jit
def look_again(run, lane_index, time_ps):
    """Give a lane its next watch event."""
    get_lane(run, lane_index).watch_pending = 1
    push(run, time_ps, WATCH, lane_index)


@jit
def drop_waiting(run, lane_index):
    """Drop all packets that wait in an egress lane, and free what they occupy."""
    lane = get_lane(run, lane_index)
    port = get_port(run, lane_index // PRIORITIES)
    priority = lane_index % PRIORITIES
    while lane.head != NOWHERE:
        i = leave_queue(run, lane)
        packet = get_packet(run, i)
        stored = np.int64(packet.size_bytes - PREAMBLE_AND_GAP_BYTES)
        before = get_port(run, get_path_port(run, packet.at - 1))
        entered_index = before.peer * PRIORITIES + priority
        entered = get_lane(run, entered_index)
        lane.drops_watchdog += 1
        lane.queued_bytes -= stored
        port.queued_bytes -= stored
        give_back(run, i)
        leave_ingress(run, entered, stored)
        if entered.ingress_limit_bytes > 0 and is_drained(run, entered):
            resume_if_drained(run, entered_index)
    port.waiting &= ~(1 << priority)
