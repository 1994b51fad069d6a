"""An image of a group: all that decides what it does next, to be compared with it later.

Rows of tables are copied as they are (`blocks` says which). Packets that stand in queues and on
cables, and pending events, are listed by what they are and not by where they lie, since the same
group may have them elsewhere a period later. The newer half of the tables `standing` and `pending`
is of now, the other one of the image.
"""

import numpy as np

from .access import (
    get_block,
    get_bucket,
    get_delta,
    get_event,
    get_flow,
    get_lane,
    get_line,
    get_mark,
    get_motion,
    get_near,
    get_operation,
    get_own_flow,
    get_own_port,
    get_own_requester,
    get_own_responder,
    get_packet,
    get_pending,
    get_port,
    get_requester,
    get_responder,
    get_standing,
    load,
    store,
)
from .bits import lowest_bit
from .cycle_fields import CLOCK, FREE, SAME
from .jit import jit, jit_apart
from .tables import NAK, NOWHERE, PFC, PRIORITIES, WORD_BITS

LINE_WORDS = 3  # of the image, a line
FLOW_WORDS = 2
WORDS_A_PACKET = 24  # it may lie anywhere
WORDS_A_PENDING = 12
SENT, LAST_PS, RECEIVED = range(LINE_WORDS)
DELIVERED_BYTES, LAST_DELIVERY_PS = range(FLOW_WORDS)


@jit
def image_word(run, first, place):
    """Return a word of the image."""
    return load(run.image_at, first + place)


@jit
def sends_on(run, g, line):
    """Tell whether a line leaves from group g."""
    return get_port(run, line.port).group == g


@jit
def receives_from(run, g, line):
    """Tell whether a line ends in group g."""
    return get_port(run, get_port(run, line.port).peer).group == g


@jit
def credits_of(run, q):
    """Return how many messages of its next operation a queue pair may send."""
    o = get_requester(run, q).next_operation
    return np.int64(0) if o == NOWHERE else get_operation(run, np.int64(o)).credits


@jit
def messages_of(run, q):
    """Return how many messages of its operation have reached the receiver of a queue pair."""
    o = get_responder(run, q).receive_operation
    return np.int64(0) if o == NOWHERE else get_operation(run, np.int64(o)).messages_delivered


