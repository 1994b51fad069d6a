"""Lines in a cycle: how much of what comes is known to go on; what a jump puts on and takes off.

Of what it has taken off a line the receiver keeps some (kernels/line.py), to compare with.
"""

import numpy as np

from .access import copy_packet, get_line, get_on_line
from .cycle_image import (
    LAST_PS,
    LINE_WORDS,
    RECEIVED,
    SENT,
    image_word,
    receives_from,
    sends_on,
    shape_of,
)
from .cycle_limits import MANY_PERIODS, UNKNOWN, at_most, moves_on, periods_refused, shift_of
from .jit import jit, jit_apart
from .line import KEPT_SHARE, room_on
from .tables import DATA, NAK, PFC, PSN_MODULUS, TRAIN
from .train import LEAST_PERIODS, distance_of, end_of, put_train, write_out

LARGEST_RING = 1 << 18  # packets, for the sake of cycles


@jit_apart
def limit_lines(run, g):
    """Limit by what has come so far; False if a line was not used as in any other period."""
    for i in range(run.lines_count):
        line = get_line(run, i)
        at = run.image_lines + LINE_WORDS * i
        sent = 0
        if sends_on(run, g, line):
            sent = line.sent - image_word(run, at, SENT)
            moved_ps = line.last_ps - image_word(run, at, LAST_PS)
            if moved_ps != (run.period_ps if sent > 0 else 0):
                return False
        if receives_from(run, g, line):
            received = line.received - image_word(run, at, RECEIVED)
            if line.is_inside and received != sent:
                return False
            if not is_kept(line, received):
                if line.ring_count < LARGEST_RING:
                    line.keeps_too_little = 1
                    run.lines_short = 1
                return False
            if received > 0 and line.received == line.visible and not line.is_inside:
                at_most(run, 0)
    return True


