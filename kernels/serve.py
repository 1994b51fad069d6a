"""Asking a port to serve, and frames that end quietly.

The first port that an event asks is kept aside in `run.port_to_serve`: most often nothing
comes before its service, and it need not pass through the pending events.

A frame after which its port has nothing to send **ends quietly**: no event tells of it. What
it occupied is settled by whoever next looks at the port, or at the ingress lane that the
frame came by; so one such lane has at most one quiet frame.
"""

import numpy as np

from .access import get_lane, get_port
from .calendar import push_service
from .jit import jit, jit_inlined
from .pool import leave_ingress
from .tables import NOWHERE, PRIORITIES


@jit_inlined
def ask_to_serve(run, p):
    """Give port p a service event now, or when it has sent its frame; unless it has one."""
    port = get_port(run, p)
    if port.service_pending:
        return
    if port.busy_until_ps > run.now_ps:
        port.service_pending = 1
        push_service(run, port.busy_until_ps, p)
        return
    settle(run, p, run.now_ps)
    port.service_pending = 1
    if run.port_to_serve == NOWHERE:
        run.port_to_serve = p
    else:
        push_service(run, run.now_ps, p)


@jit_inlined
def announce_end(run, p):
    """Give port p, which has just started a frame, a service event at its end, if need be."""
    port = get_port(run, p)
    asked = port.waiting | port.pause_requests | port.notice_requested
    if asked == 0 and ends_quietly(run, p):
        return
    port.service_pending = 1
    push_service(run, port.busy_until_ps, p)


@jit_inlined
def ends_quietly(run, p):
    """Tell whether what the frame in service occupies can be settled later."""
    port = get_port(run, p)
    if port.released_lane == NOWHERE or port.released_queue == NOWHERE:
        return True
    lane = get_lane(run, port.released_queue)
    if lane.pool != NOWHERE:
        return False  # what it frees counts for others, too
    entered = get_port(run, port.released_queue // PRIORITIES)
    if entered.pausing >> (port.released_queue % PRIORITIES) & 1:
        return False
    settle_ingress(run, lane)
    if lane.quiet_port != NOWHERE:
        return False
    lane.quiet_port = p
    return True


@jit_inlined
def settle_ingress(run, lane):
    """Settle the quiet frame of an ingress lane, if it has ended before now."""
    if lane.quiet_port != NOWHERE:
        settle(run, np.int64(lane.quiet_port), run.now_ps)


@jit
def settle(run, p, before_ps):
    """Free what the last frame of port p occupied, if it has ended quietly before a time."""
    port = get_port(run, p)
    if has_ended_quietly(port, before_ps):
        run.clock_ps = max(run.clock_ps, port.busy_until_ps)
        release_buffer(run, p)


@jit
def has_ended_quietly(port, before_ps):
    """Tell whether the last frame of a port has ended before a time and is not settled."""
    if port.busy_until_ps == NOWHERE or port.service_pending:
        return False
    return port.busy_until_ps < before_ps


@jit_inlined
def release_buffer(run, p):
    """Free what the last frame of port p occupied, as an egress and as an ingress."""
    port = get_port(run, p)
    port.busy_until_ps = NOWHERE
    if port.released_lane == NOWHERE:
        return
    get_lane(run, port.released_lane).queued_bytes -= port.released_bytes
    port.queued_bytes -= port.released_bytes
    port.released_lane = NOWHERE
    if port.released_queue != NOWHERE:
        ingress = get_lane(run, port.released_queue)
        leave_ingress(run, ingress, np.int64(port.released_bytes))
        if ingress.quiet_port == p:
            ingress.quiet_port = NOWHERE
