"""The sending side of a reliable connection: window, ACKs, go-back-N, ACK timer, retries.

Go-back-N as Linux rxe and ConnectX-4 class NICs do it; the timer and the retry count as
the InfiniBand specification states them (DOMAIN 3; docs/protocol.md, "Queue pairs").
"""

import numpy as np

from .access import get_flow, get_lane, get_operation, get_packet, get_port, get_requester
from .calendar import ACK_TIMER, push
from .completions import operation_sent
from .jit import jit, jit_inlined
from .link import start_frame
from .log import log
from .packets import take
from .serve import ask_to_serve
from .tables import (
    ACK_REQUESTED,
    DATA,
    GO_BACK,
    LAST_OF_MESSAGE,
    MAX_OUTSTANDING_PACKETS,
    NEVER_PS,
    NOWHERE,
    PRIORITIES,
    PSN_MODULUS,
    QP_ERROR,
    TIMEOUT,
)


@jit
def next_payload(qp, operation):
    """Return the payload of packet `next` in bytes."""
    before = qp.next_message * operation.message_bytes
    message = min(operation.message_bytes, operation.bytes - before)
    return min(qp.mtu_bytes, message - qp.next_packet * qp.mtu_bytes)


@jit
def can_send(run, qp):
    """Tell whether packet `next` exists, has its message's credit and fits in the window."""
    if qp.in_error or qp.next >= qp.posted:
        return False
    operation = get_operation(run, qp.next_operation)
    return qp.next_message < operation.credits and fits_window(qp, operation)


@jit
def fits_window(qp, operation):
    """Tell whether packet `next`, which is of this operation, fits in the window."""
    if qp.next - qp.oldest >= MAX_OUTSTANDING_PACKETS:
        return False
    outstanding = qp.next_byte - qp.oldest_byte
    return outstanding + next_payload(qp, operation) <= qp.window_bytes


@jit
def join_if_ready(run, q):
    """Put queue pair q at the end of its host's list of those that can send."""
    qp = get_requester(run, q)
    if qp.ready or not can_send(run, qp):
        return
    p = np.int64(qp.sender_port)
    join_ready(run, get_lane(run, p * PRIORITIES + qp.priority), q)
    get_port(run, p).waiting |= 1 << qp.priority
    ask_to_serve(run, p)


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
            if can_send(run, qp):
                join_ready(run, lane, q)
    if lane.ready_head == NOWHERE and lane.head == NOWHERE:
        get_port(run, p).waiting &= ~(1 << priority)
    return sent


@jit_inlined
def send_data(run, q, now_ps):
    """Make packet `next` and start its service."""
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
    first_outstanding = qp.oldest == qp.newest
    if qp.next < qp.newest:
        qp.retransmitted_packets += 1
    qp.tx_packets += 1
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
    departure = start_frame(run, np.int64(qp.sender_port), i, now_ps)
    if first_outstanding:
        restart_timer(run, q, departure)


@jit
def receive_ack(run, q, psn, now_ps):
    """Handle a cumulative ACK of all packets up to and with a PSN."""
    qp = get_requester(run, q)
    qp.rx_acks += 1
    if qp.in_error:
        return
    advance = (psn + 1 - qp.oldest) % PSN_MODULUS
    if 0 < advance <= qp.newest - qp.oldest:
        progress(run, q, qp.oldest + advance, now_ps)
        join_if_ready(run, q)


@jit
def receive_nak(run, q, psn, now_ps):
    """Handle a NAK (PSN sequence error): all before the PSN arrived, it did not."""
    qp = get_requester(run, q)
    qp.rx_naks += 1
    if qp.in_error:
        return
    advance = (psn - qp.oldest) % PSN_MODULUS
    if advance >= qp.newest - qp.oldest:
        return
    qp.packet_seq_err += 1
    log(run, qp.packet_seq_err, GO_BACK, q, qp.oldest + advance)
    if advance > 0:
        progress(run, q, qp.oldest + advance, now_ps)
    elif not qp.naks_repeat and spend_retry(run, q, now_ps):
        return
    go_back(run, q, now_ps)
    join_if_ready(run, q)


@jit
def ack_timer(run, q, now_ps):
    """Handle an event of the ACK timer; False if it was void, the deadline having moved."""
    qp = get_requester(run, q)
    qp.timer_pending = 0
    if qp.deadline_ps == NEVER_PS:
        return False
    if qp.deadline_ps > now_ps:
        qp.timer_pending = 1
        push(run, qp.deadline_ps, ACK_TIMER, q)
        return False
    qp.local_ack_timeout_err += 1
    log(run, qp.local_ack_timeout_err, TIMEOUT, q, qp.oldest)
    if not spend_retry(run, q, now_ps):
        go_back(run, q, now_ps)
        join_if_ready(run, q)
    return True


@jit
def spend_retry(run, q, now_ps):
    """Count one retry; True if that was one too many and the queue pair is in error."""
    qp = get_requester(run, q)
    qp.retries_used += 1
    if qp.retries_used <= qp.retries:
        return False
    qp.in_error = 1
    qp.error_ps = now_ps
    qp.req_transport_retries_exceeded += 1
    log(run, qp.req_transport_retries_exceeded, QP_ERROR, q, qp.oldest)
    qp.deadline_ps = NEVER_PS
    return True


@jit
def restart_timer(run, q, from_ps):
    """Let the ACK timer run from a time on."""
    qp = get_requester(run, q)
    if qp.timeout_ps == 0:
        return
    qp.deadline_ps = from_ps + qp.timeout_ps
    if not qp.timer_pending:
        qp.timer_pending = 1
        push(run, qp.deadline_ps, ACK_TIMER, q)


@jit
def go_back(run, q, now_ps):
    """Send again from the oldest unacknowledged packet on."""
    seek_oldest(run, get_requester(run, q))
    restart_timer(run, q, now_ps)


@jit
def seek_oldest(run, qp):
    """Move `next` and its place among the messages to packet `oldest`."""
    operation = get_operation(run, qp.oldest_operation)
    packet = qp.oldest - operation.first_packet
    qp.next = qp.oldest
    qp.next_byte = qp.oldest_byte
    qp.next_operation = qp.oldest_operation
    qp.next_message = packet // operation.packets_a_message
    qp.next_packet = packet - qp.next_message * operation.packets_a_message


@jit
def progress(run, q, oldest, now_ps):
    """Note that all packets before `oldest` are acknowledged."""
    qp = get_requester(run, q)
    qp.oldest = oldest
    qp.retries_used = 0
    first = np.int64(qp.oldest_operation)
    operation = get_operation(run, first)
    while oldest >= operation.first_packet + operation.packets and oldest < qp.posted:
        qp.oldest_operation = operation.next_posted
        operation = get_operation(run, qp.oldest_operation)
    packet = oldest - operation.first_packet
    message = packet // operation.packets_a_message
    place = message * operation.message_bytes
    place += (packet - message * operation.packets_a_message) * qp.mtu_bytes
    qp.oldest_byte = operation.first_byte + min(place, operation.bytes)
    if qp.next < oldest:
        seek_oldest(run, qp)
    if oldest == qp.newest:
        qp.deadline_ps = NEVER_PS
    else:
        restart_timer(run, q, now_ps)
    o = first
    while o != NOWHERE:
        operation = get_operation(run, o)
        if oldest < operation.first_packet + operation.packets:
            break
        operation_sent(run, o, now_ps)
        o = operation.next_posted
