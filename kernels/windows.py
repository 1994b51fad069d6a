"""Windows: how far groups of sites may advance apart, and what they hand over between.

Whatever one site does reaches another no sooner than light does. So every group may handle
all its events up to the time of the first one of all, plus the least delay of a line between
two groups, without knowing what the others do (a frame takes time on top of that delay).
A longer window is gone through in steps (`wanrdma/stretch.py`).

But the run ends with its last operation, wherever that is, and then at once: no group may
then have gone further. `may_end` tells of the windows in which that can happen; in those, which
are never longer than that delay, the engine lets the groups that have operations left go
first, up to their last one.
"""

from .access import get_line, get_operation, get_port, get_requester, get_responder
from .jit import entry, jit
from .line import hand_over
from .loop import drop_dead_timers, next_event_ps
from .tables import COMPUTE, DONE, NEVER_PS, NOWHERE, RUNNING


@entry
def open_window(runs, longest_ps, until_ps, least_delay_ps):
    """Hand over what is on the lines; return the next window's first and last time, and more.

    least_delay_ps: of the lines between two groups.
    Returns (first_ps, end_ps, may_end). first_ps is NEVER if nothing is left to happen.
    """
    run = runs[0]
    for i in range(run.lines_count):
        line = get_line(run, i)
        receiver = get_port(run, get_port(run, line.port).peer)
        hand_over(runs[receiver.group], line)
    first_ps = NEVER_PS
    for g in range(len(runs)):
        drop_dead_timers(runs[g])
        first_ps = min(first_ps, next_event_ps(runs[g]))
    if first_ps > until_ps:
        return first_ps, first_ps, False
    end_ps = until_ps if until_ps - first_ps < longest_ps else first_ps + longest_ps
    return first_ps, end_ps, may_end(run, first_ps, end_ps, least_delay_ps)


@jit
def may_end(run, first_ps, end_ps, least_delay_ps):
    """Tell whether all operations may end within a window; looks for one that cannot."""
    for _ in range(run.operations_count):
        if cannot_end(run, run.witness, first_ps, end_ps, least_delay_ps):
            return False
        run.witness = (run.witness + 1) % run.operations_count
    return True


@jit
def cannot_end(run, o, first_ps, end_ps, least_delay_ps):
    """Tell whether an operation certainly does not end within a window.

    What goes to another group cannot within a line's delay unless it has been delivered: the ACK
    takes longer. No send can while more of it is unsent than its host's link carries.
    """
    operation = get_operation(run, o)
    if operation.status == DONE:
        return False
    if operation.kind == COMPUTE:
        began_ps = operation.start_ps if operation.status == RUNNING else first_ps
        return operation.duration_ps > end_ps - began_ps
    qp = get_requester(run, operation.queue_pair)
    sender = get_port(run, qp.sender_port)
    receiver = get_responder(run, operation.queue_pair).receiver_port
    is_inside = sender.group == get_port(run, receiver).group
    if not is_inside and end_ps - first_ps <= least_delay_ps:
        return operation.delivered_ps == NOWHERE
    unsent_bytes = operation.bytes
    if operation.first_packet != NOWHERE:
        if qp.next < qp.newest:
            return False  # it is sending again: what was never sent is not known in bytes
        unsent_bytes = min(unsent_bytes, operation.first_byte + unsent_bytes - qp.next_byte)
    return unsent_bytes * sender.ps_per_byte > end_ps - first_ps