@jit_apart
def limit_by_room(run, g):
    """Limit by the room on the lines, and say where it is much too small."""
    wanted = run.most_periods
    for i in range(run.lines_count):
        line = get_line(run, i)
        if sends_on(run, g, line) and not line.is_inside:
            sent = line.sent - image_word(run, run.image_lines + LINE_WORDS * i, SENT)
            if sent > 0 and room_on(line) < wanted * sent:
                at_most(run, room_on(line) // sent)
                if line.ring_count < LARGEST_RING:
                    line.is_short = 1
                    run.lines_short = 1


@jit
def is_kept(line, packets):
    """Tell whether a line keeps two periods of so many packets of what has been taken off."""
    return 2 * packets <= line.ring_count // KEPT_SHARE


@jit_apart
def limit_by_what_comes(run, g):
    """Limit by how much of what is on the lines to here goes on as in the period."""
    for i in range(run.lines_count):
        line = get_line(run, i)
        if not receives_from(run, g, line):
            continue
        received = line.received - image_word(run, run.image_lines + LINE_WORDS * i, RECEIVED)
        if received == 0:
            continue
        on_it = line.visible - line.received
        if line.is_inside:
            # What is on it moves on as a whole.
            if known_to_come(run, g, line, received, on_it) < on_it:
                at_most(run, 0)
            continue
        known = known_to_come(run, g, line, received, run.most_periods * received + 1)
        # The first one that is left must be known, too: its arrival is announced.
        at_most(run, (min(known, on_it) - 1) // received)


@jit_apart
def known_to_come(run, g, line, received, most):
    """Return how many packets go on as the `received` before them, if not so many or more."""
    known = 0
    number = line.received
    while known < most and number < line.visible:
        packet = get_on_line(line, number)
        if packet.kind == TRAIN:
            if received != distance_of(packet):
                break
            if not all_come_again(run, g, line, number - received, number, received):
                break
            after = end_of(packet) + distance_of(packet)  # the last period of it is written
            refused = periods_train_is_refused(run, g, line, number, received)
            if number + refused * received < after:
                return number + refused * received - line.received
            number = after
        elif comes_again(run, g, line, number, received):
            number += 1
        else:
            break
        known = number - line.received
    return known


@jit
def periods_train_is_refused(run, g, line, number, received):
    """Return how many periods of a train are thrown away, if they are, for the same reason."""
    periods = np.int64(MANY_PERIODS)
    for before in range(number - received, number):
        packet = get_on_line(line, before)
        if packet.kind == DATA:
            q = np.int64(packet.queue_pair)
            periods = min(periods, periods_refused(run, g, q, packet.psn))
    return periods


@jit
def all_come_again(run, g, line, first, end, received):
    """Tell whether packets from one up to an end are those of the period before."""
    number = first
    while number < end and comes_again(run, g, line, number, received):
        number += 1
    return number == end


@jit_apart
def comes_again(run, g, line, number, received):
    """Tell whether a packet on a line is the one of the period before, a period later."""
    now, before = get_on_line(line, number), get_on_line(line, number - received)
    if now.arrival_ps - before.arrival_ps != run.period_ps:
        return False
    if shape_of(now) != shape_of(before) or now.at != before.at:
        return False
    if now.queue_pair != before.queue_pair or (now.kind == NAK and now.about != before.about):
        return False
    if now.kind >= PFC:
        return now.psn == before.psn
    return moves_on(run, g, now.kind, np.int64(now.queue_pair), now.psn, before.psn)


@jit_apart
def move_lines(run, g, periods):
    """Put on the lines what would have been, and take off what would have come."""
    for i in range(run.lines_count):
        line = get_line(run, i)  # of which another group, if there is one, writes the other fields
        at = run.image_lines + LINE_WORDS * i
        if line.is_inside:
            if sends_on(run, g, line) and line.sent != image_word(run, at, SENT):
                move_on_line(run, line, line.received - image_word(run, at, RECEIVED), periods)
        elif sends_on(run, g, line):
            sent = line.sent - image_word(run, at, SENT)
            if sent > 0:
                send_again(run, line, sent, periods)
        elif receives_from(run, g, line):
            received = line.received - image_word(run, at, RECEIVED)
            if received > 0:
                take_off(run, line, received, periods)


@jit
def move_on_line(run, line, received, periods):
    """Let what is on a line that ends in the same group, and what is kept, be so much later."""
    for number in range(max(0, line.received - 2 * received), line.sent):
        write_again(run, line, number, number, periods)
    line.last_ps += periods * run.period_ps


@jit
def send_again(run, line, sent, periods):
    """Put on a line so many times what was put there in the last period."""
    first = line.sent
    end = first + periods * sent
    written = end
    if periods >= LEAST_PERIODS and is_kept(line, sent):
        written = first + sent
    for number in range(first, written):
        write_again(run, line, number, number - sent, 1)
    if written < end:
        put_train(line, written, end - sent, sent)
        for number in range(end - sent, end):
            write_again(run, line, number, number - (periods - 1) * sent, periods - 1)
    line.sent = end
    line.last_ps += periods * run.period_ps


@jit
def write_again(run, line, number, before, periods):
    """Write a packet that is one of so many periods before."""
    packet = get_on_line(line, number)
    copy_packet(get_on_line(line, before), packet)
    packet.arrival_ps += periods * run.period_ps
    if packet.kind < PFC:
        move_psn(run, packet, periods)


@jit
def move_psn(run, packet, periods):
    """Let a packet be the one of so many periods later."""
    shift = shift_of(run, np.int64(packet.kind), np.int64(packet.queue_pair))
    if shift != UNKNOWN:
        packet.psn = (packet.psn + periods * shift) % PSN_MODULUS


@jit
def take_off(run, line, received, periods):
    """Take off a line so many times what was taken in the last period.

    What is kept to compare with, and to write out a train by, is written as it would have been.
    """
    first = line.received
    end = first + periods * received
    number = first
    while number < end:
        packet = get_on_line(line, number)
        if packet.kind != TRAIN:
            number += 1
            continue
        after, distance = end_of(packet), distance_of(packet)
        # The sender may look at what it has written: nothing but the train is written over.
        for unwritten in range(max(number, end - 2 * received), min(after, end)):
            past = (unwritten - first) // received + 1
            write_again(run, line, unwritten, unwritten - past * received, past)
        if end < after:
            put_train(line, end, after, distance)
        number = after
    line.received = end
    if get_on_line(line, end).kind == TRAIN:
        write_out(line, end)
