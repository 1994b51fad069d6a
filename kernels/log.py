"""The log of what went wrong or was held back: the first few of each kind and entity.

The counters know how many there were; the log says when the first ones came, and in what order.
"""

from .access import get_logged
from .jit import jit
from .tables import PRIORITIES

LOG_ROWS_AN_EVENT = PRIORITIES  # a PFC frame may stop them all


@jit
def log(run, count, kind, entity, about):
    """Note the `count`-th occurrence of a kind at an entity, if it is among the first."""
    if count > run.log_first:
        return
    row = get_logged(run, run.log_size)
    row.time_ps = run.now_ps
    row.kind = kind
    row.entity = entity
    row.about = about
    run.log_size += 1
