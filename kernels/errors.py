"""Bit errors, drawn as gaps: a line of 1e-12 costs no more than a clean one.

Independent errors with the BER of the sending port: the good bits before the next bad one
are geometric. DOMAIN: a frame of n exposed bits is lost with probability 1 - (1 - BER)^n.
"""

import math

import numpy as np

from .access import get_port
from .jit import jit
from .random import error_stream, uniform
from .tables import PREAMBLE_AND_GAP_BYTES

LONGEST_GAP_BITS = 1 << 62


@jit
def hits_frame(run, p, size_bytes):
    """Tell whether bit errors damage the next frame that port p, which has a BER, sends."""
    port = get_port(run, p)
    if port.error_draws == 0:
        port.error_gap_bits = _next_gap(run, p)
    bits = 8 * (size_bytes - PREAMBLE_AND_GAP_BYTES)
    damaged = False
    while port.error_gap_bits < bits:
        damaged = True
        bits -= port.error_gap_bits + 1
        port.error_gap_bits = _next_gap(run, p)
    port.error_gap_bits -= bits
    return damaged


@jit
def _next_gap(run, p):
    port = get_port(run, p)
    u = uniform(run.seed, error_stream(p), port.error_draws)
    port.error_draws += 1
    gap = math.log(1.0 - u) / port.log_bit_survival
    if gap >= LONGEST_GAP_BITS:
        return LONGEST_GAP_BITS
    return np.int64(gap)  # never negative: truncation is floor
