"""Error processes: which of the frames that a port sends are damaged.

Each draws the gap to the next bad bit, packet or block, so a line of 1e-12 costs no more than
a clean one. docs/error-processes.md says how to add one.
"""

import math

import numpy as np

from .access import get_errors, get_port
from .jit import jit
from .random import error_stream, uniform
from .tables import BITS, PACKETS, PREAMBLE_AND_GAP_BYTES, PREAMBLE_BYTES

LONGEST_GAP = 1 << 62


@jit
def hits_frame(run, p, size_bytes, now_ps):
    """Tell whether the frame is damaged that port p, which has errors, begins to send now."""
    process = get_errors(run, p).process
    if process == BITS:
        return hits_one_of(run, p, 8 * (size_bytes - PREAMBLE_AND_GAP_BYTES))
    if process == PACKETS:
        return hits_one_of(run, p, 1)
    return hits_block_of(run, p, size_bytes, now_ps)


@jit
def hits_one_of(run, p, count):
    """Tell whether any of the next `count` bits or packets is bad, each for itself.

    DOMAIN 5: a frame of n exposed bits is lost with probability 1 - (1 - BER)^n.
    """
    errors = get_errors(run, p)
    if errors.draws == 0:
        errors.gap = draw_gap(run, p)
    damaged = False
    while errors.gap < count:
        damaged = True
        count -= errors.gap + 1
        errors.gap = draw_gap(run, p)
    errors.gap -= count
    return damaged


@jit
def hits_block_of(run, p, size_bytes, now_ps):
    """Tell whether the frame shares a bit with a bad block of line time.

    A block is the codewords that are interleaved; if one cannot be corrected, every frame that
    it touches dies (IEEE 802.3 clause 119.2.5.3: the decoder marks it all as errors). Line time
    goes on between frames, so a bad block may hit nothing.
    """
    errors = get_errors(run, p)
    port = get_port(run, p)
    begin_ps = now_ps + PREAMBLE_BYTES * port.ps_per_byte
    end_ps = begin_ps + (size_bytes - PREAMBLE_AND_GAP_BYTES) * port.ps_per_byte
    first = begin_ps // errors.block_ps
    last = (end_ps - 1) // errors.block_ps
    if errors.draws == 0 or errors.gap < first:
        errors.gap = min(LONGEST_GAP, first + draw_gap(run, p))
    damaged = errors.gap <= last
    while errors.gap < last:  # the last block may go on into the next frame
        errors.gap = min(LONGEST_GAP, errors.gap + 1 + draw_gap(run, p))
    return damaged


@jit
def draw_gap(run, p):
    """Return how many good bits, packets or blocks lie before the next bad one: geometric."""
    errors = get_errors(run, p)
    u = uniform(run.seed, error_stream(p), errors.draws)
    errors.draws += 1
    gap = math.log(1.0 - u) / errors.log_survival
    if gap >= LONGEST_GAP:
        return LONGEST_GAP
    return np.int64(gap)  # never negative: truncation is floor
