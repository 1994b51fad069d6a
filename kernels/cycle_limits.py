"""How often what a group has just done may follow again, exactly.

A period may be repeated as long as every comparison in it comes out as it did. What moves with
the group as a whole makes no difference; so here is what does not: ends of messages and operations,
windows, errors to come, times that stand still. What comes in from other groups, and the room on
lines, is in kernels/cycle_lines.py. `most_periods` is how many periods may follow by all that
counts, `latest_ps` up to when by all that has a time. docs/architecture.md has the argument.
"""

import math

import numpy as np

from .access import (
    get_ack_shift,
    get_data_shift,
    get_error_change,
    get_errors,
    get_lane,
    get_line,
    get_operation,
    get_own_port,
    get_own_requester,
    get_own_responder,
    get_own_transit,
    get_pending,
    get_port,
    get_requester,
    get_responder,
    get_spell,
    get_standing,
    imaged_errors,
    imaged_port,
    imaged_requester,
    imaged_responder,
    set_ack_shift,
    set_data_shift,
)
from .cycle_image import (
    LINE_WORDS,
    SENT,
    image_word,
)
from .jit import jit, jit_apart
from .tables import (
    ACK,
    CODEWORDS,
    DATA,
    GILBERT_ELLIOTT,
    MAX_OUTSTANDING_PACKETS,
    NAK,
    NOWHERE,
    PRIORITIES,
    PSN_MODULUS,
)
from .tables import (
    LAST_PS as END_PS,
)

MANY_PERIODS = 1 << 32
UNKNOWN = -1  # by how much PSNs move: nothing has told yet
LONGEST_FRAME_BYTES = 1 << 15


@jit
def at_most(run, periods):
    """Note that no more than so many periods may follow."""
    run.most_periods = min(run.most_periods, max(periods, 0))


@jit
def none_from(run, time_ps, frame_ps):
    """Note that nothing may be left out that happens at a time or later, or lasts until then.

    That is if it was still to come when the image was taken; else it is past, and stays so.
    frame_ps: how long what happens may last.
    """
    if time_ps > run.image_ps:
        run.latest_ps = min(run.latest_ps, time_ps - frame_ps - 1)


# Queue pairs that send


@jit_apart
def limit_requesters(run):
    """Limit by the queue pairs that send from here; False if one did not go on as before."""
    for place in range(run.own_requesters_count):
        q = get_own_requester(run, place)
        now, then = get_requester(run, q), imaged_requester(run, place)
        sent, acked = now.next - then.next, now.oldest - then.oldest
        renewed = now.newest - then.newest
        set_data_shift(run, q, sent % PSN_MODULUS)
        set_ack_shift(run, q, acked % PSN_MODULUS)
        if sent < 0 or acked < 0 or has_met_loss(now, then):
            return False
        if now.is_selective and (now.resend_end > now.oldest or then.resend_end > then.oldest):
            return False
        if now.tx_packets - then.tx_packets != sent and sent != acked:
            return False  # an ACK has moved `next`
        if now.deadline_ps == then.deadline_ps:
            none_from(run, now.deadline_ps, 0)  # its event may have moved there
        if not limit_messages(run, place, now, then, sent):
            return False
        if not limit_acked(run, now, then, acked):
            return False
        if not limit_window(run, now, then, sent, acked):
            return False
        if not limit_newest(run, now, then, sent, acked, renewed):
            return False
    return True


@jit
def has_met_loss(now, then):
    """Tell whether a queue pair has learnt of a loss in the period."""
    return (
        now.packet_seq_err != then.packet_seq_err
        or now.local_ack_timeout_err != then.local_ack_timeout_err
    )


