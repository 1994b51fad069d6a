"""The receiving side of a reliable connection: order, ACKs, NAKs, CNPs, completions.

The rules are Linux rxe's check_psn, one NAK a gap; with `nak_again_ps` those of ns-3's RDMA
model, whose receiver repeats it; with `reorder_packets` it holds what comes too early
(DOMAIN 3; docs/protocol.md, "Queue pairs").
"""

import numpy as np

from .access import get_flow, get_operation, get_packet, get_requester, get_responder
from .completions import operation_delivered
from .cycle_anchor import pass_anchor
from .cycle_note import tape
from .jit import jit, jit_apart, jit_inlined
from .packets import take
from .port import count_stored, enter_egress, wait_in_egress
from .repeat import flags_of, hold, payload_of, take_held
from .requester import let_join
from .serve import settle
from .tables import (
    ACK,
    ACK_REQUESTED,
    CNP,
    DELIVERS,
    ECN_MARKED,
    LAST_OF_MESSAGE,
    NAK,
    NOWHERE,
    PSN_MODULUS,
)


@jit_inlined
def receive_data(run, q, i, now_ps):
    """Handle data packet i of queue pair q at its receiver."""
    qp = get_responder(run, q)
    packet = get_packet(run, i)
    qp.rx_packets += 1
    pass_anchor(run, q, 1, packet)
    if packet.flags & ECN_MARKED:
        report_congestion(run, q, now_ps)
    ahead = (packet.psn - qp.expected) % PSN_MODULUS
    if ahead == 0:
        asked = take_in(run, q, packet.payload_bytes, packet.flags, now_ps)
        if asked or qp.unacknowledged >= qp.ack_every:
            acknowledge(run, q)
    elif ahead < PSN_MODULUS // 2:
        receive_early(run, q, packet, ahead, now_ps)
    else:
        qp.duplicate_request += 1
        acknowledge(run, q)


@jit_inlined
def take_in(run, q, payload_bytes, flags, now_ps):
    """Accept the expected packet, and those held behind it; tell whether an ACK is due at once."""
    qp = get_responder(run, q)
    asked = flags & ACK_REQUESTED
    held = qp.held_packets
    while True:
        accept(run, q, payload_bytes, flags, now_ps)
        if qp.held_packets == 0:
            return asked | held
        one = take_held(run, qp)
        if one == 0:
            return asked | held
        payload_bytes = payload_of(one)
        flags = flags_of(one)


@jit_apart
def receive_early(run, q, packet, ahead, now_ps):
    """Handle a packet that comes before one that is missing."""
    qp = get_responder(run, q)
    if qp.reorder_packets > 0:
        if hold(run, qp, ahead, packet):
            qp.out_of_sequence += 1
        else:
            qp.duplicate_request += 1
        complain(run, q, np.int64(packet.psn), now_ps)
        return
    qp.out_of_sequence += 1
    again = qp.nak_again_ps > 0 and now_ps >= qp.nak_due_ps
    if again or not qp.nak_sent:
        complain(run, q, 0, now_ps)


@jit
def complain(run, q, about, now_ps):
    """Send a NAK of the expected packet, and say which one came."""
    qp = get_responder(run, q)
    qp.nak_sent = 1
    qp.nak_due_ps = now_ps + qp.nak_again_ps
    qp.naks_sent += 1
    answer(run, q, NAK, qp.expected, about)


@jit
def acknowledge(run, q):
    """Send an ACK of all before the expected packet."""
    qp = get_responder(run, q)
    qp.acks_sent += 1
    answer(run, q, ACK, qp.expected - 1, 0)


@jit
def answer(run, q, kind, number, about):
    """Send an ACK or a NAK, at most one an event and its last frame, from the receiver's port."""
    qp = get_responder(run, q)
    qp.unacknowledged = 0
    p = np.int64(qp.receiver_port)
    priority = np.int64(qp.ack_priority)
    i = take(run, kind, q, number % PSN_MODULUS, qp.ack_bytes, priority)
    packet = get_packet(run, i)
    packet.about = about
    packet.at = qp.ack_path
    settle(run, p, run.now_ps)
    enter_egress(run, p, i, NOWHERE)


@jit_apart
def report_congestion(run, q, now_ps):
    """Count a packet that was marked, and send a CNP, if the last one is long enough ago."""
    qp = get_responder(run, q)
    qp.np_ecn_marked_roce_packets += 1
    if qp.cnp_ps == 0 or now_ps < qp.cnp_due_ps:
        return
    qp.cnp_due_ps = now_ps + qp.cnp_ps
    qp.np_cnp_sent += 1
    p = np.int64(qp.receiver_port)
    i = take(run, CNP, q, 0, qp.cnp_bytes, np.int64(qp.cnp_priority))
    get_packet(run, i).at = qp.ack_path
    settle(run, p, run.now_ps)
    count_stored(run, p, i)
    wait_in_egress(run, p, i)  # an ACK that goes before it may follow in this event


@jit_inlined
def accept(run, q, payload_bytes, flags, now_ps):
    """Take in the expected packet."""
    qp = get_responder(run, q)
    qp.expected += 1
    qp.nak_sent = 0
    qp.unacknowledged += 1
    if qp.receive_operation == NOWHERE:
        qp.receive_operation = get_requester(run, q).first_posted
    o = np.int64(qp.receive_operation)
    operation = get_operation(run, o)
    if operation.messages_delivered == operation.messages:
        o = operation.next_posted
        qp.receive_operation = o
        operation = get_operation(run, o)
    if operation.flow != NOWHERE:
        flow = get_flow(run, operation.flow)
        flow.delivered_bytes += payload_bytes
        flow.bin_bytes += payload_bytes
        if run.taping:
            tape(run, DELIVERS, np.int64(operation.flow), payload_bytes, NOWHERE, 0)
        flow.last_delivery_ps = now_ps
        if flow.first_delivery_ps == NOWHERE:
            flow.first_delivery_ps = now_ps
            flow.first_delivery_bytes = payload_bytes
    if flags & LAST_OF_MESSAGE:
        operation.messages_delivered += 1
        if operation.feeds != NOWHERE:
            fed = get_operation(run, operation.feeds)
            fed.credits += 1
            let_join(run, np.int64(fed.queue_pair))
        if operation.messages_delivered == operation.messages:
            operation_delivered(run, o, now_ps)
