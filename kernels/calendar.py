"""The pending events: arrivals and services in a calendar, all others in a heap.

Events are ordered by (time, key); a key is the kind of event and its entity, and kinds are
numbered in the order in which events of one time are handled (docs/protocol.md, "Order of
events").

A link has at most one arrival pending, of the first frame on it, and a port one service:
they have a place of their own in the table `near`, and stand in the sorted list of the
bucket that covers their time. A bit a bucket, and a bit a word of these, tell which bucket
is next. What lies further ahead than there are buckets, or would have to pass many others
in its bucket, goes to the heap (kernels/heap.py): it is always right, only slower.
"""

import numpy as np

from .access import (
    get_bucket,
    get_event,
    get_mark,
    get_near,
    get_path_port,
    get_port,
    set_mark,
)
from .bits import lowest_bit
from .heap import push_heap
from .jit import jit, jit_inlined
from .tables import BUCKETS, NEVER_PS, NOWHERE, PFC, WORD_BITS

# int64 and not literal integers: Numba compiles a function anew for each literal.
SCENARIO, PFC_ARRIVAL, PACKET_ARRIVAL, REFRESH, WAKE, ACK_TIMER, PACE, WATCH = np.arange(8)
OPERATION, SERVICE = np.arange(8, 10)
KIND_SHIFT = 48
ENTITY_MASK = (1 << KIND_SHIFT) - 1

MOST_PASSED = 8  # others of its bucket that an event may pass on the way to its place


@jit_inlined
def push(run, time_ps, kind, entity):
    """Add an event that is neither an arrival nor a service."""
    push_heap(run, time_ps, (kind << KIND_SHIFT) | entity)


@jit_inlined
def push_arrival(run, sender, packet, i):
    """Add the arrival of the next frame on the link that leaves from port `sender`.

    i: its place in the pool, NOWHERE if it is on a line. The port by which it will leave is looked
    up here already: when it arrives, the processor need not wait for that.
    """
    p = np.int64(get_port(run, sender).peer)
    near = get_near(run, 2 * p)
    near.packet = i
    kind = PACKET_ARRIVAL
    if packet.kind >= PFC:
        kind = PFC_ARRIVAL
    else:
        near.egress = get_path_port(run, packet.at + 1)
    push_near(run, packet.arrival_ps, (kind << KIND_SHIFT) | sender, 2 * p)


@jit_inlined
def push_service(run, time_ps, p):
    """Add the service of port p."""
    push_near(run, time_ps, (SERVICE << KIND_SHIFT) | p, 2 * p + 1)


@jit
def push_near(run, time_ps, key, place):
    """Add an event of a place of the table `near`, whose other fields are set."""
    if not _join_bucket(run, time_ps, key, place):
        push_heap(run, time_ps, key)


@jit
def _join_bucket(run, time_ps, key, place):
    """Put an event in its place in its bucket; False if that is too far ahead, or behind many."""
    period = time_ps >> run.bucket_shift
    if period - (run.now_ps >> run.bucket_shift) >= BUCKETS:
        return False
    b = period & (BUCKETS - 1)
    bucket = get_bucket(run, b)
    near = get_near(run, place)
    near.time_ps = time_ps
    near.key = key
    near.next = NOWHERE
    if bucket.first == NOWHERE:
        bucket.first = place
        bucket.last = place
        _mark(run, b)
        _note_first(run, time_ps, b)
        return True
    last = get_near(run, np.int64(bucket.last))
    if last.time_ps < time_ps or (last.time_ps == time_ps and last.key < key):
        last.next = place
        bucket.last = place
        return True
    before = NOWHERE
    after = np.int64(bucket.first)
    for _ in range(MOST_PASSED):
        here = get_near(run, after)
        if time_ps < here.time_ps or (time_ps == here.time_ps and key < here.key):
            near.next = after
            if before == NOWHERE:
                bucket.first = place
                _note_first(run, time_ps, b)
            else:
                get_near(run, before).next = place
            return True
        before = after
        after = np.int64(here.next)
    return False


@jit_inlined
def _note_first(run, time_ps, b):
    """Note that the first event of bucket b is now this one."""
    if time_ps < run.first_ps:
        run.first_ps = time_ps
        run.first_bucket = b


@jit_inlined
def _mark(run, b):
    word = b // WORD_BITS
    set_mark(run, word, get_mark(run, word) | (1 << (b % WORD_BITS)))
    run.marked_words |= 1 << word


@jit_inlined
def pop_first(run):
    """Remove the first event of the calendar and return its place; there is one.

    The one after it is looked up here and not when it is needed: the processor does so while
    it handles this one.
    """
    b = run.first_bucket
    bucket = get_bucket(run, b)
    place = np.int64(bucket.first)
    following = np.int64(get_near(run, place).next)
    bucket.first = following
    if following == NOWHERE:
        _unmark(run, b)
        if run.marked_words == 0:
            run.first_ps = NEVER_PS
            return place
        b = _next_bucket(run, b)
        run.first_bucket = b
        following = np.int64(get_bucket(run, b).first)
    run.first_ps = get_near(run, following).time_ps
    return place


@jit_inlined
def _unmark(run, b):
    word = b // WORD_BITS
    left = get_mark(run, word) & ~(1 << (b % WORD_BITS))
    set_mark(run, word, left)
    if left == 0:
        run.marked_words &= ~(1 << word)


@jit_inlined
def _next_bucket(run, b):
    """Return the first bucket after b that holds an event; there is one."""
    word = b // WORD_BITS
    here = get_mark(run, word) >> (b % WORD_BITS)
    if here != 0:
        return b + lowest_bit(here)
    later = run.marked_words >> (word + 1) << (word + 1)
    # None later: the next one is in the next round of the buckets.
    word = lowest_bit(later if later != 0 else run.marked_words)
    return word * WORD_BITS + lowest_bit(get_mark(run, word))


@jit_inlined
def first_key(run):
    """Return the key of the first event of the calendar; there is one."""
    return get_near(run, np.int64(get_bucket(run, run.first_bucket).first)).key


@jit_inlined
def heap_is_first(run):
    """Tell whether the first event of the heap, if it has one, comes before the calendar's."""
    if run.heap_first_ps != run.first_ps:
        return run.heap_first_ps < run.first_ps
    return run.first_ps != NEVER_PS and get_event(run, 0).key < first_key(run)


@jit_inlined
def any_before_service(run, p):
    """Tell whether a pending event comes before a service of port p now."""
    key = (SERVICE << KIND_SHIFT) | p
    if run.heap_first_ps == run.now_ps and get_event(run, 0).key < key:
        return True
    return run.first_ps == run.now_ps and first_key(run) < key
