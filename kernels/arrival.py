"""Arrival of a frame: at a switch or OTN terminal it is admitted or dropped, at a host consumed.

An OTN terminal is a switch of few ports and deep buffers: see wanrdma/build/topology.py.
"""

import numpy as np

from .access import get_lane, get_near, get_packet, get_port
from .calendar import push_arrival
from .jit import jit, jit_apart, jit_in_place, jit_inlined
from .line import take_from_line
from .log import log
from .notice import request_notice
from .packets import give_back, leave_flight
from .pfc import pause_if_full, receive_pause_frame
from .pool import REFUSED, STORED, STORED_ABOVE_XOFF, admit
from .port import enter_egress
from .probe import record
from .random import ecn_stream, uniform
from .rate import receive_cnp
from .recovery import receive_ack, receive_nak
from .responder import receive_data
from .serve import settle, settle_ingress
from .tables import (
    ACK,
    DAMAGED,
    DATA,
    DROP_CONGESTION,
    DROP_ERROR,
    DROP_LINE,
    ECN_MARKED,
    LOST,
    NAK,
    NOTICE,
    NOWHERE,
    PFC,
    PREAMBLE_AND_GAP_BYTES,
    PRIORITIES,
)


@jit_in_place
def arrive(run, p, now_ps):
    """Handle the arrival of a frame at port p."""
    near = get_near(run, 2 * p)
    egress = np.int64(near.egress)
    sender = np.int64(get_port(run, p).peer)
    i = np.int64(near.packet)
    if i == NOWHERE:
        i = take_from_line(run, np.int64(get_port(run, p).line_in))
        p = np.int64(get_port(run, p).stands_for)
    else:
        take_from_cable(run, sender, i)
    packet = get_packet(run, i)
    record(run, now_ps, p, i, 1)
    if packet.flags & (DAMAGED | LOST):
        lose(run, p, i)
        give_back(run, i)
    elif packet.kind == PFC:
        receive_pause_frame(run, p, np.int64(packet.psn), sender, now_ps)
        give_back(run, i)
    elif packet.kind == NOTICE:
        get_port(run, p).error_told_ps = now_ps
        give_back(run, i)
    else:
        get_port(run, p).rx_packets += 1
        packet.at += 1
        if egress == NOWHERE:
            consume(run, i, now_ps)
            give_back(run, i)
        else:
            forward(run, p, egress, i)


@jit_apart
def lose(run, p, i):
    """Count packet i, which comes to port p damaged, or would have but for its broken line."""
    port = get_port(run, p)
    packet = get_packet(run, i)
    if packet.flags & LOST:
        port.lost_on_line += 1
        log(run, port.lost_on_line, DROP_LINE, p, np.int64(packet.queue_pair))
    else:
        port.rx_crc_errors += 1
        log(run, port.rx_crc_errors, DROP_ERROR, p, np.int64(packet.queue_pair))
    if packet.kind == PFC:
        port.lost_pause += 1
    if packet.kind == NOTICE:
        port.lost_notices += 1
    elif port.notifies and not packet.flags & LOST:
        request_notice(run, p)


@jit_inlined
def take_from_cable(run, sender, i):
    """Take the first frame from the cable that leaves from a port, and announce the next one."""
    port = get_port(run, sender)
    leave_flight(run, port, i)
    following = np.int64(port.flight_head)
    if following != NOWHERE:
        push_arrival(run, sender, get_packet(run, following), following)


@jit_in_place
def consume(run, i, now_ps):
    """Hand a packet that has reached its host to its queue pair."""
    packet = get_packet(run, i)
    q = np.int64(packet.queue_pair)
    if packet.kind == DATA:
        receive_data(run, q, i, now_ps)
    elif packet.kind == ACK:
        receive_ack(run, q, np.int64(packet.psn), now_ps)
    elif packet.kind == NAK:
        receive_nak(run, q, np.int64(packet.psn), np.int64(packet.about), now_ps)
    else:
        receive_cnp(run, q, now_ps)


@jit_inlined
def forward(run, ingress, egress, i):
    """Store packet i, which came in by one port, to leave by another; or drop it."""
    packet = get_packet(run, i)
    priority = packet.priority
    entered_index = ingress * PRIORITIES + priority
    entered = get_lane(run, entered_index)
    lane = get_lane(run, egress * PRIORITIES + priority)
    stored = packet.size_bytes - PREAMBLE_AND_GAP_BYTES
    settle_ingress(run, entered)
    settle(run, egress, run.now_ps)
    out = get_port(run, egress)
    if out.storming >> priority & 1 and out.watch_drops:
        lane.drops_watchdog += 1
        give_back(run, i)
        return
    how = STORED
    if entered.ingress_limit_bytes > 0:
        how = admit(run, entered, stored)
        if how == REFUSED:
            entered.drops_congestion += 1
            entered.episode_drop_bytes += stored
            entered.missing_bytes = max(entered.missing_bytes, entered.episode_drop_bytes)
            log_drop(run, entered, entered_index, i)
            if entered.pool == NOWHERE or entered.ingress_bytes > 0:
                pause_if_full(run, entered_index)  # else nothing would ever leave it, and end that
            give_back(run, i)
            return
    elif lane.queued_bytes + stored > lane.queue_limit_bytes:
        lane.drops_congestion += 1
        log_drop(run, lane, egress * PRIORITIES + priority, i)
        give_back(run, i)
        return
    else:
        entered.ingress_bytes += stored
        entered.max_ingress_bytes = max(entered.max_ingress_bytes, entered.ingress_bytes)
    if lane.ecn_max_bytes > 0 and packet.kind == DATA and mark(run, egress, lane):
        packet.flags |= ECN_MARKED
        lane.ecn_marked += 1
    if how == STORED_ABOVE_XOFF:
        pause_if_full(run, entered_index)
    enter_egress(run, egress, i, entered_index)


@jit
def log_drop(run, lane, lane_index, i):
    """Note that a lane had no room for packet i."""
    about = np.int64(get_packet(run, i).queue_pair)
    log(run, lane.drops_congestion, DROP_CONGESTION, lane_index, about)


@jit
def mark(run, egress, lane):
    """Draw whether a packet that joins an egress lane is ECN-marked."""
    above = lane.queued_bytes - lane.ecn_min_bytes
    if above <= 0:
        return False
    if lane.queued_bytes >= lane.ecn_max_bytes:
        return True
    port = get_port(run, egress)
    u = uniform(run.seed, ecn_stream(egress), port.ecn_draws)
    port.ecn_draws += 1
    return u < lane.ecn_probability * above / (lane.ecn_max_bytes - lane.ecn_min_bytes)