@jit_apart
def take_image(run, g):
    """Take an image of group g as it is now. What has ended quietly is settled."""
    at = run.image_at
    for b in range(run.blocks_count):
        block = get_block(run, b)
        for word in range(block.words):
            store(at, word, load(block.at, word))
        at += 8 * block.words
    for i in range(run.lines_count):
        line = get_line(run, i)
        at = run.image_lines + LINE_WORDS * i
        if sends_on(run, g, line):
            store(run.image_at, at + SENT, line.sent)
            store(run.image_at, at + LAST_PS, line.last_ps)
        if receives_from(run, g, line):
            store(run.image_at, at + RECEIVED, line.received)
    for place in range(run.own_flows_count):
        flow = get_flow(run, get_own_flow(run, place))
        at = run.image_flows + FLOW_WORDS * place
        store(run.image_at, at + DELIVERED_BYTES, flow.delivered_bytes)
        store(run.image_at, at + LAST_DELIVERY_PS, flow.last_delivery_ps)
    at = run.image_operations
    for place in range(run.own_requesters_count):
        store(run.image_at, at + place, credits_of(run, get_own_requester(run, place)))
    at += run.own_requesters_count
    for place in range(run.own_responders_count):
        store(run.image_at, at + place, messages_of(run, get_own_responder(run, place)))
    run.image_ps = NOWHERE
    if not list_standing(run):
        return
    list_pending(run)
    for k in range(run.standing_size):
        now, then = get_standing(run, k), get_standing(run, run.standing_count // 2 + k)
        then.queue_pair, then.psn, then.at = now.queue_pair, now.psn, now.at
        then.about, then.arrival_ps, then.shape = now.about, now.arrival_ps, now.shape
    for k in range(run.pending_size):
        then = get_pending(run, run.pending_count // 2 + k)
        then.time_ps, then.key = get_pending(run, k).time_ps, get_pending(run, k).key
    run.image_standing_size = run.standing_size
    run.image_pending_size = run.pending_size
    run.image_events = run.events
    run.image_log_size = run.log_size
    run.image_stalls_size = run.stalls_size
    run.image_operations_left = run.operations_left
    run.image_agenda_next = run.agenda_next
    run.image_port_to_serve = run.port_to_serve
    run.image_ps = run.now_ps


@jit
def words_of_image(run):
    """Return what comparing or copying an image costs, as if it were words side by side."""
    listed = WORDS_A_PACKET * run.standing_size + WORDS_A_PENDING * run.pending_size
    return run.image_operations + listed


@jit
def same_account(run):
    """Tell whether nothing has happened since the image that happens only once."""
    return (
        run.image_log_size == run.log_size
        and run.image_stalls_size == run.stalls_size
        and run.image_operations_left == run.operations_left
        and run.image_agenda_next == run.agenda_next
        and run.image_port_to_serve == run.port_to_serve
    )


@jit_apart
def same_rows(run):
    """Compare the rows with the image; list the words that grow in a period, and by how much."""
    run.deltas_size = 0
    then_at = run.image_at
    for b in range(run.blocks_count):
        block = get_block(run, b)
        for word in range(block.words):
            value, before = load(block.at, word), load(then_at, word)
            if value == before:
                continue
            motion = get_motion(run, block.motions_at + word % block.row_words)
            if motion == FREE:
                continue
            if motion == SAME or (motion == CLOCK and value - before != run.period_ps):
                return False
            delta = get_delta(run, run.deltas_size)
            delta.at = block.at + 8 * word
            delta.value = value - before
            run.deltas_size += 1
        then_at += 8 * block.words
    return True


@jit_apart
def list_standing(run):
    """List the packets in queues and on cables; False if there are too many."""
    run.standing_size = 0
    most = run.standing_count // 2
    for place in range(run.own_ports_count):
        p = get_own_port(run, place)
        port = get_port(run, p)
        i = np.int64(port.flight_head)
        while i != NOWHERE:
            if run.standing_size == most:
                return False
            note_standing(run, p, i, get_packet(run, i).arrival_ps)
            i = np.int64(get_packet(run, i).next)
        waiting = np.int64(port.waiting)
        while waiting:
            priority = lowest_bit(waiting)
            waiting &= waiting - 1
            i = np.int64(get_lane(run, p * PRIORITIES + priority).head)
            while i != NOWHERE:
                if run.standing_size == most:
                    return False
                note_standing(run, p, i, np.int64(0))
                i = np.int64(get_packet(run, i).next)
    return True


@jit
def note_standing(run, p, i, arrival_ps):
    """Add packet i, which is at port p or on its cable, to the list."""
    packet = get_packet(run, i)
    row = get_standing(run, run.standing_size)
    row.queue_pair = NOWHERE if packet.kind >= PFC else packet.queue_pair
    row.psn = packet.psn
    row.at = p if packet.kind >= PFC else packet.at  # a port's own frames have no path
    row.about = packet.about if packet.kind == NAK else 0
    row.arrival_ps = arrival_ps
    row.shape = shape_of(packet)
    run.standing_size += 1


@jit
def shape_of(packet):
    """Return what of a packet is the same in each period, as a word."""
    shape = np.int64(packet.size_bytes)
    shape |= np.int64(packet.payload_bytes) << 16
    shape |= np.int64(packet.kind) << 32
    shape |= np.int64(packet.priority) << 40
    return shape | np.int64(packet.flags) << 48


@jit_apart
def list_pending(run):
    """List the pending events, by key. There is room for all that can be."""
    run.pending_size = 0
    words = run.marked_words
    while words:
        word = lowest_bit(words)
        words &= words - 1
        marks = get_mark(run, word)
        while marks:
            bucket = get_bucket(run, word * WORD_BITS + lowest_bit(marks))
            marks &= marks - 1
            place = np.int64(bucket.first)
            while place != NOWHERE:
                near = get_near(run, place)
                note_pending(run, near.time_ps, near.key)
                place = np.int64(near.next)
    for k in range(run.heap_size):
        event = get_event(run, k)
        note_pending(run, event.time_ps, event.key)
    sort_pending(run)


@jit
def note_pending(run, time_ps, key):
    """Add an event to the list."""
    row = get_pending(run, run.pending_size)
    row.time_ps = time_ps
    row.key = key
    run.pending_size += 1


@jit_apart
def sort_pending(run):
    """Sort the list by key: Shell's sort, which does little where little is to be done."""
    gap = 1
    while gap < run.pending_size // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, run.pending_size):
            time_ps, key = get_pending(run, k).time_ps, get_pending(run, k).key
            place = k
            while place >= gap and get_pending(run, place - gap).key > key:
                get_pending(run, place).time_ps = get_pending(run, place - gap).time_ps
                get_pending(run, place).key = get_pending(run, place - gap).key
                place -= gap
            get_pending(run, place).time_ps = time_ps
            get_pending(run, place).key = key
        gap //= 3
