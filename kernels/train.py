"""Trains: packets on a line that nobody has written out.

A cycle that is jumped over puts the same packets on a line again and again, a period later each
time. Only the first and the last period of them are written. In between stands a train: each
packet of it is what the two at its distance before make it, its arrival and its PSN as much later
again. It is a record in the ring, in the place of its first packet; the receiver writes that
packet out when it comes to it, and moves the train on by one place.
"""

import numpy as np

from .access import copy_packet, get_on_line
from .jit import jit, jit_apart
from .tables import NOWHERE, PSN_MODULUS, TRAIN

LEAST_PERIODS = 4  # in fewer there is too little to leave out


@jit
def put_train(line, number, end, distance):
    """Let the packets from a number up to an end be a train, with so many a period."""
    train = get_on_line(line, number)
    train.kind = TRAIN
    train.queue_pair = NOWHERE
    train.psn = distance
    train.arrival_ps = end


@jit
def end_of(train):
    """Return the number of the first packet after a train."""
    return train.arrival_ps


@jit
def distance_of(train):
    """Return how many packets of a train are one period."""
    return np.int64(train.psn)


@jit_apart
def write_out(line, number):
    """Write out the first packet of a train."""
    packet = get_on_line(line, number)
    end, distance = end_of(packet), distance_of(packet)
    before, first = get_on_line(line, number - distance), get_on_line(line, number - 2 * distance)
    copy_packet(before, packet)
    packet.arrival_ps = 2 * before.arrival_ps - first.arrival_ps
    packet.psn = (2 * before.psn - first.psn) % PSN_MODULUS
    if number + 1 < end:
        put_train(line, number + 1, end, distance)
