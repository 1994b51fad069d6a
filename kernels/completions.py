"""Completions of operations, and telling those that wait for them."""

from .access import get_operation, get_successor
from .calendar import OPERATION, push
from .jit import jit
from .tables import DONE, NOWHERE, READY


@jit
def operation_sent(run, o, now_ps):
    """Note that all packets of a send are acknowledged, or that a computation has ended."""
    operation = get_operation(run, o)
    operation.sent_ps = now_ps
    _tell(run, operation.sent_first, operation.delivered_first, now_ps)
    _finish_if_both(run, o)


@jit
def operation_delivered(run, o, now_ps):
    """Note that the last message has reached the receiver, or that a computation has ended."""
    operation = get_operation(run, o)
    operation.delivered_ps = now_ps
    _tell(run, operation.delivered_first, operation.successors_end, now_ps)
    _finish_if_both(run, o)


@jit
def _finish_if_both(run, o):
    operation = get_operation(run, o)
    if operation.sent_ps != NOWHERE and operation.delivered_ps != NOWHERE:
        operation.status = DONE
        run.operations_left -= 1


@jit
def _tell(run, first, end, now_ps):
    for place in range(first, end):
        o = get_successor(run, place)
        operation = get_operation(run, o)
        operation.waits -= 1
        if operation.waits == 0:
            operation.status = READY
            push(run, now_ps, OPERATION, o)
