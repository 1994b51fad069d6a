"""The sending side of a reliable connection: which packet goes next, and whether it may.

What is made of ACKs, NAKs and timers is in kernels/recovery.py (docs/protocol.md, "Queue pairs").
"""

import numpy as np

from .access import get_flow, get_lane, get_operation, get_packet, get_port, get_requester
from .cycle_anchor import pass_anchor
from .jit import jit, jit_apart, jit_inlined
from .link import start_frame
from .packets import take
from .rate import must_wait, space_out
from .repeat import any_to_repeat, repeat_packet
from .serve import ask_to_serve
from .tables import (
    ACK_REQUESTED,
    DATA,
    LAST_OF_MESSAGE,
    MAX_OUTSTANDING_PACKETS,
    NOWHERE,
    PRIORITIES,
    PSN_MODULUS,
)
from .timer import restart_timer


@jit
def next_payload(qp, operation):
    """Return the payload of packet `next` in bytes."""
    before = qp.next_message * operation.message_bytes
    message = min(operation.message_bytes, operation.bytes - before)
    return min(qp.mtu_bytes, message - qp.next_packet * qp.mtu_bytes)


@jit
def can_send(run, qp):
    """Tell whether a packet is to be repeated, or packet `next` may be sent.

    It may if it exists, has its message's credit and fits in the window.
    """
    if qp.in_error:
        return False
    if qp.is_selective and any_to_repeat(run, qp):
        return True
    if qp.next >= qp.posted:
        return False
    operation = get_operation(run, qp.next_operation)
    return qp.next_message < operation.credits and fits_window(qp, operation)


@jit
def fits_window(qp, operation):
    """Tell whether packet `next`, which is of this operation, fits in the window."""
    if qp.next - qp.oldest >= MAX_OUTSTANDING_PACKETS:
        return False
    if qp.is_selective and qp.next - qp.oldest >= qp.reorder_packets:
        return False
    if qp.is_slow and qp.next - qp.oldest >= qp.allowed_packets:
        return False
    outstanding = qp.next_byte - qp.oldest_byte
    return outstanding + next_payload(qp, operation) <= qp.window_bytes


@jit
def join_if_ready(run, q):
    """Put queue pair q at the end of its host's list of those that can send, if it can."""
    qp = get_requester(run, q)
    if qp.ready or not can_send(run, qp) or (qp.has_rate and must_wait(run, q)):
        return
    p = np.int64(qp.sender_port)
    join_ready(run, get_lane(run, p * PRIORITIES + qp.priority), q)
    get_port(run, p).waiting |= 1 << qp.priority
    ask_to_serve(run, p)


@jit_apart
def let_join(run, q):
    """Do as `join_if_ready`, called where that is seldom."""
    join_if_ready(run, q)


@jit
def join_ready(run, lane, q):
    """Append queue pair q to a lane's list of ready ones."""
    get_requester(run, q).ready = 1
    get_requester(run, q).next_ready = NOWHERE
    if lane.ready_head == NOWHERE:
        lane.ready_head = q
    else:
        get_requester(run, lane.ready_tail).next_ready = q
    lane.ready_tail = q


@jit_inlined
def send_next(run, p, priority, now_ps):
    """Send one packet of the first ready queue pair that still can; False if none can."""
    lane = get_lane(run, p * PRIORITIES + priority)
    sent = False
    while lane.ready_head != NOWHERE and not sent:
        q = np.int64(lane.ready_head)
        qp = get_requester(run, q)
        lane.ready_head = qp.next_ready
        qp.ready = 0
        if can_send(run, qp):
            send_data(run, q, now_ps)
            sent = True
            if can_send(run, qp) and not (qp.has_rate and must_wait(run, q)):
                join_ready(run, lane, q)
    if lane.ready_head == NOWHERE and lane.head == NOWHERE:
        get_port(run, p).waiting &= ~(1 << priority)
    return sent


@jit_inlined
def send_data(run, q, now_ps):
    """Start the service of the next packet of queue pair q."""
    qp = get_requester(run, q)
    first_outstanding = qp.oldest == qp.newest
    if qp.is_selective and any_to_repeat(run, qp):
        i = repeat_packet(run, q)
    else:
        i = make_next(run, q, now_ps)
    qp.tx_packets += 1
    pass_anchor(run, q, 0, get_packet(run, i))
    departure = start_frame(run, np.int64(qp.sender_port), i, now_ps)
    if first_outstanding:
        qp.moved_ps = now_ps
        restart_timer(run, q, departure)
    if qp.has_rate:
        space_out(run, q, np.int64(get_packet(run, i).size_bytes), now_ps)


@jit_inlined
def make_next(run, q, now_ps):
    """Make packet `next`."""
    qp = get_requester(run, q)
    operation = get_operation(run, qp.next_operation)
    payload = next_payload(qp, operation)
    size = payload + qp.overhead_bytes
    if qp.next_packet == 0:
        size += qp.reth_bytes
        if qp.next_message == 0 and operation.flow != NOWHERE:
            flow = get_flow(run, operation.flow)
            if flow.first_bit_ps == NOWHERE:
                flow.first_bit_ps = now_ps
    i = take(run, DATA, q, qp.next % PSN_MODULUS, size, np.int64(qp.priority))
    packet = get_packet(run, i)
    packet.payload_bytes = payload
    packet.at = qp.data_path
    if qp.next < qp.newest:
        qp.retransmitted_packets += 1
    qp.next += 1
    qp.newest = max(qp.newest, qp.next)
    qp.next_byte += payload
    qp.next_packet += 1
    message_end = min((qp.next_message + 1) * operation.message_bytes, operation.bytes)
    if operation.first_byte + message_end == qp.next_byte:
        packet.flags = LAST_OF_MESSAGE | ACK_REQUESTED
        qp.next_packet = 0
        qp.next_message += 1
        if qp.next_message == operation.messages and operation.next_posted != NOWHERE:
            qp.next_operation = operation.next_posted
            qp.next_message = 0
    elif not fits_window(qp, operation):
        packet.flags = ACK_REQUESTED
    return i
