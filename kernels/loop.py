"""The loop: take the next event, handle it, until time is up."""

from .access import get_event
from .arrival import arrive
from .bins import close_bins
from .heap import (
    ACK_TIMER,
    ENTITY_MASK,
    KIND_SHIFT,
    PACKET_ARRIVAL,
    REFRESH,
    SERVICE,
    WAKE,
    any_before,
    close_hole,
    push,
)
from .jit import entry, jit_inlined
from .log import LOG_ROWS_AN_EVENT
from .operations import handle_operation
from .packets import PACKETS_AN_EVENT
from .pfc import refresh
from .port import serve, wake
from .probe import ROWS_AN_EVENT
from .requester import ack_timer
from .tables import NOWHERE

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
    while run.heap_size > 0 and run.operations_left > 0:
        now_ps = get_event(run, 0).time_ps
        if now_ps > until_ps:
            return TIME_IS_UP
        if run.events >= end:
            return SLICE_DONE
        if run.free_packets < PACKETS_AN_EVENT:
            return PACKETS_SHORT
        if run.probing and run.probe_size + ROWS_AN_EVENT > run.probes_count:
            return PROBES_SHORT
        if run.log_size + LOG_ROWS_AN_EVENT > run.log_count:
            return LOG_SHORT
        if now_ps >= run.bin_end_ps:
            close_bins(run, now_ps)
        key = get_event(run, 0).key
        if key >> KIND_SHIFT == REFRESH and now_ps - run.last_moved_ps > STILL_PS:
            run.last_moved_ps = now_ps
            return NOTHING_MOVES
        run.now_ps = now_ps
        run.events += 1
        run.hole = 1
        if handle(run, key >> KIND_SHIFT, key & ENTITY_MASK, now_ps):
            run.clock_ps = now_ps
        if run.port_to_serve != NOWHERE:
            serve_now_or_later(run, now_ps)
        close_hole(run)
    return NOTHING_LEFT


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


@jit_inlined
def serve_now_or_later(run, now_ps):
    """Serve the port that this event asked, unless another event comes before."""
    p = run.port_to_serve
    run.port_to_serve = NOWHERE
    if run.operations_left == 0 or any_before(run, now_ps, SERVICE, p):
        push(run, now_ps, SERVICE, p)
    else:
        run.events += 1
        if serve(run, p, now_ps):
            run.clock_ps = now_ps
        if run.port_to_serve != NOWHERE:
            push(run, now_ps, SERVICE, run.port_to_serve)
            run.port_to_serve = NOWHERE
