"""The pending events: a binary heap ordered by (time, key).

A key is the kind of event and its entity; kinds are numbered in the order in which events
of one time are handled (docs/protocol.md, "Order of events").

While an event is handled it stays at the top as a **hole**: the first event pushed takes its
place, which saves a removal. Whoever handles events opens the hole and closes it.
"""

import numpy as np

from .access import get_event
from .jit import jit, jit_inlined

# int64 and not literal integers: Numba compiles a function anew for each literal.
PFC_ARRIVAL, PACKET_ARRIVAL, REFRESH, WAKE, ACK_TIMER, OPERATION, SERVICE = np.arange(1, 8)
KIND_SHIFT = 48
ENTITY_MASK = (1 << KIND_SHIFT) - 1


@jit
def push(run, time_ps, kind, entity):
    """Add an event. The heap is as large as the events that can be pending at once."""
    key = (kind << KIND_SHIFT) | entity
    if run.hole:
        run.hole = 0
        _sink(run, time_ps, key)
        return
    place = run.heap_size
    run.heap_size = place + 1
    while place > 0:
        parent = (place - 1) >> 1
        above = get_event(run, parent)
        if above.time_ps < time_ps or (above.time_ps == time_ps and above.key < key):
            break
        get_event(run, place).time_ps = above.time_ps
        get_event(run, place).key = above.key
        place = parent
    get_event(run, place).time_ps = time_ps
    get_event(run, place).key = key


@jit_inlined
def close_hole(run):
    """Remove the top, if no push has taken its place."""
    if run.hole:
        run.hole = 0
        run.heap_size -= 1
        last = get_event(run, run.heap_size)
        if run.heap_size > 0:
            _sink(run, last.time_ps, last.key)


@jit_inlined
def any_before(run, time_ps, kind, entity):
    """Tell whether a pending event comes before the given one."""
    key = (kind << KIND_SHIFT) | entity
    first = 1 if run.hole else 0
    last = min(3 if run.hole else 1, run.heap_size)
    for place in range(first, last):
        event = get_event(run, place)
        if event.time_ps < time_ps or (event.time_ps == time_ps and event.key < key):
            return True
    return False


@jit
def _sink(run, time_ps, key):
    """Put an event at the top and let it sink to its place."""
    size = run.heap_size
    place = 0
    child = 1
    while child < size:
        below = get_event(run, child)
        if child + 1 < size:
            right = get_event(run, child + 1)
            if right.time_ps < below.time_ps or (
                right.time_ps == below.time_ps and right.key < below.key
            ):
                child += 1
                below = right
        if time_ps < below.time_ps or (time_ps == below.time_ps and key < below.key):
            break
        get_event(run, place).time_ps = below.time_ps
        get_event(run, place).key = below.key
        place = child
        child = 2 * place + 1
    get_event(run, place).time_ps = time_ps
    get_event(run, place).key = key
