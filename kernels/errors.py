"""Error processes: which of the frames that a port sends are damaged.

Each draws the gap to the next bad bit, packet or block, so a line of 1e-12 costs no more than
a clean one. docs/error-processes.md says how to add one.
"""

import math

import numpy as np

from .access import get_error_change, get_errors, get_spell
from .jit import jit, jit_apart
from .random import error_stream, uniform
from .tables import (
    BITS,
    DAMAGED,
    GILBERT_ELLIOTT,
    LOST,
    PACKETS,
    PREAMBLE_AND_GAP_BYTES,
    PREAMBLE_BYTES,
)

LONGEST_GAP = 1 << 62


@jit_apart
def what_hits(run, p, size_bytes, ps_per_byte, now_ps):
    """Return what becomes of the frame that is sent from now on by the way of port p: a flag."""
    errors = get_errors(run, p)
    end_ps = now_ps + size_bytes * ps_per_byte
    if errors.spell < errors.spell_end and is_down(run, errors, now_ps, end_ps):
        return LOST
    if errors.change < errors.change_end:
        take_changes(run, errors, now_ps)
    return DAMAGED if hits_frame(run, p, size_bytes, ps_per_byte, now_ps) else 0


@jit
def is_down(run, errors, from_ps, to_ps):
    """Tell whether the line breaks, or is broken, while what is sent in a time is on it."""
    while errors.spell < errors.spell_end:
        spell = get_spell(run, errors.spell)
        if spell.to_ps > from_ps:
            return spell.from_ps < to_ps
        errors.spell += 1
    return False


@jit
def hits_frame(run, p, size_bytes, ps_per_byte, now_ps):
    """Tell whether a frame is damaged that begins now."""
    errors = get_errors(run, p)
    if errors.log_survival == -math.inf:
        return True
    process = errors.process
    if process == BITS:
        return hits_one_of(run, p, 8 * (size_bytes - PREAMBLE_AND_GAP_BYTES))
    if process == PACKETS:
        return hits_one_of(run, p, 1)
    if process == GILBERT_ELLIOTT:
        return hits_in_either_state(run, p, size_bytes, ps_per_byte, now_ps)
    return hits_block_of(run, p, size_bytes, ps_per_byte, now_ps)


@jit
def take_changes(run, errors, now_ps):
    """Let the ratio be that of the last change up to now; what was drawn by the old one is void."""
    while errors.change < errors.change_end:
        change = get_error_change(run, errors.change)
        if change.time_ps > now_ps:
            return
        errors.log_survival = change.log_survival
        errors.gap = -1
        errors.change += 1


@jit
def hits_one_of(run, p, count):
    """Tell whether any of the next `count` bits or packets is bad, each for itself.

    DOMAIN 5: a frame of n exposed bits is lost with probability 1 - (1 - BER)^n.
    """
    errors = get_errors(run, p)
    if errors.gap < 0:
        errors.gap = draw_gap(run, p)
    damaged = False
    while errors.gap < count:
        damaged = True
        count -= errors.gap + 1
        errors.gap = draw_gap(run, p)
    errors.gap -= count
    return damaged


@jit
def hits_block_of(run, p, size_bytes, ps_per_byte, now_ps):
    """Tell whether the frame shares a bit with a bad block of line time.

    A block is the codewords that are interleaved; if one cannot be corrected, every frame that
    it touches dies (IEEE 802.3 clause 119.2.5.3: the decoder marks it all as errors). Line time
    goes on between frames, so a bad block may hit nothing.
    """
    errors = get_errors(run, p)
    begin_ps, end_ps = time_of_bits(size_bytes, ps_per_byte, now_ps)
    first = begin_ps // errors.block_ps
    last = (end_ps - 1) // errors.block_ps
    if errors.gap < first:
        errors.gap = min(LONGEST_GAP, first + draw_gap(run, p))
    damaged = errors.gap <= last
    while errors.gap < last:  # the last block may go on into the next frame
        errors.gap = min(LONGEST_GAP, errors.gap + 1 + draw_gap(run, p))
    return damaged


@jit
def hits_in_either_state(run, p, size_bytes, ps_per_byte, now_ps):
    """Tell whether a bit is bad on a line that is good and bad by turns.

    E. N. Gilbert, Bell System Technical Journal 39 (1960), and E. O. Elliott, 42 (1963), there
    packet by packet, here in time: each state lasts for an exponential time, on and between
    frames, and has its own ratio of bad bits. What lies between two frames needs no more than
    one draw: the state after any time hangs on the one before and on nothing else.
    """
    errors = get_errors(run, p)
    begin_ps, end_ps = time_of_bits(size_bytes, ps_per_byte, now_ps)
    if errors.draws == 0:
        enter_state(run, p, draw(run, p) < bad_share(errors), begin_ps)
    elif errors.until_ps <= begin_ps:
        forgotten = math.exp(
            (errors.until_ps - begin_ps) * (1.0 / errors.good_ps + 1.0 / errors.bad_ps)
        )
        share = bad_share(errors)
        was_bad = 1.0 - errors.is_bad  # when the last state had ended
        enter_state(run, p, draw(run, p) < share + (was_bad - share) * forgotten, begin_ps)
    damaged = False
    bits_before = 0
    while True:
        bits = 8 * (min(errors.until_ps, end_ps) - begin_ps) // ps_per_byte
        if errors.gap < bits - bits_before:
            damaged = True  # the rest of these does not matter: there may be thousands of bad ones
            errors.gap = draw_gap(run, p)
        else:
            errors.gap -= bits - bits_before
        if errors.until_ps >= end_ps:
            return damaged
        bits_before = bits
        enter_state(run, p, errors.is_bad == 0, errors.until_ps)


@jit
def enter_state(run, p, is_bad, time_ps):
    """Let the line be good or bad from a time on; draw until when, and the first bad bit."""
    errors = get_errors(run, p)
    errors.is_bad = 1 if is_bad else 0
    mean_ps = errors.bad_ps if is_bad else errors.good_ps
    errors.until_ps = time_ps + 1 + np.int64(-math.log(1.0 - draw(run, p)) * mean_ps)
    errors.gap = draw_gap(run, p)


@jit
def bad_share(errors):
    """Return the share of the time in which the line is bad."""
    return errors.bad_ps / (errors.good_ps + errors.bad_ps)


@jit
def time_of_bits(size_bytes, ps_per_byte, now_ps):
    """Return when the first bit that is exposed begins and the last one ends."""
    begin_ps = now_ps + PREAMBLE_BYTES * ps_per_byte
    return begin_ps, begin_ps + (size_bytes - PREAMBLE_AND_GAP_BYTES) * ps_per_byte


@jit
def draw_gap(run, p):
    """Return how many good bits, packets or blocks lie before the next bad one: geometric."""
    errors = get_errors(run, p)
    log_survival = errors.bad_log_survival if errors.is_bad else errors.log_survival
    if log_survival == 0.0:
        return LONGEST_GAP
    gap = math.log(1.0 - draw(run, p)) / log_survival
    if gap >= LONGEST_GAP:
        return LONGEST_GAP
    return np.int64(gap)  # never negative: truncation is floor


@jit
def draw(run, p):
    """Return the next uniform number of the port's errors."""
    errors = get_errors(run, p)
    u = uniform(run.seed, error_stream(p), errors.draws)
    errors.draws += 1
    return u
