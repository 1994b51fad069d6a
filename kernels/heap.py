"""A binary heap of events, ordered by (time, key)."""

from .access import get_event
from .jit import jit, jit_apart
from .tables import NEVER_PS


@jit_apart
def push_heap(run, time_ps, key):
    """Add an event. The heap is as large as the events that can be pending at once."""
    place = run.heap_size
    run.heap_size = place + 1
    _sift_up(run, place, time_ps, key)


@jit_apart
def hasten(run, time_ps, key):
    """Let the event of a key, which is in the heap, come at an earlier time."""
    place = 0
    while get_event(run, place).key != key:
        place += 1
    _sift_up(run, place, time_ps, key)


@jit
def _sift_up(run, place, time_ps, key):
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
    run.heap_first_ps = get_event(run, 0).time_ps


@jit_apart
def pop_heap(run):
    """Remove the first event; there is one."""
    run.heap_size -= 1
    size = run.heap_size
    last = get_event(run, size)
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
        if last.time_ps < below.time_ps or (last.time_ps == below.time_ps and last.key < below.key):
            break
        get_event(run, place).time_ps = below.time_ps
        get_event(run, place).key = below.key
        place = child
        child = 2 * place + 1
    get_event(run, place).time_ps = last.time_ps
    get_event(run, place).key = last.key
    run.heap_first_ps = get_event(run, 0).time_ps if size > 0 else NEVER_PS
