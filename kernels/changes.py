"""Scenario events: what happens to lines, ports and NICs at given times (phase 0).

What is lost when a line breaks is not here: it is known when it is sent (kernels/errors.py).
"""

import numpy as np

from .access import get_change, get_line, get_port, get_requester
from .jit import jit_apart
from .pfc import request_pause_frame
from .requester import let_join
from .serve import ask_to_serve
from .tables import GO, HINT, RATE, STOP, STORM_BEGINS, STORM_ENDS, SWITCH


@jit_apart
def happen(run, row):
    """Let a row of the table `changes` come about."""
    change = get_change(run, row)
    entity = np.int64(change.entity)
    if change.kind == HINT:
        qp = get_requester(run, entity)
        qp.window_bytes = change.value
        qp.round_trip_ps = change.other
        let_join(run, entity)
        return
    port = get_port(run, entity)
    if change.kind == STOP:
        port.is_stopped = 1
    elif change.kind == GO:
        port.is_stopped = 0
        ask_to_serve(run, entity)
    elif change.kind == SWITCH:
        switch_way(run, port, np.int64(change.value))
        if change.other:
            port.last_arrival_ps = 0
    elif change.kind == RATE:
        port.ps_per_byte = change.value
    elif change.kind == STORM_BEGINS:
        port.pausing |= change.value
        request_pause_frame(run, entity, np.int64(change.value))
    elif change.kind == STORM_ENDS:
        port.pausing &= ~change.value


@jit_apart
def switch_way(run, port, line_index):
    """Let a port send by another line from now on."""
    line = get_line(run, line_index)
    port.line = line_index
    port.way = line.port
    port.delay_ps = line.delay_ps
    port.has_errors = line.has_errors
    port.control = line.control
