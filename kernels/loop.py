"""The loop: take the next event, handle it, until time is up."""

import numpy as np

from .access import get_event, get_port, get_rate, get_requester
from .arrival import arrive
from .bins import close_bins
from .calendar import (
    ACK_TIMER,
    ENTITY_MASK,
    KIND_SHIFT,
    PACE,
    PACKET_ARRIVAL,
    REFRESH,
    SCENARIO,
    SERVICE,
    WAKE,
    WATCH,
    any_before_service,
    first_key,
    heap_is_first,
    pop_first,
    push_service,
)
from .changes import happen
from .cycle import look_back
from .cycle_anchor import choose_anchor
from .heap import pop_heap
from .jit import entry, jit, jit_in_place
from .line import announce_lines, room_on_lines
from .log import LOG_ROWS_AN_EVENT
from .operations import handle_operation
from .packets import PACKETS_AN_EVENT
from .pfc import refresh
from .port import serve, wake
from .probe import ROWS_AN_EVENT
from .recovery import ack_timer
from .requester import let_join
from .stall import STALL_ROWS_AN_EVENT
from .tables import NEVER_PS, NO_KEY, NOWHERE
from .watchdog import watch

# Why `advance` returned.
NOTHING_LEFT, TIME_IS_UP, SLICE_DONE = range(3)
PACKETS_SHORT, PROBES_SHORT, LOG_SHORT, STALLS_SHORT, LINES_SHORT = range(3, 8)


@entry
def advance(runs, g, until_ps, until_key, most_events):
    """Handle all events of group g up to `until_ps`, but no more than so many.

    `runs` is the table `run`, a record a group. Of the time `until_ps` itself, the events with
    a key below `until_key`. Ends early when every operation of the group is finished, unless
    `others_left` of its run says that others still work: what is under way then serves no one.
    Changes the tables in place. Returns one of the codes above: on the SHORT ones the caller
    enlarges that table and calls again; no event is half done.
    """
    run = runs[g]
    end = run.events + most_events
    run.stepping = 0
    announce_lines(run, g)
    while True:
        first_ps = next_event_ps(run)
        if run.operations_left + run.others_left == 0 or first_ps == NEVER_PS:
            return NOTHING_LEFT
        end_ps = until_ps
        room = min(end - run.events, room_for_events(run))
        if until_key != NO_KEY:  # one by one at the last time
            if first_ps == until_ps and next_event_key(run) < until_key:
                room = min(room, 1)
                run.stepping = 1
            else:
                end_ps = until_ps - 1
        if first_ps > end_ps:
            return TIME_IS_UP
        if room <= 0:
            return what_is_short(run)
        if first_ps >= run.bin_end_ps:
            if drop_dead_timers(run):
                continue  # it may have been one of them
            close_bins(run, first_ps)
        last_ps = min(end_ps, run.bin_end_ps - 1)
        run.events += handle_events(run, last_ps, room)
        if run.is_exact:
            continue
        choose_anchor(run)
        if run.anchored and not run.stepping:
            look_back(run, g, end_ps)
            if run.lines_short:
                run.lines_short = 0
                return LINES_SHORT


@jit
def room_for_events(run):
    """Return how many events can be handled before a table may be full."""
    room = min(
        run.free_packets // PACKETS_AN_EVENT,
        (run.log_count - run.log_size) // LOG_ROWS_AN_EVENT,
    )
    room = min(room, (run.stalls_count - run.stalls_size) // STALL_ROWS_AN_EVENT)
    room = min(room, room_on_lines(run))
    if run.probing:
        room = min(room, (run.probes_count - run.probe_size) // ROWS_AN_EVENT)
    return room


@jit
def what_is_short(run):
    """Return the code of the table that has no room for an event, SLICE_DONE if all have."""
    if run.free_packets < PACKETS_AN_EVENT:
        return PACKETS_SHORT
    if run.log_size + LOG_ROWS_AN_EVENT > run.log_count:
        return LOG_SHORT
    if run.stalls_size + STALL_ROWS_AN_EVENT > run.stalls_count:
        return STALLS_SHORT
    if run.probing and run.probe_size + ROWS_AN_EVENT > run.probes_count:
        return PROBES_SHORT
    if room_on_lines(run) <= 0:
        return LINES_SHORT
    return SLICE_DONE


@jit
def next_event_ps(run):
    """Return the time of the next event, NEVER if there is none."""
    if run.port_to_serve != NOWHERE:
        return run.now_ps
    return min(run.first_ps, run.heap_first_ps)


@jit
def drop_dead_timers(run):
    """Take ACK timers that were turned off from the top of the heap; True if there were any.

    They are no events, and must not move the time bins: one may lie far beyond the last packet.
    """
    dropped = False
    while run.heap_size > 0:
        key = get_event(run, 0).key
        if key >> KIND_SHIFT != ACK_TIMER:
            break
        qp = get_requester(run, key & ENTITY_MASK)
        if qp.deadline_ps != NEVER_PS:
            break
        qp.timer_pending = 0
        pop_heap(run)
        dropped = True
    return dropped


@jit
def next_event_key(run):
    """Return the key of the next event, of which there is one."""
    if run.port_to_serve != NOWHERE and not any_before_service(run, run.port_to_serve):
        return (SERVICE << KIND_SHIFT) | run.port_to_serve
    return get_event(run, 0).key if heap_is_first(run) else first_key(run)


@jit_in_place
def handle_events(run, until_ps, most):
    """Handle events up to and with a time, at most so many; return how many."""
    for handled in range(most):
        kind = SERVICE
        entity = run.port_to_serve
        run.port_to_serve = NOWHERE
        if entity == NOWHERE or any_before_service(run, entity):
            if entity != NOWHERE:
                push_service(run, run.now_ps, entity)
            if min(run.first_ps, run.heap_first_ps) > until_ps:
                return handled
            if heap_is_first(run):
                run.now_ps = run.heap_first_ps
                key = get_event(run, 0).key
                kind = key >> KIND_SHIFT
                entity = key & ENTITY_MASK
                if SCENARIO < kind <= PACKET_ARRIVAL:
                    entity = np.int64(get_port(run, entity).peer)
                pop_heap(run)
            else:
                run.now_ps = run.first_ps
                place = pop_first(run)
                entity = place >> 1
                if not place & 1:
                    kind = PACKET_ARRIVAL
        if handle(run, kind, entity, run.now_ps):
            run.clock_ps = run.now_ps
        if run.operations_left + run.others_left == 0:
            # An arrival goes by the port that sent it (docs/protocol.md, "Order of events").
            if kind == PACKET_ARRIVAL:
                entity = np.int64(get_port(run, entity).peer)
            run.last_key = (kind << KIND_SHIFT) | entity
            return handled + 1
        if run.anchored:
            return handled + 1
    return most


@jit_in_place
def handle(run, kind, entity, now_ps):
    """Handle one event; False if it was void."""
    if SCENARIO < kind <= PACKET_ARRIVAL:
        arrive(run, entity, now_ps)
        return True
    if kind == SERVICE:
        return serve(run, entity, now_ps)
    if kind == ACK_TIMER:
        return ack_timer(run, entity, now_ps)
    if kind == PACE:
        get_rate(run, entity).pace_pending = 0
        let_join(run, entity)
        return False
    if kind == REFRESH:
        return refresh(run, entity, now_ps)
    if kind == WAKE:
        wake(run, entity, now_ps)
        return False
    if kind == WATCH:
        return watch(run, entity, now_ps)
    if kind == SCENARIO:
        happen(run, entity)
        return True
    handle_operation(run, entity, now_ps)
    return True
