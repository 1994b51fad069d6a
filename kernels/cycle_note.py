"""Noting on a tape what happens in a period (kernels/cycle_tape.py)."""

from .access import get_taped
from .jit import jit_apart


@jit_apart
def tape(run, kind, entity, count_bytes, end_ps, level_bytes):
    """Note what happens now; a tape that is full is of no use."""
    if run.tape_size == run.tape_count:
        run.taping = 0
        return
    row = get_taped(run, run.tape_size)
    row.kind = kind
    row.entity = entity
    row.after_ps = run.now_ps - run.image_ps
    row.bytes = count_bytes
    row.end_ps = end_ps - run.image_ps
    row.level_bytes = level_bytes
    run.tape_size += 1
