"""Random streams of docs/protocol.md: a function of (seed, stream, k) and of nothing else."""

import math

GOLDEN = 0x9E3779B97F4A7C15
MODULUS = 1 << 64
LARGEST_GAP = 1 << 62


def mix(z: int) -> int:
    """SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014)."""
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 % MODULUS
    z ^= z >> 27
    z = z * 0x94D049BB133111EB % MODULUS
    return z ^ z >> 31


def word(seed: int, stream: int, k: int) -> int:
    """Word k of a stream, 64 bits."""
    start = mix((seed + GOLDEN) % MODULUS)
    return mix((mix(start ^ stream) + (k + 1) * GOLDEN) % MODULUS)


def uniform(seed: int, stream: int, k: int) -> float:
    """Draw number k of a stream, in [0, 1)."""
    return (word(seed, stream, k) >> 11) * 2.0**-53


def error_stream(port: int) -> int:
    """Name the stream of a port's errors."""
    return 2 * port


def ecn_stream(port: int) -> int:
    """Name the stream of a port's ECN marks."""
    return 2 * port + 1


def gap(u: float, log_survival: float) -> int:
    """Good units before the next bad one: geometric."""
    gap = math.log(1.0 - u) / log_survival
    return LARGEST_GAP if gap >= LARGEST_GAP else math.floor(gap)
