"""The loop: take the next event, handle it, until time is up."""

from .access import get_bucket, get_event
from .arrival import arrive
from .bins import close_bins
from .calendar import (
    ACK_TIMER,
    ENTITY_MASK,
    KIND_SHIFT,
    PACKET_ARRIVAL,
    REFRESH,
    SERVICE,
    WAKE,
    any_before_service,
    first_bucket,
    heap_is_first,
    pop_from_bucket,
    push_service,
)
from .heap import pop_heap
from .jit import entry, jit, jit_inlined
from .log import LOG_ROWS_AN_EVENT
from .operations import handle_operation
from .packets import PACKETS_AN_EVENT
from .pfc import refresh
from .port import serve, wake
from .probe import ROWS_AN_EVENT
from .requester import ack_timer
from .tables import NEVER_PS, NOWHERE

# Why `advance` returned.
NOTHING_LEFT, TIME_IS_UP, SLICE_DONE, NOTHING_MOVES = range(4)
PACKETS_SHORT, PROBES_SHORT, LOG_SHORT = range(4, 7)

STILL_PS = 100_000_000_000  # 0.1 s in which pauses were renewed and no packet moved


@entry
def advance(runs, until_ps, most_events):
    """Handle all events up to and with `until_ps`, but no more than about `most_events`.

    Ends early when every operation is finished: what is still under way then serves no one.
    Changes the tables in place. Returns one of the codes above: on the SHORT ones the caller
    enlarges that table and calls again; no event is half done. On NOTHING_MOVES it should look
    whether anything ever will: pauses renew each other for ever.
    `runs` is the table `run`, of one record.
    """
    run = runs[0]
    end = run.events + most_events
    while True:
        first_ps = next_event_ps(run)
        if run.operations_left == 0 or first_ps == NEVER_PS:
            return NOTHING_LEFT
        if first_ps > until_ps:
            return TIME_IS_UP
        room = room_for_events(run)
        if room == 0:
            return what_is_short(run)
        if run.events >= end:
            return SLICE_DONE
        if first_ps >= run.bin_end_ps:
            close_bins(run, first_ps)
        if not handle_events(run, min(until_ps, run.bin_end_ps - 1), min(room, end - run.events)):
            return NOTHING_MOVES


@jit
def room_for_events(run):
    """Return how many events can be handled before a table may be full."""
    room = min(
        run.free_packets // PACKETS_AN_EVENT,
        (run.log_count - run.log_size) // LOG_ROWS_AN_EVENT,
    )
    if run.probing:
        room = min(room, (run.probes_count - run.probe_size) // ROWS_AN_EVENT)
    return room


@jit
def what_is_short(run):
    """Return the code of the table that has no room for an event."""
    if run.free_packets < PACKETS_AN_EVENT:
        return PACKETS_SHORT
    if run.log_size + LOG_ROWS_AN_EVENT > run.log_count:
        return LOG_SHORT
    return PROBES_SHORT


@jit
def next_event_ps(run):
    """Return the time of the next event, NEVER if there is none."""
    if run.port_to_serve != NOWHERE:
        return run.now_ps
    b = first_bucket(run)
    if b == NOWHERE:
        return run.heap_first_ps
    return min(get_bucket(run, b).time_ps, run.heap_first_ps)


@jit_inlined
def handle_events(run, until_ps, most):
    """Handle events up to and with a time, at most so many; False if only pauses move."""
    for _ in range(most):
        kind = SERVICE
        entity = run.port_to_serve
        run.port_to_serve = NOWHERE
        if entity == NOWHERE or any_before_service(run, entity):
            if entity != NOWHERE:
                push_service(run, run.now_ps, entity)
            b = first_bucket(run)
            time_ps = get_bucket(run, b).time_ps if b != NOWHERE else NEVER_PS
            if run.heap_first_ps <= time_ps and heap_is_first(run, b):
                time_ps = run.heap_first_ps
                if time_ps > until_ps:
                    return True
                key = get_event(run, 0).key
                kind = key >> KIND_SHIFT
                entity = key & ENTITY_MASK
                if kind == REFRESH and time_ps - run.last_moved_ps > STILL_PS:
                    run.last_moved_ps = time_ps
                    return False
                pop_heap(run)
            else:
                if time_ps > until_ps:
                    return True
                place = pop_from_bucket(run, b)
                entity = place >> 1
                if not place & 1:
                    kind = PACKET_ARRIVAL
            run.now_ps = time_ps
        run.events += 1
        if handle(run, kind, entity, run.now_ps):
            run.clock_ps = run.now_ps
        if run.operations_left == 0:
            return True
    return True


@jit_inlined
def handle(run, kind, entity, now_ps):
    """Handle one event; False if it was void."""
    if kind <= PACKET_ARRIVAL:
        arrive(run, entity, now_ps)
        return True
    if kind == SERVICE:
        return serve(run, entity, now_ps)
    if kind == ACK_TIMER:
        return ack_timer(run, entity, now_ps)
    if kind == REFRESH:
        return refresh(run, entity, now_ps)
    if kind == WAKE:
        wake(run, entity, now_ps)
        return False
    handle_operation(run, entity, now_ps)
    return True
