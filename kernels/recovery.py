"""What a sender makes of ACKs, of NAKs and of its timer: progress, going back, giving up.

Go-back-N as Linux rxe and ConnectX-4 class NICs do it, or selective repeat (kernels/repeat.py);
the timer and the retry count as the InfiniBand specification states them (DOMAIN 3;
docs/protocol.md, "Queue pairs").
"""

import numpy as np

from .access import get_operation, get_port, get_requester
from .completions import operation_sent
from .jit import jit, jit_apart
from .log import log
from .repeat import first_gap, move_on, note_acked
from .requester import join_if_ready, let_join
from .stall import end_stall, notice_loss
from .tables import (
    BY_NAK,
    BY_TIMEOUT,
    GO_BACK,
    NEVER_PS,
    NOWHERE,
    PSN_MODULUS,
    QP_ERROR,
    TIMEOUT,
)
from .timer import announce_timer, restart_timer, wait_after


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


@jit_apart
def receive_nak(run, q, psn, about, now_ps):
    """Handle a NAK (PSN sequence error): all before the PSN arrived, it did not."""
    qp = get_requester(run, q)
    qp.rx_naks += 1
    if qp.in_error:
        return
    advance = (psn - qp.oldest) % PSN_MODULUS
    if advance >= qp.newest - qp.oldest:
        return
    if qp.is_selective:
        fill_gaps(run, q, qp.oldest + advance, about, now_ps)
    else:
        go_back_to(run, q, qp.oldest + advance, now_ps)
    let_join(run, q)


@jit
def go_back_to(run, q, missing, now_ps):
    """Send again from the packet on that a NAK says is missing."""
    qp = get_requester(run, q)
    qp.packet_seq_err += 1
    log(run, qp.packet_seq_err, GO_BACK, q, missing)
    is_stuck = missing == qp.oldest
    if not is_stuck:
        advance_to(run, q, missing, now_ps)
    notice_loss(run, q, BY_NAK, now_ps)
    if exceeds_budget(run, q, now_ps):
        return
    if is_stuck and not qp.naks_repeat and spend_retry(run, q, now_ps):
        return
    go_back(run, q, now_ps)


@jit
def fill_gaps(run, q, missing, about, now_ps):
    """Send again what lies before the packet that a NAK says came out of order."""
    qp = get_requester(run, q)
    if missing > qp.oldest:
        advance_to(run, q, missing, now_ps)
    came = (about - qp.oldest) % PSN_MODULUS
    if came >= qp.newest - qp.oldest:
        return  # it has been acknowledged since
    end = qp.oldest + came
    note_acked(run, qp, end)
    if end <= qp.resend_end:
        return
    lost = first_gap(run, qp, qp.resend_end, end)
    if lost < end:
        qp.packet_seq_err += 1
        log(run, qp.packet_seq_err, GO_BACK, q, lost)
        notice_loss(run, q, BY_NAK, now_ps)
        if exceeds_budget(run, q, now_ps):
            return
        restart_slowly(run, q)
    qp.resend_end = end


@jit_apart
def ack_timer(run, q, now_ps):
    """Handle an event of the ACK timer; False if it was void, the deadline having moved."""
    qp = get_requester(run, q)
    qp.timer_pending = 0
    if qp.deadline_ps == NEVER_PS:
        return False
    if qp.deadline_ps > now_ps:
        announce_timer(run, q)
        return False
    # Of the short timers of adaptive retransmission only the first spends a retry.
    is_free = qp.timeouts_in_a_row > 0 and wait_after(qp, qp.timeouts_in_a_row) < qp.timeout_ps
    qp.local_ack_timeout_err += 1
    qp.timeouts_in_a_row += 1
    log(run, qp.local_ack_timeout_err, TIMEOUT, q, qp.oldest)
    notice_loss(run, q, BY_TIMEOUT, now_ps)
    if exceeds_budget(run, q, now_ps):
        return True
    if is_free or not spend_retry(run, q, now_ps):
        if qp.is_selective:
            qp.resend_next = qp.oldest
            qp.resend_end = qp.newest
            restart_slowly(run, q)
            restart_timer(run, q, now_ps)
        else:
            go_back(run, q, now_ps)
        let_join(run, q)
    return True


@jit
def spend_retry(run, q, now_ps):
    """Count one retry; True if that was one too many and the queue pair is in error."""
    qp = get_requester(run, q)
    qp.retries_used += 1
    if qp.retries_used <= qp.retries:
        return False
    give_up(run, q, now_ps)
    return True


@jit
def exceeds_budget(run, q, now_ps):
    """Count one retry of a period; True if that was one too many and it is in error.

    As drivers that count retries over time do, so that a line too bad to be used ends the
    connection though each loss alone is mended (DOMAIN 3, WinOF-2).
    """
    qp = get_requester(run, q)
    if qp.budget_retries == 0:
        return False
    if now_ps >= qp.period_end_ps:
        qp.period_retries = 0
        qp.period_end_ps = now_ps + qp.budget_ps
    qp.period_retries += 1
    if qp.period_retries <= qp.budget_retries:
        return False
    qp.over_budget = 1
    give_up(run, q, now_ps)
    return True


@jit
def give_up(run, q, now_ps):
    """Put a queue pair into error."""
    qp = get_requester(run, q)
    qp.in_error = 1
    qp.error_ps = now_ps
    qp.req_transport_retries_exceeded += 1
    log(run, qp.req_transport_retries_exceeded, QP_ERROR, q, qp.oldest)
    qp.deadline_ps = NEVER_PS
    end_stall(run, q, now_ps, NOWHERE)


@jit
def go_back(run, q, now_ps):
    """Send again from the oldest unacknowledged packet on."""
    seek_oldest(run, get_requester(run, q))
    restart_slowly(run, q)
    restart_timer(run, q, now_ps)


@jit
def restart_slowly(run, q):
    """Begin anew with a few packets outstanding, unless the line has told why one was lost."""
    qp = get_requester(run, q)
    if qp.restart_packets == 0:
        return
    if qp.line_port != NOWHERE:
        told_ps = get_port(run, np.int64(qp.line_port)).error_told_ps
        if told_ps != NOWHERE and told_ps + qp.round_trip_ps >= qp.moved_ps:
            qp.kept_rate += 1
            return
    qp.is_slow = 1
    qp.allowed_packets = qp.restart_packets


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


@jit_apart
def advance_to(run, q, oldest, now_ps):
    """Do as `progress`, called where that is seldom."""
    progress(run, q, oldest, now_ps)


@jit
def progress(run, q, oldest, now_ps):
    """Note that all packets before `oldest` are acknowledged."""
    qp = get_requester(run, q)
    if qp.is_slow:
        qp.allowed_packets += oldest - qp.oldest
        if qp.allowed_packets * qp.mtu_bytes >= qp.window_bytes:
            qp.is_slow = 0
            qp.allowed_packets = 0
    if qp.is_stalled:
        end_stall(run, q, now_ps, now_ps)
    if qp.is_selective:
        move_on(run, qp, oldest)
    qp.oldest = oldest
    qp.moved_ps = now_ps
    if qp.retries_used > 0:
        qp.retries_used = 0
        qp.timeouts_in_a_row = 0
    first = np.int64(qp.oldest_operation)
    operation = get_operation(run, first)
    while oldest >= operation.first_packet + operation.packets and operation.next_posted != NOWHERE:
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
