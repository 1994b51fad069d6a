"""From a line's error process to what the kernels draw by (kernels/errors.py)."""

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache

from ..kernels import tables as kt
from ..scenario.schema import Errors
from ..theory import (
    DELIVERED_CODEWORD_BITS,
    OFEC_THRESHOLD,
    failed_codewords,
    interleaved_codewords,
    uncorrected_codewords,
)

NOTHING_WHOLE = -math.inf  # log_survival where every codeword fails


@dataclass(frozen=True)
class ErrorProcess:
    """What damages the frames of a port: a row of the table ``errors``."""

    process: int
    log_survival: float  # of a bit, a packet or a block
    block_ps: int = 0
    bad_log_survival: float = 0.0
    good_ps: int = 0
    bad_ps: int = 0
    changes: list[tuple[int, float]] = field(default_factory=list)  # time, log_survival
    down: list[tuple[int, int]] = field(default_factory=list)  # from a time to a time, ps

    def settings(self) -> dict[str, float]:
        """Return the fields of the table's row."""
        lists = ("changes", "down")
        return {name: value for name, value in vars(self).items() if name not in lists}


def error_process(errors: Errors, ps_per_byte: int) -> ErrorProcess | None:
    """Return what a line does to the frames of one of its ports; None if it is clean."""
    if not any(errors.ratios) and not errors.series:
        return None
    if errors.process == "gilbert-elliott":
        return ErrorProcess(
            kt.GILBERT_ELLIOTT,
            math.log1p(-errors.post_fec_ber),
            bad_log_survival=math.log1p(-errors.bad_ber),
            good_ps=errors.good_time,
            bad_ps=errors.bad_time,
        )
    wished = errors.interleaved
    together = interleaved_codewords(ps_per_byte) if wished == "auto" else wished
    over_time = ratios_over_time(errors)
    ends = [time for time, _ in over_time[1:]] + [kt.LAST_PS]
    down = [
        (time, end) for (time, ratio), end in zip(over_time, ends, strict=True) if ratio is None
    ]
    at_first, later = 0.0, []
    for time, ratio in over_time:
        if ratio is not None:
            survival = _log_survival(errors.process, errors.fec, ratio, together)
            if time == 0:
                at_first = survival
            else:
                later.append((time, survival))
    if at_first == 0 and not later and not down:
        return None
    process = {"bits": kt.BITS, "packets": kt.PACKETS}.get(errors.process, kt.CODEWORDS)
    block_ps = together * DELIVERED_CODEWORD_BITS * ps_per_byte // 8
    return ErrorProcess(
        process, at_first, block_ps if process == kt.CODEWORDS else 0, changes=later, down=down
    )


@cache
def _log_survival(process: str, fec: str, ratio: float, together: int) -> float:
    """Return ln(1 - probability) that a bit, a packet or a block of codewords is bad."""
    if process in ("bits", "packets"):
        return math.log1p(-ratio)
    if ratio == 0:
        return 0.0
    if fec == "ofec":
        return 0.0 if ratio <= OFEC_THRESHOLD else NOTHING_WHOLE
    share = failed_codewords if process == "codewords" else uncorrected_codewords
    failed = share(ratio)
    return together * math.log1p(-failed) if failed < 1 else NOTHING_WHOLE


def ratios_over_time(errors: Errors) -> list[tuple[int, float | None]]:
    """Return from when on the ratio is what, from time 0 on; None: the line is down.

    The line is taken down where the ratio has been at or above a threshold for the time that
    goes with it, and comes back as soon as it is below (signal fail, signal degrade).
    """
    (ratio,) = errors.ratios
    given: list[tuple[int, float | None]] = [(0, ratio)]
    given += [(change.at, change.ratio) for change in errors.series]
    marks = {time for time, _ in given}
    spells = []
    for threshold, hold_ps in (
        (errors.signal_fail, errors.signal_fail_time),
        (errors.signal_degrade, errors.signal_degrade_time),
    ):
        if threshold is not None:
            spells += _spells_down(given, threshold, hold_ps)
    marks.update(began for began, _ in spells)
    given_at = [time for time, _ in given]
    spells.sort()
    over_time: list[tuple[int, float | None]] = []
    down_until = k = 0
    for time in sorted(marks):
        ratio_then = given[bisect_right(given_at, time) - 1][1]
        while k < len(spells) and spells[k][0] <= time:
            down_until = max(down_until, spells[k][1])
            k += 1
        if time < down_until:
            ratio_then = None
        if not over_time or over_time[-1][1] != ratio_then:
            over_time.append((time, ratio_then))
    return over_time


def _spells_down(
    given: list[tuple[int, float | None]], threshold: float, hold_ps: int
) -> list[tuple[int, int]]:
    """Return from when until when a threshold keeps the line down."""
    spells = []
    since: int | None = None
    for time, ratio in [*given, (kt.NEVER_PS, 0.0)]:
        if ratio is not None and ratio >= threshold:
            since = time if since is None else since
            continue
        if since is not None and time - since > hold_ps:
            spells.append((since + hold_ps, time))
        since = None
    return spells
