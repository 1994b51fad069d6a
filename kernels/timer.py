"""The ACK timer: 4.096 us x 2^n after the oldest unacknowledged packet could last have moved.

With adaptive retransmission the first ones after progress are shorter, and double.
"""

from .access import get_requester
from .calendar import ACK_TIMER, push
from .jit import jit


@jit
def restart_timer(run, q, from_ps):
    """Let the ACK timer run from a time on."""
    qp = get_requester(run, q)
    if qp.timeout_ps == 0:
        return
    qp.deadline_ps = from_ps + wait_after(qp, qp.timeouts_in_a_row)
    if not qp.timer_pending:
        announce_timer(run, q)


@jit
def announce_timer(run, q):
    """Add an event that looks at the timer: at its deadline, or before.

    There is one at a time, and none may be later than a deadline that is set meanwhile: those of
    adaptive retransmission can come sooner than the one before.
    """
    qp = get_requester(run, q)
    due_ps = qp.deadline_ps
    if qp.first_timeout_ps > 0:
        due_ps = min(due_ps, run.now_ps + qp.first_timeout_ps)
    qp.timer_pending = 1
    push(run, due_ps, ACK_TIMER, q)


@jit
def wait_after(qp, timeouts):
    """Return how long the timer runs after so many expiries without progress, ps."""
    if qp.first_timeout_ps == 0:
        return qp.timeout_ps
    wait_ps = qp.first_timeout_ps
    for _ in range(timeouts):
        if wait_ps >= qp.timeout_ps:
            break
        wait_ps *= 2
    return min(wait_ps, qp.timeout_ps)
