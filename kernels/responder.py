"""The receiving side of a reliable connection: order, ACKs, NAKs, completions.

The rules are Linux rxe's check_psn, one NAK a gap; with `nak_again_ps` those of ns-3's RDMA
model, whose receiver repeats it (DOMAIN 3; docs/protocol.md, "Queue pairs").
"""

import numpy as np

from .access import get_flow, get_operation, get_packet, get_requester, get_responder
from .completions import operation_delivered
from .jit import jit, jit_inlined
from .packets import take
from .port import enter_egress
from .requester import join_if_ready
from .serve import settle
from .tables import (
    ACK,
    ACK_REQUESTED,
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
    if packet.flags & ECN_MARKED:
        qp.np_ecn_marked_roce_packets += 1
    ahead = (packet.psn - qp.expected) % PSN_MODULUS
    if ahead == 0:
        accept(run, q, packet.payload_bytes, packet.flags, now_ps)
    elif ahead < PSN_MODULUS // 2:
        qp.out_of_sequence += 1
        again = qp.nak_again_ps > 0 and now_ps >= qp.nak_due_ps
        if again or not qp.nak_sent:
            qp.nak_sent = 1
            qp.nak_due_ps = now_ps + qp.nak_again_ps
            qp.naks_sent += 1
            respond(run, q, NAK, qp.expected)
    else:
        qp.duplicate_request += 1
        qp.acks_sent += 1
        respond(run, q, ACK, qp.expected - 1)


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
        flow.last_delivery_ps = now_ps
        if flow.first_delivery_ps == NOWHERE:
            flow.first_delivery_ps = now_ps
            flow.first_delivery_bytes = payload_bytes
    if flags & LAST_OF_MESSAGE:
        operation.messages_delivered += 1
        if operation.feeds != NOWHERE:
            fed = get_operation(run, operation.feeds)
            fed.credits += 1
            join_if_ready(run, np.int64(fed.queue_pair))
        if operation.messages_delivered == operation.messages:
            operation_delivered(run, o, now_ps)
    if flags & ACK_REQUESTED or qp.unacknowledged >= qp.ack_every:
        qp.acks_sent += 1
        respond(run, q, ACK, qp.expected - 1)


@jit
def respond(run, q, kind, number):
    """Queue an ACK or a NAK at the receiver's port."""
    qp = get_responder(run, q)
    p = np.int64(qp.receiver_port)
    priority = np.int64(qp.ack_priority)
    qp.unacknowledged = 0
    i = take(run, kind, q, number % PSN_MODULUS, qp.ack_bytes, priority)
    get_packet(run, i).at = qp.ack_path
    settle(run, p, run.now_ps)
    enter_egress(run, p, i, NOWHERE)
