"""Counter-based random numbers: draw k of a stream is a hash of (seed, stream, k).

No draw depends on what other entities drew, so neither the order of events elsewhere nor
the number of threads can change a result. The finaliser is SplitMix64's (Steele, Lea,
Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

import numpy as np

from .jit import jit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTOR_1 = np.uint64(0xBF58476D1CE4E5B9)
FACTOR_2 = np.uint64(0x94D049BB133111EB)
SHIFT_11 = np.uint64(11)
SHIFT_27 = np.uint64(27)
SHIFT_30 = np.uint64(30)
SHIFT_31 = np.uint64(31)
ONE = np.uint64(1)


@jit
def mix(word):
    """Scramble 64 bits."""
    word = (word ^ (word >> SHIFT_30)) * FACTOR_1
    word = (word ^ (word >> SHIFT_27)) * FACTOR_2
    return word ^ (word >> SHIFT_31)


@jit
def uniform(seed, stream, count):
    """Return draw `count` of a stream, in [0, 1)."""
    start = mix(mix(seed + GOLDEN) ^ np.uint64(stream))
    word = mix(start + (np.uint64(count) + ONE) * GOLDEN)
    return np.float64(word >> SHIFT_11) * (1.0 / 9007199254740992.0)


@jit
def error_stream(port):
    """Return the stream of a port's bit errors."""
    return 2 * port


@jit
def ecn_stream(port):
    """Return the stream of a port's ECN marks."""
    return 2 * port + 1
