"""A jump: what a group would do in a number of periods, done to its state at once.

All times move by so many periods, all that grows grows by so many times as much, and what it
would have put on lines is put there (docs/architecture.md, "Cycles").
"""

import numpy as np

from .access import (
    get_bucket,
    get_delta,
    get_flow,
    get_lane,
    get_mark,
    get_operation,
    get_own_flow,
    get_own_port,
    get_own_responder,
    get_packet,
    get_pending,
    get_port,
    get_responder,
    get_standing,
    load,
    set_mark,
    store,
)
from .bits import lowest_bit
from .calendar import ENTITY_MASK, KIND_SHIFT, PACKET_ARRIVAL, SCENARIO, SERVICE, push_near
from .cycle_image import (
    FLOW_WORDS,
    LAST_DELIVERY_PS,
    image_word,
    messages_of,
)
from .cycle_lines import move_lines, move_psn
from .cycle_tape import delivered_in_period, play_periods
from .heap import push_heap
from .jit import jit, jit_apart
from .tables import NEVER_PS, NOWHERE, PFC, PRIORITIES, WORD_BITS


@jit_apart
def jump(run, g, periods):
    """Go on by a number of periods. What `match` found must be at hand."""
    by_ps = periods * run.period_ps
    hops = sent_packets(run)
    play_periods(run, periods)
    move_operations(run, periods)
    move_flows(run, periods, by_ps)
    for k in range(run.deltas_size):
        delta = get_delta(run, k)
        store(delta.at, 0, load(delta.at, 0) + periods * delta.value)
    move_standing(run, periods, by_ps)
    move_lines(run, g, periods)
    run.now_ps += by_ps
    run.clock_ps += by_ps
    move_pending(run, by_ps)
    run.jumps += 1
    run.jumped_events += periods * (run.events - run.image_events)
    run.jumped_hops += sent_packets(run) - hops


@jit
def sent_packets(run):
    """Return how many packets the ports of a group have sent."""
    packets = 0
    for place in range(run.own_ports_count):
        packets += get_port(run, get_own_port(run, place)).tx_packets
    return packets


@jit_apart
def move_flows(run, periods, by_ps):
    """Let the flows that end here have delivered as much in each period."""
    for place in range(run.own_flows_count):
        flow = get_flow(run, get_own_flow(run, place))
        at = run.image_flows + FLOW_WORDS * place
        flow.delivered_bytes += periods * delivered_in_period(run, place)
        if flow.last_delivery_ps != image_word(run, at, LAST_DELIVERY_PS):
            flow.last_delivery_ps += by_ps


@jit_apart
def move_operations(run, periods):
    """Let as many messages have been delivered in each period, and given credits."""
    for place in range(run.own_responders_count):
        q = get_own_responder(run, place)
        before = image_word(run, run.image_operations + run.own_requesters_count, place)
        messages = periods * (messages_of(run, q) - before)
        if messages > 0:
            operation = get_operation(run, np.int64(get_responder(run, q).receive_operation))
            operation.messages_delivered += messages
            if operation.feeds != NOWHERE:
                get_operation(run, np.int64(operation.feeds)).credits += messages


@jit_apart
def move_standing(run, periods, by_ps):
    """Move the packets in queues and on cables, in the order in which they were listed."""
    k = 0
    for place in range(run.own_ports_count):
        p = get_own_port(run, place)
        port = get_port(run, p)
        i = np.int64(port.flight_head)
        while i != NOWHERE:
            packet = get_packet(run, i)
            then = get_standing(run, run.standing_count // 2 + k)
            if packet.arrival_ps != then.arrival_ps:
                packet.arrival_ps += by_ps
                if packet.kind < PFC:
                    move_psn(run, packet, periods)
            i = np.int64(packet.next)
            k += 1
        waiting = np.int64(port.waiting)
        while waiting:
            priority = lowest_bit(waiting)
            waiting &= waiting - 1
            i = np.int64(get_lane(run, p * PRIORITIES + priority).head)
            while i != NOWHERE:
                packet = get_packet(run, i)
                move_psn(run, packet, periods)
                i = np.int64(packet.next)
                k += 1


@jit_apart
def move_pending(run, by_ps):
    """Put all pending events where they now belong."""
    clear_pending(run)
    for k in range(run.pending_size):
        event = get_pending(run, k)
        time_ps = event.time_ps
        if time_ps != get_pending(run, run.pending_count // 2 + k).time_ps:
            time_ps += by_ps
        kind, entity = event.key >> KIND_SHIFT, event.key & ENTITY_MASK
        if kind == SERVICE:
            push_near(run, time_ps, event.key, 2 * entity + 1)
        elif SCENARIO < kind <= PACKET_ARRIVAL:
            push_near(run, time_ps, event.key, 2 * np.int64(get_port(run, entity).peer))
        else:
            push_heap(run, time_ps, event.key)


@jit
def clear_pending(run):
    """Let no event be pending."""
    run.heap_size = 0
    run.heap_first_ps = NEVER_PS
    run.first_ps = NEVER_PS
    words = run.marked_words
    run.marked_words = 0
    while words:
        word = lowest_bit(words)
        words &= words - 1
        marks = get_mark(run, word)
        set_mark(run, word, 0)
        while marks:
            get_bucket(run, word * WORD_BITS + lowest_bit(marks)).first = NOWHERE
            marks &= marks - 1
