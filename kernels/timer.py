"""The ACK timer: 4.096 us x 2^n after the oldest unacknowledged packet could last have moved.

With adaptive retransmission the first ones after progress are shorter, and double.
"""

from .access import get_requester
from .calendar import ACK_TIMER, KIND_SHIFT, push
from .heap import hasten
from .jit import jit


@jit
def restart_timer(run, q, from_ps):
    """Let the ACK timer run from a time on.

    Its one event stays where it is while the deadline moves away, and looks there when it comes.
    """
    qp = get_requester(run, q)
    if qp.timeout_ps == 0:
        return
    qp.deadline_ps = from_ps + qp.timeout_ps
    if qp.is_adaptive:
        qp.deadline_ps = from_ps + wait_after(qp, qp.timeouts_in_a_row)
        if qp.timer_pending and qp.deadline_ps < qp.timer_event_ps:
            qp.timer_event_ps = qp.deadline_ps  # a short one, after progress
            hasten(run, qp.deadline_ps, (ACK_TIMER << KIND_SHIFT) | q)
    if not qp.timer_pending:
        announce_timer(run, q)


@jit
def announce_timer(run, q):
    """Add the event of the timer, at its deadline."""
    qp = get_requester(run, q)
    qp.timer_pending = 1
    if qp.is_adaptive:
        qp.timer_event_ps = qp.deadline_ps
    push(run, qp.deadline_ps, ACK_TIMER, q)


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