@jit
def limit_messages(run, place, now, then, sent):
    """Limit by where the next packet stands: whole messages were sent, or parts of one."""
    bytes_sent = now.next_byte - then.next_byte
    messages = now.next_message - then.next_message
    packets = now.next_packet - then.next_packet
    credited = image_word(run, run.image_operations, place)
    if now.next_operation == NOWHERE:
        return sent == 0
    operation = get_operation(run, np.int64(now.next_operation))
    more_credits = operation.credits - credited
    if messages == 0 and credited <= now.next_message and more_credits > 0:
        return False
    if sent == 0:
        return bytes_sent == 0 and messages == 0 and packets == 0
    if packets == 0:
        if sent != messages * operation.packets_a_message:
            return False
        if bytes_sent != messages * operation.message_bytes:
            return False
        # The last message may be shorter.
        at_most(run, (operation.messages - 2 - now.next_message) // messages)
        if more_credits != messages:
            if credited <= now.next_message:
                return False
            if more_credits < messages:
                left = credited - now.next_message - 1
                at_most(run, left // (messages - more_credits))
        return True
    if messages != 0 or packets != sent or bytes_sent != packets * now.mtu_bytes:
        return False
    if then.next_packet == 0:
        return False  # the first packet of a message is longer
    before = now.next_message * operation.message_bytes
    message_bytes = min(operation.message_bytes, operation.bytes - before)
    whole_packets = message_bytes // now.mtu_bytes
    at_most(run, (whole_packets - 2 - now.next_packet) // packets)
    return True


@jit
def limit_acked(run, now, then, acked):
    """Limit by the operation, and perhaps the message, that the oldest packet is of."""
    if acked == 0:
        return now.oldest_byte == then.oldest_byte
    operation = get_operation(run, np.int64(now.oldest_operation))
    place = now.oldest - operation.first_packet
    at_most(run, (operation.packets - 1 - place) // acked)
    if acked % operation.packets_a_message == 0:
        return True
    message = place // operation.packets_a_message
    if (then.oldest - operation.first_packet) // operation.packets_a_message != message:
        return False
    left = (message + 1) * operation.packets_a_message - 1 - place
    at_most(run, left // acked)
    return True


@jit
def limit_window(run, now, then, sent, acked):
    """Limit by the window: if it fills the sender may come to a halt, if it empties go on."""
    bytes_sent = now.next_byte - then.next_byte
    bytes_acked = now.oldest_byte - then.oldest_byte
    if sent == acked:
        return bytes_sent == bytes_acked
    most_bytes = now.next_byte + 2 * now.mtu_bytes - then.oldest_byte
    most_outstanding = now.next - then.oldest
    most_packets = np.int64(MAX_OUTSTANDING_PACKETS)
    if now.is_selective:
        most_packets = min(most_packets, now.reorder_packets)
    if sent > acked:
        if now.is_slow or bytes_sent <= bytes_acked:
            return False
        at_most(run, (now.window_bytes - most_bytes) // (bytes_sent - bytes_acked))
        at_most(run, (most_packets - 2 - most_outstanding) // (sent - acked))
        return True
    has_no_more = sent == 0 and now.next >= now.posted
    at_most(run, (then.next - now.oldest - 1) // (acked - sent))
    if has_no_more:
        return True
    return most_bytes <= now.window_bytes and most_outstanding < most_packets


@jit
def limit_newest(run, now, then, sent, acked, renewed):
    """Limit by how much is outstanding, and by what is being sent again."""
    if renewed != sent:
        if renewed != 0 or now.next >= now.newest:
            return False
        at_most(run, (now.newest - 1 - now.next) // sent)
    elif sent > 0 and now.next != now.newest:
        return False
    if renewed != acked:
        outstanding = then.newest - now.oldest
        if outstanding <= 0:
            return False
        if renewed < acked:
            at_most(run, (outstanding - 1) // (acked - renewed))
    return True


# Queue pairs that receive


@jit_apart
def limit_responders(run, g):
    """Limit by the queue pairs that receive here; False if one did not go on as before."""
    for place in range(run.own_responders_count):
        q = get_own_responder(run, place)
        now, then = get_responder(run, q), imaged_responder(run, place)
        accepted = now.expected - then.expected
        if get_port(run, get_requester(run, q).sender_port).group == g:
            if get_data_shift(run, q) != accepted % PSN_MODULUS:
                return False
            if get_ack_shift(run, q) != accepted % PSN_MODULUS:
                return False
        else:
            set_ack_shift(run, q, accepted % PSN_MODULUS)
            set_data_shift(run, q, accepted % PSN_MODULUS if accepted > 0 else UNKNOWN)
        if now.held_packets > 0 and now.rx_packets != then.rx_packets:
            return False
        if now.nak_again_ps > 0 and now.nak_due_ps == then.nak_due_ps:
            none_from(run, now.nak_due_ps, 0)
        if now.cnp_ps > 0 and now.cnp_due_ps == then.cnp_due_ps:
            none_from(run, now.cnp_due_ps, 0)
        if now.receive_operation == NOWHERE:
            continue
        operation = get_operation(run, np.int64(now.receive_operation))
        before = image_word(run, run.image_operations + run.own_requesters_count, place)
        messages = operation.messages_delivered - before
        if messages > 0:
            at_most(run, (operation.messages - 1 - operation.messages_delivered) // messages)
    return True


# Packets


@jit_apart
def forget_transits(run):
    """Forget by how much the PSNs of queue pairs move that neither send nor receive here."""
    for place in range(run.own_transits_count):
        q = get_own_transit(run, place)
        set_data_shift(run, q, UNKNOWN)
        set_ack_shift(run, q, UNKNOWN)


@jit
def shift_of(run, kind, q):
    """Return by how much the PSNs of a queue pair's packets of a kind move in a period."""
    if kind == DATA:
        return get_data_shift(run, q)
    if kind in (ACK, NAK):
        return get_ack_shift(run, q)
    return np.int64(0)


@jit_apart
def moves_on(run, g, kind, q, psn, before):
    """Tell whether a packet is the one of a period before, as far as its PSN goes."""
    moved = (psn - before) % PSN_MODULUS
    shift = shift_of(run, kind, q)
    if shift == UNKNOWN:
        shift = moved
        if kind == DATA:
            set_data_shift(run, q, moved)
        else:
            set_ack_shift(run, q, moved)
    if moved != shift:
        return False
    if kind != DATA or moved == 0 or not is_refused(run, g, q):
        return True
    # It must be thrown away for the same reason.
    expected = get_responder(run, q).expected
    return is_ahead(before, expected) == is_ahead(psn, expected) and psn != expected % PSN_MODULUS


@jit
def is_refused(run, g, q):
    """Tell whether the receiver of a queue pair, if it is here, took nothing in in the period."""
    if get_port(run, get_requester(run, q).sender_port).group == g:
        return False
    if get_port(run, get_responder(run, q).receiver_port).group != g:
        return False
    return get_ack_shift(run, q) == 0


@jit
def is_ahead(psn, expected):
    """Tell whether a PSN is the expected one or ahead of it; else it is behind."""
    return (psn - expected) % PSN_MODULUS < PSN_MODULUS // 2


@jit
def periods_refused(run, g, q, psn):
    """Return how many periods a data packet and those it stands for are thrown away as it is."""
    shift = get_data_shift(run, q)
    if shift <= 0 or not is_refused(run, g, q):
        return MANY_PERIODS
    ahead = (psn - get_responder(run, q).expected) % PSN_MODULUS
    left = PSN_MODULUS // 2 - ahead if ahead < PSN_MODULUS // 2 else PSN_MODULUS - ahead
    return (left - 1) // shift


@jit_apart
def same_standing(run, g):
    """Tell whether the packets in queues and on cables are those of a period before."""
    if run.standing_size != run.image_standing_size:
        return False
    for k in range(run.standing_size):
        now, then = get_standing(run, k), get_standing(run, run.standing_count // 2 + k)
        if now.shape != then.shape or now.at != then.at or now.queue_pair != then.queue_pair:
            return False
        moved_ps = now.arrival_ps - then.arrival_ps
        if now.about != then.about:
            return False
        if moved_ps == 0 and now.arrival_ps != 0:
            if now.psn != then.psn:
                return False
        elif moved_ps != run.period_ps and moved_ps != 0:
            return False
        elif now.queue_pair == NOWHERE:
            if now.psn != then.psn:
                return False
        elif not moves_on(run, g, kind_of(now.shape), now.queue_pair, now.psn, then.psn):
            return False
    return True


@jit
def kind_of(shape):
    """Return the kind of a packet of this shape."""
    return shape >> 32 & 0xFF


# Time


@jit_apart
def limit_pending(run):
    """Limit by the events that do not move on; False if there are others than there were."""
    if run.pending_size != run.image_pending_size:
        return False
    for k in range(run.pending_size):
        now, then = get_pending(run, k), get_pending(run, run.pending_count // 2 + k)
        if now.key != then.key:
            return False
        if now.time_ps == then.time_ps:
            none_from(run, now.time_ps, 0)
        elif now.time_ps - then.time_ps != run.period_ps:
            return False
    return True


@jit_apart
def limit_ports(run):
    """Limit by frames longer than the period, and by the errors and breaks to come."""
    for place in range(run.own_ports_count):
        p = get_own_port(run, place)
        port, then = get_port(run, p), imaged_port(run, place)
        if port.busy_until_ps == then.busy_until_ps:
            none_from(run, port.busy_until_ps, 0)
        if port.refresh_due_ps == then.refresh_due_ps:
            none_from(run, port.refresh_due_ps, 0)
        if port.paused or port.watch_ps > 0:
            limit_pauses(run, port, p * PRIORITIES)
        if port.has_errors and has_sent(run, port, then):
            limit_errors(run, port)


@jit
def has_sent(run, port, then):
    """Tell whether a port has sent a frame of any kind; notices are counted only by its line."""
    if port.tx_bytes != then.tx_bytes or port.tx_pause != then.tx_pause:
        return True
    if port.line == NOWHERE:
        return False
    at = run.image_lines + LINE_WORDS * port.line
    return get_line(run, np.int64(port.line)).sent != image_word(run, at, SENT)


@jit
def limit_pauses(run, port, first_lane):
    """Limit by pauses that are not renewed, and what the watchdog makes of them.

    Their end may have no event: a port that is not idle looks for it at each service.
    """
    for lane_index in range(first_lane, first_lane + PRIORITIES):
        lane = get_lane(run, lane_index)
        if lane.last_stop_ps <= run.image_ps:
            none_from(run, lane.pause_until_ps, 0)
            if port.watch_ps > 0:
                none_from(run, lane.last_stop_ps + port.restore_ps, 0)
        if port.watch_ps > 0 and lane.paused_since_ps <= run.image_ps:
            none_from(run, lane.paused_since_ps + port.watch_ps, 0)


@jit
def limit_errors(run, port):
    """Limit by what is to hit the frames that a port sends."""
    errors = get_errors(run, np.int64(port.way))
    frame_ps = LONGEST_FRAME_BYTES * port.ps_per_byte
    for k in range(errors.spell, errors.spell_end):
        spell = get_spell(run, k)
        none_from(run, spell.from_ps, frame_ps)
        none_from(run, spell.to_ps, frame_ps)
        if spell.from_ps > run.latest_ps:
            break
    if errors.change < errors.change_end:
        none_from(run, get_error_change(run, errors.change).time_ps, 0)
    if errors.log_survival == -math.inf:
        return
    if errors.process == CODEWORDS:
        if errors.gap < 0:
            at_most(run, 0)
        elif errors.gap <= (min(run.latest_ps, END_PS) + frame_ps) // errors.block_ps:
            run.latest_ps = min(run.latest_ps, errors.gap * errors.block_ps - frame_ps)
        return
    if errors.process == GILBERT_ELLIOTT:
        run.latest_ps = min(run.latest_ps, errors.until_ps - frame_ps)


@jit_apart
def limit_gaps(run):
    """Limit by the good bits or packets that are left before the next bad one."""
    for place in range(run.own_ports_count):
        errors, then = get_errors(run, get_own_port(run, place)), imaged_errors(run, place)
        used = then.gap - errors.gap
        if used > 0:
            at_most(run, errors.gap // used)
        elif used < 0:
            return False
    return True
