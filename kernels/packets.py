"""Packets: a pool with a free list, and the FIFOs they stand in.

A packet is in one place at a time: free, queued in a lane, or in flight on a link.
"""

import numpy as np

from .access import get_packet
from .jit import jit_inlined
from .tables import NOWHERE

PACKETS_AN_EVENT = 4  # at most; the engine keeps as many free


@jit_inlined
def take_any(run):
    """Take a packet from the pool, as it is."""
    i = run.free_head
    packet = get_packet(run, i)
    run.free_head = packet.next
    run.free_packets -= 1
    packet.next = NOWHERE
    return i


@jit_inlined
def take(run, kind, queue_pair, psn, size_bytes, priority):
    """Take a packet from the pool and address it; its path and payload are the caller's."""
    i = take_any(run)
    packet = get_packet(run, i)
    packet.kind = kind
    packet.queue_pair = queue_pair
    packet.psn = psn
    packet.size_bytes = size_bytes
    packet.payload_bytes = 0
    packet.priority = priority
    packet.flags = 0
    return i


@jit_inlined
def give_back(run, i):
    """Return a packet to the pool."""
    get_packet(run, i).next = run.free_head
    run.free_head = i
    run.free_packets += 1


@jit_inlined
def join_queue(run, lane, i):
    """Append packet i to a lane's FIFO."""
    if lane.head == NOWHERE:
        lane.head = i
    else:
        get_packet(run, lane.tail).next = i
    lane.tail = i


@jit_inlined
def leave_queue(run, lane):
    """Remove and return the packet at the head of a lane's FIFO."""
    i = np.int64(lane.head)
    lane.head = get_packet(run, i).next
    get_packet(run, i).next = NOWHERE
    return i


@jit_inlined
def join_flight(run, port, i):
    """Append packet i to what is on the cable that leaves a port."""
    if port.flight_head == NOWHERE:
        port.flight_head = i
    else:
        get_packet(run, port.flight_tail).next = i
    port.flight_tail = i


@jit_inlined
def leave_flight(run, port, i):
    """Remove packet i, which reaches the end of the cable first."""
    port.flight_head = get_packet(run, i).next
    get_packet(run, i).next = NOWHERE
