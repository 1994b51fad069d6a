"""Operations: computations that last, and messages to send, when what they wait for is done."""

import numpy as np

from .access import get_agenda_operation, get_agenda_ps, get_operation, get_requester
from .calendar import OPERATION, push
from .completions import operation_delivered, operation_sent
from .jit import jit
from .requester import let_join
from .tables import COMPUTE, LAST_PS, NOWHERE, RUNNING, WAITING


@jit
def announce_agenda(run):
    """Put the next start time of the agenda among the pending events."""
    if run.agenda_next < run.agenda_ps_count:
        place = run.agenda_next
        push(run, get_agenda_ps(run, place), OPERATION, get_agenda_operation(run, place))


@jit
def handle_operation(run, o, now_ps):
    """Handle an operation's event: its start time has come, it starts, or it ends."""
    operation = get_operation(run, o)
    if operation.status == RUNNING:
        operation_sent(run, o, now_ps)
        operation_delivered(run, o, now_ps)
        return
    if operation.status == WAITING:
        run.agenda_next += 1
        announce_agenda(run)
        operation.waits -= 1
        if operation.waits > 0:
            return
    operation.status = RUNNING
    operation.start_ps = now_ps
    if operation.kind == COMPUTE:
        # Beyond the last time an event is never handled, but a sum that wraps would be.
        end_ps = LAST_PS + 1
        if operation.duration_ps <= LAST_PS - now_ps:
            end_ps = now_ps + operation.duration_ps
        push(run, end_ps, OPERATION, o)
    else:
        post(run, o)


@jit
def post(run, o):
    """Add the messages of a send to its queue pair."""
    operation = get_operation(run, o)
    q = np.int64(operation.queue_pair)
    qp = get_requester(run, q)
    if qp.in_error:
        return
    mtu = qp.mtu_bytes
    last_message = operation.bytes - (operation.messages - 1) * operation.message_bytes
    operation.packets_a_message = (operation.message_bytes + mtu - 1) // mtu
    operation.packets = (operation.messages - 1) * operation.packets_a_message
    operation.packets += (last_message + mtu - 1) // mtu
    operation.first_packet = qp.posted
    operation.first_byte = qp.posted_bytes
    if qp.last_posted == NOWHERE:
        qp.first_posted = o
    else:
        get_operation(run, qp.last_posted).next_posted = o
    qp.last_posted = o
    if qp.oldest == qp.posted:
        qp.oldest_operation = o
    if qp.next == qp.posted:
        qp.next_operation = o
        qp.next_message = 0
        qp.next_packet = 0
    qp.posted += operation.packets
    qp.posted_bytes += operation.bytes
    let_join(run, q)
