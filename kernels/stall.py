"""Stalls: how long a queue pair stood still for a loss, and how it learnt of it.

A lost packet that a NAK reports costs a round trip; one that none does waits for the ACK timer.
Which of them cost what is the anatomy of a run (docs/protocol.md, "Stalls").
"""

from .access import get_requester, get_stall
from .jit import jit, jit_apart
from .tables import BY_NAK, NOWHERE

STALL_ROWS_AN_EVENT = 2  # a NAK may end one by progress, and one by an error


@jit_apart
def notice_loss(run, q, by, now_ps):
    """Note that queue pair q learns of a loss, by a NAK or the ACK timer."""
    qp = get_requester(run, q)
    opens = not qp.is_stalled
    if opens:
        qp.is_stalled = 1
        qp.stall_by = by
        qp.stall_packet = qp.oldest
        qp.stall_noticed_ps = now_ps
        qp.stall_naks = 0
        qp.stall_timeouts = 0
    if by == BY_NAK:
        qp.stall_naks += 1
        if opens or qp.is_selective:  # go-back-N: another NAK is of the same loss
            qp.lost_by_nak += 1
    else:
        qp.stall_timeouts += 1


@jit_apart
def end_stall(run, q, now_ps, ended_ps):
    """Close the account of a stall: the queue pair moves again, or never will (NOWHERE)."""
    qp = get_requester(run, q)
    lasted_ps = now_ps - qp.moved_ps
    qp.is_stalled = 0
    qp.stalls += 1
    qp.stalled_ps += lasted_ps
    is_long = lasted_ps > qp.third_longest_ps
    if is_long:
        rank_among_longest(qp, lasted_ps)
    if is_long or qp.stalls <= run.log_first or ended_ps == NOWHERE:
        row = get_stall(run, run.stalls_size)
        run.stalls_size += 1
        row.time_ps = now_ps
        row.queue_pair = q
        row.packet = qp.stall_packet
        row.began_ps = qp.moved_ps
        row.noticed_ps = qp.stall_noticed_ps
        row.ended_ps = ended_ps
        row.by = qp.stall_by
        row.naks = qp.stall_naks
        row.timeouts = qp.stall_timeouts


@jit
def rank_among_longest(qp, lasted_ps):
    """Put a stall among the three longest, so that these have rows however many there were."""
    if lasted_ps > qp.longest_ps:
        qp.third_longest_ps = qp.second_longest_ps
        qp.second_longest_ps = qp.longest_ps
        qp.longest_ps = lasted_ps
    elif lasted_ps > qp.second_longest_ps:
        qp.third_longest_ps = qp.second_longest_ps
        qp.second_longest_ps = lasted_ps
    else:
        qp.third_longest_ps = lasted_ps
