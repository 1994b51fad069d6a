"""From a line's error process to what the kernels draw by (kernels/errors.py)."""

import math
from dataclasses import dataclass

from ..kernels import tables as kt
from ..scenario.schema import Errors
from ..theory import (
    DELIVERED_CODEWORD_BITS,
    failed_codewords,
    interleaved_codewords,
    uncorrected_codewords,
)


@dataclass(frozen=True)
class ErrorProcess:
    """What damages the frames of a port: a row of the table ``errors``."""

    process: int
    log_survival: float  # of a bit, a packet or a block
    block_ps: int = 0
    bad_log_survival: float = 0.0
    good_ps: int = 0
    bad_ps: int = 0


def error_process(errors: Errors, ps_per_byte: int) -> ErrorProcess | None:
    """Return what a line does to the frames of one of its ports; None if it is clean."""
    if not any(errors.ratios):
        return None
    if errors.process == "gilbert-elliott":
        return ErrorProcess(
            kt.GILBERT_ELLIOTT,
            math.log1p(-errors.post_fec_ber),
            bad_log_survival=math.log1p(-errors.bad_ber),
            good_ps=errors.good_time,
            bad_ps=errors.bad_time,
        )
    (ratio,) = errors.ratios
    if errors.process == "bits":
        return ErrorProcess(kt.BITS, math.log1p(-ratio))
    if errors.process == "packets":
        return ErrorProcess(kt.PACKETS, math.log1p(-ratio))
    share = failed_codewords if errors.process == "codewords" else uncorrected_codewords
    failed = share(ratio)
    if failed == 0:
        return None
    wished = errors.interleaved
    together = interleaved_codewords(ps_per_byte) if wished == "auto" else wished
    return ErrorProcess(
        kt.CODEWORDS,
        together * math.log1p(-failed) if failed < 1 else -math.inf,
        block_ps=together * DELIVERED_CODEWORD_BITS * ps_per_byte // 8,
    )
