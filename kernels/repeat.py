"""Selective repeat: the receiver holds what comes out of order, the sender sends only the gaps.

Like IRN (Mittal et al., "Revisiting Network Support for RDMA", SIGCOMM 2018, section 3.1): each
packet out of order draws a NAK that says what is expected and what came; the sender takes what
lies between for lost and sends it again, once; a retransmission that is lost too waits for the
ACK timer. Unlike IRN that timer then repeats all that is not acknowledged (docs/protocol.md).

`held` (receiver) and `acked` (sender) are rings of `reorder_packets` places, by packet number; no
more packets than that are ever outstanding.
"""

import numpy as np

from .access import (
    get_acked,
    get_held,
    get_operation,
    get_packet,
    get_requester,
    set_acked,
    set_held,
)
from .jit import jit, jit_apart
from .packets import take
from .tables import ACK_REQUESTED, DATA, LAST_OF_MESSAGE, PSN_MODULUS

PAYLOAD_BITS = 16
HELD = 1 << 32  # above payload and flags: a place that holds a packet is never 0


@jit
def hold(run, qp, ahead, packet):
    """Hold a packet that came too early; False if the receiver has it already."""
    place = qp.held_first + (qp.expected + ahead) % qp.reorder_packets
    if get_held(run, place):
        return False
    set_held(run, place, HELD | np.int64(packet.flags) << PAYLOAD_BITS | packet.payload_bytes)
    qp.held_packets += 1
    return True


@jit
def take_held(run, qp):
    """Return what is held of the expected packet, and forget it; 0 if that has not come."""
    place = qp.held_first + qp.expected % qp.reorder_packets
    held = get_held(run, place)
    if held:
        set_held(run, place, 0)
        qp.held_packets -= 1
    return held


@jit
def payload_of(held):
    """Return the payload of a held packet in bytes."""
    return held & ((1 << PAYLOAD_BITS) - 1)


@jit
def flags_of(held):
    """Return the flags of a held packet."""
    return (held & (HELD - 1)) >> PAYLOAD_BITS


@jit
def is_acked(run, qp, number):
    """Tell whether the receiver is known to hold a packet."""
    return get_acked(run, qp.acked_first + number % qp.reorder_packets) != 0


@jit
def note_acked(run, qp, number):
    """Note that the receiver holds a packet."""
    set_acked(run, qp.acked_first + number % qp.reorder_packets, 1)


@jit_apart
def move_on(run, qp, oldest):
    """Forget what was noted of packets before a new `oldest`."""
    for number in range(qp.oldest, min(oldest, qp.oldest + qp.reorder_packets)):
        set_acked(run, qp.acked_first + number % qp.reorder_packets, 0)
    qp.resend_next = max(qp.resend_next, oldest)
    qp.resend_end = max(qp.resend_end, oldest)


@jit
def first_gap(run, qp, number, end):
    """Return the first packet from a number up to an end that is not acknowledged, or the end."""
    while number < end and is_acked(run, qp, number):
        number += 1
    return number


@jit_apart
def any_to_repeat(run, qp):
    """Tell whether a packet is to be sent again; the first such is `resend_next` then."""
    qp.resend_next = first_gap(run, qp, qp.resend_next, qp.resend_end)
    return qp.resend_next < qp.resend_end


@jit_apart
def repeat_packet(run, q):
    """Make packet `resend_next` anew."""
    qp = get_requester(run, q)
    number = qp.resend_next
    qp.resend_next += 1
    operation = get_operation(run, np.int64(qp.oldest_operation))
    while number >= operation.first_packet + operation.packets:
        operation = get_operation(run, np.int64(operation.next_posted))
    message = (number - operation.first_packet) // operation.packets_a_message
    packet_of_message = (number - operation.first_packet) % operation.packets_a_message
    left = operation.bytes - message * operation.message_bytes
    left = min(left, operation.message_bytes) - packet_of_message * qp.mtu_bytes
    size = min(qp.mtu_bytes, left) + qp.overhead_bytes
    if packet_of_message == 0:
        size += qp.reth_bytes
    i = take(run, DATA, q, number % PSN_MODULUS, size, np.int64(qp.priority))
    packet = get_packet(run, i)
    packet.payload_bytes = min(qp.mtu_bytes, left)
    packet.at = qp.data_path
    packet.flags = ACK_REQUESTED
    if left <= qp.mtu_bytes:
        packet.flags |= LAST_OF_MESSAGE
    qp.retransmitted_packets += 1
    return i
