"""The state of a run: one record type an entity, every field with its unit.

A table is a NumPy array of one of these records. Fields above the line "state" in
each type are set once, when a scenario is built; those below belong to the emulator.
Times are int64 picoseconds, sizes int64 bytes, rates picoseconds a byte. An index
that points nowhere is -1. docs/protocol.md says what each field means in motion.
"""

from typing import Any, NamedTuple

import numpy as np

PRIORITIES = 8
NOWHERE = -1
NEVER_PS = np.iinfo(np.int64).max
NO_KEY = np.iinfo(np.int64).max
LAST_PS = 9 * 10**18  # 104 days: runs end here, so that times with a timer added do not wrap
PSN_MODULUS = 1 << 24
MAX_OUTSTANDING_PACKETS = 1 << 23
PREAMBLE_BYTES = 8
PREAMBLE_AND_GAP_BYTES = 20  # on the wire, but neither stored nor exposed to errors
CONTROL_FRAME_BYTES = 84  # PFC (IEEE 802.1Qbb) and notices: a 64 B frame, preamble and gap

# Kinds of packet. A port's own frames come last: PFC, and the notice of a damaged frame.
DATA, ACK, NAK, CNP, PFC, NOTICE = range(6)
TRAIN = 6  # no packet: on a line it stands for many (kernels/train.py)

# Bits of packet.flags.
LAST_OF_MESSAGE = 1
DAMAGED = 2
ECN_MARKED = 4
ACK_REQUESTED = 8  # AckReq of the BTH
LOST = 16  # with the line, which is down while the packet is on it

# Kinds of operation, and what has become of one.
COMPUTE, SEND = range(2)
WAITING, READY, RUNNING, DONE = range(4)

PAGE_BYTES = 4096  # of memory: within one, processors fetch lines ahead that were not asked for
LINE_BYTES = 64  # of the cache: what is used together should lie in one


def _record(*groups: list[tuple[str, str]], line_bytes: int = LINE_BYTES) -> Any:
    """Return a record type in which each group of fields begins on a cache line of its own.

    So what two threads write never shares a line, if the table itself begins on one.
    """
    names: list[str] = []
    formats: list[str] = []
    offsets: list[int] = []
    end = 0
    for group in groups:
        fields = np.dtype(group, align=True)
        assert fields.names is not None
        names += fields.names
        formats += [kind for _, kind in group]
        offsets += [end + fields.fields[name][1] for name in fields.names]  # type: ignore[index]
        end += -(-fields.itemsize // line_bytes) * line_bytes
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": end}, align=True
    )


port = _record(
    [
        ("ps_per_byte", "i8"),
        ("delay_ps", "i8"),  # last bit out here to last bit in at the peer
        ("pause_ps", "i8"),  # how long an XOFF frame sent from here lasts
        ("refresh_ps", "i8"),  # from the end of an XOFF frame to its repetition
        ("peer", "i4"),  # the port at the other end of the cable or line
        ("is_host", "i4"),  # 1 where packets end and queue pairs live
        ("line", "i4"),  # what is sent from here goes on, NOWHERE for a cable
        ("line_in", "i4"),  # the line that ends here, NOWHERE for a cable
        ("stands_for", "i4"),  # itself, or the port whose line has another way, that ends here
        ("site", "i4"),
        ("group", "i4"),  # of sites, emulated as one
        ("has_errors", "i4"),  # 1: row `way` of `errors` damages what is sent from here
        ("way", "i4"),  # the port that the line leaves from: itself, or one that stands for it
        ("control", "i4"),  # the port that the control channel leaves from, NOWHERE: PFC in band
        ("notifies", "i4"),  # 1: tells its peer of each damaged frame that comes
        ("watch_drops", "i4"),  # 1: what a storm holds up is dropped; 0: it is sent
        ("watch_ps", "i8"),  # a pause that lasts so long is a storm; 0: no watchdog
        ("restore_ps", "i8"),  # the storm is over so long after the last XOFF
    ],
    # state: the transmitter
    [
        ("busy_until_ps", "i8"),  # end of the last frame, NOWHERE when that has been dealt with
        ("queued_bytes", "i8"),  # stored for this egress, frame in service included
        ("peak_bytes", "i8"),  # the largest that this was, since it was last noted as below
        ("service_pending", "i2"),  # 1: a service event is pending
        ("waiting", "i2"),  # bit c: lane c has something to send
        ("paused", "i2"),  # bit c: pause_until_ps of lane c may lie ahead
        ("pause_requests", "i2"),  # bit c: a PFC frame for priority c is to be sent
        ("pausing", "i2"),  # bit c: the peer has been told to stop priority c
        ("storming", "i2"),  # bit c: pauses of lane c are not obeyed
        ("notice_requested", "i2"),  # 1: a notice is to be sent
        ("is_stopped", "i2"),  # 1: sends nothing: its line is down
        ("released_queue", "i4"),  # ingress lane that the frame in service occupies
        ("released_lane", "i4"),  # egress lane, likewise
        ("released_bytes", "i4"),  # stored bytes of the frame in service
    ],
    [
        ("flight_head", "i4"),  # packets on the cable that leaves from here, in order
        ("flight_tail", "i4"),
        ("tx_packets", "i8"),  # data, ACK and NAK frames
        ("tx_bytes", "i8"),  # their line time in bytes
        ("binned_tx_bytes", "i8"),  # of it, what is already in the bins
        ("ecn_draws", "i8"),
        ("refresh_due_ps", "i8"),
        ("refresh_pending", "i4"),  # 1: a refresh event is pending
        ("last_arrival_ps", "i8"),  # of what was put on its line, whatever the way
        ("last_control_ps", "i8"),  # and on its control channel
        ("error_told_ps", "i8"),  # when the last notice came, NOWHERE before
    ],
    # state: what came in, and counters of what is rare
    [
        ("rx_packets", "i8"),  # undamaged data, ACK and NAK frames
        ("rx_crc_errors", "i8"),  # frames lost to bit errors, PFC included
        ("lost_pause", "i8"),  # of these, PFC frames
        ("lost_notices", "i8"),  # and notices
        ("lost_on_line", "i8"),  # frames of all kinds lost with the line
        ("rx_pause", "i8"),
        ("tx_pause", "i8"),  # PFC frames
        ("paused_ps", "i8"),  # closed pauses, summed over priorities
        ("binned_pause_ps", "i8"),  # pauses already in the bins
        ("max_queued_bytes", "i8"),
        ("bin_max_queued_bytes", "i8"),  # since the current time bin began
        ("cycle_peak_bytes", "i8"),  # since the image was taken (kernels/cycle.py)
        ("border_bytes", "i8"),  # queued as a bin ends that a jump goes over
    ],
)

# What damages the frames that a port sends: row p is port p's (kernels/errors.py).
BITS, PACKETS, CODEWORDS, GILBERT_ELLIOTT = range(4)
errors = _record(
    [
        ("process", "i8"),  # one of these
        ("log_survival", "f8"),  # ln(1 - probability that a bit, a packet or a block is bad)
        ("block_ps", "i8"),  # of line time: the codewords that fail as one
        ("bad_log_survival", "f8"),  # while the line is bad (Gilbert-Elliott)
        ("good_ps", "i8"),  # how long it is good, in the mean
        ("bad_ps", "i8"),
        ("change_end", "i8"),  # one past its last row of `error_changes`
        ("spell_end", "i8"),  # one past its last row of `spells`
    ],
    # state
    [
        ("gap", "i8"),  # good bits or packets before the next bad one; the next bad block; -1: draw
        ("draws", "i8"),
        ("is_bad", "i8"),  # 1: the line is bad
        ("until_ps", "i8"),  # and stays so
        ("change", "i8"),  # its next row of `error_changes`
        ("spell", "i8"),  # its next row of `spells`
    ],
)
# From a time on, another log_survival; minus infinity: every frame is damaged.
error_change = np.dtype([("time_ps", "i8"), ("log_survival", "f8")])
# What is in service between these times is lost: the line breaks while it is on it.
spell = np.dtype([("from_ps", "i8"), ("to_ps", "i8")])

# What happens to a line, a port or a queue pair, and when.
STOP, GO, SWITCH, RATE, STORM_BEGINS, STORM_ENDS, HINT = range(7)
change = np.dtype(
    [
        ("time_ps", "i8"),
        ("kind", "i8"),  # one of these
        ("entity", "i8"),  # a port, or (HINT) a queue pair
        ("value", "i8"),  # a line, ps a byte, bits of priorities, or a window in bytes
        ("other", "i8"),  # SWITCH: 1: packets may overtake; HINT: the round trip in ps
    ]
)

# A lane is one priority of one port: lanes[port * PRIORITIES + priority].
lane = _record(
    # as an egress
    [
        ("head", "i4"),
        ("tail", "i4"),
        ("ready_head", "i4"),  # queue pairs with a packet to send, hosts only
        ("ready_tail", "i4"),
        ("queued_bytes", "i8"),
        ("queue_limit_bytes", "i8"),  # tail drop of a lossy priority
        ("ecn_max_bytes", "i8"),  # 0: never mark
        ("ecn_min_bytes", "i8"),
        ("ecn_probability", "f8"),  # at ecn_max_bytes
        ("ecn_marked", "i8"),
    ],
    # as an ingress
    [
        ("ingress_bytes", "i8"),
        ("max_ingress_bytes", "i8"),
        ("ingress_limit_bytes", "i8"),  # XOFF + headroom; 0: a lossy priority
        ("xoff_bytes", "i8"),  # pause the peer above this; 0 with no limit: lossy
        ("xon_bytes", "i8"),  # and let it go on at or below this
        ("quiet_port", "i4"),  # sends a frame from here whose end has no event, or NOWHERE
        ("wake_pending", "i4"),  # 1: a wake event is pending, egress
        ("pool", "i4"),  # row of `pools`, NOWHERE: a buffer of its own
        ("watch_pending", "i4"),  # 1: a watch event is pending, egress
        ("last_stop_ps", "i8"),  # when the last XOFF came, egress
    ],
    # pauses and drops
    [
        ("pause_until_ps", "i8"),
        ("paused_since_ps", "i8"),  # NEVER when not paused
        ("paused_ps", "i8"),  # sum of closed pauses
        ("rx_pause", "i8"),  # XOFF received
        ("pauses", "i8"),  # of these, the ones that began a pause
        ("resumes", "i8"),  # go-ons received that ended one
        ("tx_pause", "i8"),  # XOFF sent
        ("drops_congestion", "i8"),  # lossless: as ingress; lossy: as egress
    ],
    # what is rare: drops, an ingress that shares its node's buffer, storms
    [
        ("episode_drop_bytes", "i8"),  # dropped since the last resume
        ("missing_bytes", "i8"),  # the largest of these: what the buffer lacked
        ("alpha", "f8"),  # of the threshold of a shared buffer, which hangs on what is free
        ("headroom_limit_bytes", "i8"),
        ("headroom_used_bytes", "i8"),  # of ingress_bytes
        ("storms", "i8"),
        ("drops_watchdog", "i8"),
    ],
)

# A buffer that lossless ingress lanes of a node share (kernels/pool.py).
pool = _record(
    [
        ("shared_bytes", "i8"),
        ("headroom_bytes", "i8"),  # for what comes after XOFF, of all lanes
        # state
        ("shared_used_bytes", "i8"),
        ("headroom_used_bytes", "i8"),
        ("max_shared_used_bytes", "i8"),
        ("max_headroom_used_bytes", "i8"),
    ],
)

packet = np.dtype(
    [
        ("next", "i4"),
        ("at", "i4"),  # index into paths of the port it was last sent from
        ("queue_pair", "i4"),
        ("psn", "i4"),  # a PFC frame: bits 0-7 the priorities named, 8-15 those to stop
        ("about", "i4"),  # a NAK of selective repeat: the PSN that came
        ("arrival_ps", "i8"),
        ("size_bytes", "i2"),  # line time, preamble and gap included
        ("payload_bytes", "i2"),
        ("kind", "i1"),
        ("priority", "i1"),
        ("flags", "i1"),
    ],
    align=True,
)

# One direction of a line between two sites, on one way. What is on it stands in a ring of packets,
# which the sender fills and the receiver empties; what was sent since they last met is not visible.
line = _record(
    [
        ("port", "i8"),  # that it leaves from
        ("delay_ps", "i8"),
        ("has_errors", "i8"),
        ("control", "i8"),  # port of the control channel beside it, or NOWHERE
        ("ring_at", "i8"),  # address of the ring
        ("ring_count", "i8"),  # packets that it can hold, a power of 2
        ("is_inside", "i8"),  # 1: both ends are of one group, and meet at every packet
    ],
    [
        ("sent", "i8"),  # packets ever put on it
        ("freed", "i8"),  # of these, those that had left it when the two last met
        ("last_ps", "i8"),  # when the last one arrives
        ("is_short", "i8"),  # 1: a larger ring would let a cycle be jumped over in one
    ],
    [
        ("received", "i8"),  # packets that have left it
        ("visible", "i8"),  # one past the last packet that the receiver may know of
        ("announced", "i8"),  # 1: an arrival is pending
        ("keeps_too_little", "i8"),  # 1: a larger ring would keep a period of what has left it
    ],
)

# A queue pair is a sender and a receiver, a table each: two threads may be at work on them.
requester = _record(
    [
        ("window_bytes", "i8"),
        ("timeout_ps", "i8"),  # the ACK timer; 0: none
        ("data_path", "i4"),  # index into paths; a path ends with NOWHERE
        ("sender_port", "i4"),
        ("priority", "i4"),
        ("mtu_bytes", "i4"),
        ("overhead_bytes", "i4"),  # line time of a data packet less its payload
        ("reth_bytes", "i4"),  # more on the first packet of a message
        ("is_adaptive", "i4"),  # 1: its first timers after progress are short
        ("naks_repeat", "i4"),  # 1: its receiver repeats NAKs, which then spend no retries
        ("has_rate", "i4"),  # 1: paced by row q of `rates`
        ("line_port", "i4"),  # by which its data leaves the site, NOWHERE if it does not
        ("is_selective", "i4"),  # 1: selective repeat; 0: go-back-N
        ("is_slow", "i4"),  # state: 1: allowed_packets is a limit
    ],
    [
        ("reorder_packets", "i8"),  # what its receiver can hold out of order; 0: go-back-N
        ("acked_first", "i8"),  # its first row of `acked`, of so many
        ("first_timeout_ps", "i8"),  # of the timers after progress, which double; 0: none
        ("restart_packets", "i8"),  # outstanding at first after a loss; 0: no slow restart
        ("round_trip_ps", "i8"),  # of its path when that is empty
        ("budget_ps", "i8"),  # in a period of this
        ("retries", "i8"),
        ("budget_retries", "i8"),  # so many retries are survived; 0: any number
    ],
    # state. Sequence numbers here never wrap; the wire has them mod 2^24.
    [
        ("oldest", "i8"),  # first unacknowledged packet
        ("next", "i8"),  # next packet to send
        ("newest", "i8"),  # one past the highest ever sent
        ("posted", "i8"),  # one past the last packet of all posted messages
        ("oldest_byte", "i8"),  # payload before packet `oldest`
        ("next_byte", "i8"),
        ("next_message", "i8"),  # place of packet `next` inside next_operation
        ("next_packet", "i8"),
    ],
    [
        ("deadline_ps", "i8"),  # of the ACK timer, NEVER when off
        ("tx_packets", "i8"),
        ("rx_acks", "i8"),  # ACKs that arrived
        ("moved_ps", "i8"),  # last progress, or first packet sent
        ("oldest_operation", "i4"),  # the posted operation packet `oldest` is of
        ("next_operation", "i4"),
        ("timer_pending", "i4"),  # 1: a timer event is pending
        ("retries_used", "i4"),
        ("in_error", "i4"),
        ("ready", "i4"),  # 1: in its lane's list of ready queue pairs
        ("next_ready", "i4"),
        ("is_stalled", "i4"),  # 1: it stands still for a loss
    ],
    [
        ("posted_bytes", "i8"),
        ("last_posted", "i4"),
        ("first_posted", "i4"),
        ("error_ps", "i8"),
        ("retransmitted_packets", "i8"),
        ("packet_seq_err", "i8"),  # NAKs acted on
        ("local_ack_timeout_err", "i8"),
        ("req_transport_retries_exceeded", "i8"),
        ("rx_naks", "i8"),
        ("rp_cnp_handled", "i8"),
        ("timeouts_in_a_row", "i4"),  # without progress
        ("timer_event_ps", "i8"),  # when the timer's event comes, not after its deadline
        ("resend_next", "i8"),  # selective repeat: packets from here
        ("resend_end", "i8"),  # to here, without it, are to be sent again unless acknowledged
        ("allowed_packets", "i8"),  # outstanding, in a slow restart
        ("kept_rate", "i8"),  # losses that a notice told the reason of
        ("period_end_ps", "i8"),
        ("period_retries", "i8"),
        ("over_budget", "i8"),  # 1: that put it into error
    ],
    # state: how long it stood still for a loss
    [
        ("stall_by", "i8"),  # BY_NAK or BY_TIMEOUT
        ("stall_packet", "i8"),
        ("stall_noticed_ps", "i8"),
        ("stall_naks", "i8"),
        ("stall_timeouts", "i8"),
        ("stalls", "i8"),
        ("stalled_ps", "i8"),
        ("longest_ps", "i8"),
        ("second_longest_ps", "i8"),
        ("third_longest_ps", "i8"),
        ("lost_by_nak", "i8"),  # losses that a NAK told of
    ],
)
responder = _record(
    [
        ("nak_again_ps", "i8"),  # how long until a gap gets another NAK; 0: never
        ("ack_path", "i4"),
        ("receiver_port", "i4"),
        ("ack_priority", "i4"),
        ("ack_bytes", "i4"),
        ("ack_every", "i4"),
        ("cnp_bytes", "i4"),
        ("cnp_priority", "i4"),
        ("cnp_ps", "i8"),  # between two CNPs at least; 0: none are sent
        ("reorder_packets", "i8"),  # what it can hold out of order; 0: go-back-N
        ("held_first", "i8"),  # its first row of `held`, of so many
    ],
    # state
    [
        ("expected", "i8"),
        ("unacknowledged", "i8"),  # packets accepted since the last ACK
        ("rx_packets", "i8"),
        ("acks_sent", "i8"),
        ("receive_operation", "i4"),
        ("nak_sent", "i4"),
        ("held_packets", "i8"),
    ],
    [
        ("out_of_sequence", "i8"),
        ("duplicate_request", "i8"),
        ("naks_sent", "i8"),
        ("nak_due_ps", "i8"),
        ("np_ecn_marked_roce_packets", "i8"),
        ("cnp_due_ps", "i8"),
        ("np_cnp_sent", "i8"),
    ],
)

# How fast a queue pair sends: row q is queue pair q's (kernels/rate.py).
NO_RATE, FIXED, DCQCN = range(3)
rate = _record(
    [
        ("rate_control", "i8"),  # one of these
        ("line_bps", "i8"),  # of its port
        ("least_bps", "i8"),
        ("add_bps", "i8"),
        ("hyper_bps", "i8"),
        ("increase_ps", "i8"),
        ("increase_bytes", "i8"),
        ("alpha_ps", "i8"),
        ("fast_steps", "i8"),
        ("gain", "f8"),
    ],
    # state
    [
        ("rate_bps", "i8"),
        ("target_bps", "i8"),
        ("alpha", "f8"),
        ("alpha_since_ps", "i8"),
        ("rate_since_ps", "i8"),
        ("timer_steps", "i8"),
        ("byte_steps", "i8"),
        ("sent_bytes", "i8"),
    ],
    [
        ("next_send_ps", "i8"),
        ("pace_pending", "i8"),  # 1: a pace event is pending
    ],
)

operation = _record(
    [
        ("duration_ps", "i8"),  # of a computation
        ("bytes", "i8"),  # all its messages together
        ("message_bytes", "i8"),  # the last one may be shorter
        ("messages", "i8"),
        ("kind", "i4"),
        ("queue_pair", "i4"),  # of messages
        ("flow", "i4"),
        ("feeds", "i4"),  # a delivered message gives this operation a credit
        ("sent_first", "i4"),  # successors[sent_first : delivered_first] wait for `sent`
        ("delivered_first", "i4"),  # and up to successors_end for `delivered`
        ("successors_end", "i4"),
    ],
    # state, where it begins and is sent
    [
        ("waits", "i4"),  # what it still waits for, its own start time included
        ("status", "i4"),
        ("next_posted", "i8"),  # on the same queue pair
        ("credits", "i8"),  # messages that may be sent so far
        ("first_packet", "i8"),  # its place among the queue pair's packets
        ("packets", "i8"),
        ("packets_a_message", "i8"),
        ("first_byte", "i8"),
        ("start_ps", "i8"),  # began, or was posted; NOWHERE before
    ],
    [("sent_ps", "i8")],  # last ACK, or end of the computation
    # state, where it is delivered
    [("messages_delivered", "i8"), ("delivered_ps", "i8")],
)

flow = np.dtype(
    [
        ("delivered_bytes", "i8"),
        ("bin_bytes", "i8"),
        ("first_bit_ps", "i8"),  # NOWHERE before
        ("first_delivery_ps", "i8"),
        ("first_delivery_bytes", "i8"),
        ("last_delivery_ps", "i8"),
    ],
    align=True,
)

# What went wrong or was held back, in the order of events. What `entity` is: lane, port or
# queue pair, by kind; `about`: the queue pair of a dropped packet (NOWHERE for PFC), or the
# number of the oldest unacknowledged packet.
DROP_CONGESTION, DROP_ERROR, GO_BACK, TIMEOUT, QP_ERROR, PAUSE, RESUME = range(7)
DROP_LINE, STORM = 7, 8
LOG_ENTITIES = (
    *("lane", "port", "queue_pair", "queue_pair", "queue_pair", "lane", "lane"),
    *("port", "lane"),
)
logged = np.dtype(
    [("time_ps", "i8"), ("kind", "i8"), ("entity", "i8"), ("about", "i8")],
)

# How long a queue pair stood still for one loss, and how it learnt of it.
BY_NAK, BY_TIMEOUT = range(2)
stall = np.dtype(
    [
        ("time_ps", "i8"),  # of the row: it moves again, or is in error
        ("queue_pair", "i8"),
        ("packet", "i8"),  # number of the oldest unacknowledged one
        ("began_ps", "i8"),
        ("noticed_ps", "i8"),
        ("ended_ps", "i8"),  # NOWHERE: never
        ("by", "i8"),
        ("naks", "i8"),
        ("timeouts", "i8"),
    ],
)

# A pending event: when, and its kind and entity as one sortable key (kernels/calendar.py).
event = np.dtype([("time_ps", "i8"), ("key", "i8")])

# The arrival (row 2 p) and the service (row 2 p + 1) that port p may have pending.
near = _record(
    [
        ("time_ps", "i8"),
        ("key", "i8"),
        ("next", "i4"),  # row of `near` that stands behind it in its bucket
        ("packet", "i4"),  # that arrives, NOWHERE if it is on a line
        ("egress", "i4"),  # port by which it will leave, NOWHERE if it is for this host
    ],
    line_bytes=32,
)
BUCKETS = 1024  # of the calendar
WORD_BITS = 32  # of its marks; BUCKETS / WORD_BITS of them, again marked in as many bits
bucket = np.dtype(
    [
        ("first", "i4"),  # row of `near`; NOWHERE: empty
        ("last", "i4"),
    ]
)

# What the run of a group of sites knows. One record a group; `NAME_at` and `NAME_count` say
# where each of the other tables is, for kernels/access.py.
SHARED_TABLES = (
    *("ports", "errors", "lanes", "lines", "requesters", "responders", "operations"),
    *("rates", "acked", "held", "error_changes", "spells", "changes", "pools"),
    *("flows", "paths", "successors", "goodput_bins", "queue_bins", "pause_bins", "sent_bins"),
    "motions",
)
CYCLE_TABLES = (
    *("own_requesters", "own_responders", "blocks", "image", "deltas", "pending", "standing"),
    *("data_shifts", "ack_shifts", "tape", "own_transits"),
)
GROUP_TABLES = (
    *("packets", "heap", "near", "buckets", "marks", "agenda_ps", "agenda_operation"),
    *("probes", "log", "stalls", "own_ports", "own_flows", "own_lines"),
    *CYCLE_TABLES,
)
TABLE_NAMES = SHARED_TABLES + GROUP_TABLES
run = _record(
    [(f"{name}_at", "i8") for name in TABLE_NAMES]
    + [(f"{name}_count", "i8") for name in TABLE_NAMES]
    + [
        ("bins", "i8"),  # in the trace, an even number
        ("seed", "u8"),
        # state
        ("now_ps", "i8"),  # time of the event being handled
        ("clock_ps", "i8"),  # time of the last event that changed something
        ("heap_size", "i8"),
        ("heap_first_ps", "i8"),  # time of its first event, NEVER if it is empty
        ("first_ps", "i8"),  # time of the first event in the calendar, NEVER if it is empty
        ("first_bucket", "i8"),  # where it is
        ("bucket_shift", "i8"),  # a bucket of the calendar covers 2 to the power of this, ps
        ("marked_words", "i8"),  # bit w: word w of the marks is not 0
        ("stepping", "i8"),  # 1: this event alone, not the service that it leads to
        ("port_to_serve", "i8"),  # asked to serve by this event, not in the heap
        ("free_head", "i8"),  # list of free packets
        ("free_packets", "i8"),
        ("agenda_next", "i8"),  # next row of the agenda
        ("operations_left", "i8"),
        ("others_left", "i8"),  # 1: other groups may have operations left
        ("last_key", "i8"),  # of the event with which the last operation finished
        ("witness", "i8"),  # an operation that was seen not to end soon
        ("events", "i8"),
        ("probe_size", "i8"),
        ("probing", "i8"),
        ("log_size", "i8"),
        ("log_first", "i8"),  # so many of a kind and an entity are logged
        ("stalls_size", "i8"),
        ("bin", "i8"),
        ("bin_width_ps", "i8"),
        ("bin_end_ps", "i8"),
    ]
    + [
        # state: of kernels/cycle.py
        ("is_exact", "i8"),  # 1: no cycles: every event is handled
        ("words_an_event", "i8"),  # that may be compared or copied
        ("least_jump", "i8"),  # events that a jump must save
        ("last_end", "i8"),  # end of a queue pair that last sent or received a data packet
        ("anchor", "i8"),  # the end whose packets are waited for, or NOWHERE
        ("anchored", "i8"),  # 1: one of them has just been sent or received
        ("since_end", "i8"),  # data packets of the anchor since one that ended a message
        ("anchor_events", "i8"),  # `events` when a packet of the anchor was last seen
        ("credit", "i8"),  # words that may be compared or copied
        ("credit_events", "i8"),  # `events` when that was last earned
        ("tries", "i8"),  # since the image was taken
        ("in_vain", "i8"),  # since the last jump
        ("patience", "i8"),  # so many, then another image is taken
        ("taping", "i8"),  # 1: what happens since the image is on the tape
        ("tape_size", "i8"),
        ("is_taped", "i8"),  # 1: the period that has just ended is on the tape
        ("period_ps", "i8"),
        ("most_periods", "i8"),  # that may follow
        ("lines_short", "i8"),  # 1: some line is
        ("latest_ps", "i8"),  # no event after this may be left out
        ("deltas_size", "i8"),
        ("pending_size", "i8"),
        ("standing_size", "i8"),
        # where in the image is what, in words
        ("image_errors", "i8"),
        ("image_requesters", "i8"),
        ("image_responders", "i8"),
        ("image_lines", "i8"),
        ("image_flows", "i8"),
        ("image_operations", "i8"),
        # what else is of the image
        ("image_ps", "i8"),  # when it was taken, NOWHERE if there is none
        ("image_events", "i8"),
        ("image_log_size", "i8"),
        ("image_stalls_size", "i8"),
        ("image_operations_left", "i8"),
        ("image_agenda_next", "i8"),
        ("image_port_to_serve", "i8"),
        ("image_pending_size", "i8"),
        ("image_standing_size", "i8"),
        # what came of it
        ("jumps", "i8"),
        ("jumped_events", "i8"),
        ("jumped_hops", "i8"),
    ],
    line_bytes=PAGE_BYTES,
)

# Rows that are compared with an image word by word (kernels/cycle_image.py).
block = np.dtype(
    [
        ("at", "i8"),  # the address of the first
        ("words", "i8"),  # of all
        ("row_words", "i8"),
        ("motions_at", "i8"),  # of `motions`: how each word of a row moves
        ("table", "i8"),  # of `IMAGED_TABLES`
        ("first", "i8"),  # row
    ]
)
IMAGED_TABLES = ("ports", "errors", "requesters", "responders", "rates", "lanes", "pools")
delta = np.dtype([("at", "i8"), ("value", "i8")])  # what a word at an address grows by in a period

# What bins must know of one period of a cycle (kernels/cycle_tape.py).
ENTERS, SENDS, DELIVERS = range(3)
taped = np.dtype(
    [
        ("kind", "i4"),  # one of these
        ("entity", "i4"),  # the port; the flow
        ("after_ps", "i8"),  # the image
        ("bytes", "i8"),  # stored by the port; line time sent; payload
        ("end_ps", "i8"),  # SENDS: when it has left, after the image; then within a period
        ("level_bytes", "i8"),  # ENTERS: what the port then stores; SENDS: that leaves with it
    ]
)

# A packet that stands in a FIFO or is on a cable, wherever it lies.
standing = np.dtype(
    [
        ("queue_pair", "i4"),
        ("psn", "i4"),
        ("at", "i4"),
        ("about", "i4"),
        ("arrival_ps", "i8"),  # on a cable; 0 in a FIFO
        ("shape", "i8"),  # size, payload, kind, priority and flags
    ]
)

# One row of the per-packet probe. A departure is a last bit out, an arrival a last bit in.
probe = np.dtype(
    [
        ("time_ps", "i8"),
        ("port", "i4"),  # departures: the port left; arrivals: the port entered
        ("queue_pair", "i4"),  # NOWHERE for PFC
        ("psn", "i4"),
        ("size_bytes", "i2"),
        ("kind", "i1"),
        ("flags", "i1"),
        ("is_arrival", "i1"),
    ],
    align=True,
)


class Group(NamedTuple):
    """The tables of one group of sites, which advances by itself."""

    packets: Any  # (capacity,), grown by the engine
    heap: Any  # as many as can be pending at once
    near: Any  # (2 P,), of its own ports; the other places are never touched
    buckets: Any  # (BUCKETS,)
    marks: Any  # int64, bit b % WORD_BITS of word b // WORD_BITS: bucket b is not empty
    agenda_ps: Any  # int64, sorted start times
    agenda_operation: Any  # int64, the operation that starts
    probes: Any  # (capacity,), grown by the engine
    log: Any  # (capacity,), grown by the engine
    stalls: Any  # (capacity,), grown by the engine
    own_ports: Any  # int64, the ports of its sites
    own_flows: Any  # int64, the flows that end there
    own_lines: Any  # int64, the lines that leave from there
    own_requesters: Any  # int64, the queue pairs that send from there
    own_responders: Any  # int64, and those that receive there
    own_transits: Any  # int64, and those that only pass
    blocks: Any  # of all that an image holds of them
    image: Any  # int64
    deltas: Any
    pending: Any  # event, those pending by key; from the middle on, those of the image
    standing: Any  # likewise
    data_shifts: Any  # (Q,), by how much the PSNs of a queue pair's data move in a period
    ack_shifts: Any  # (Q,), and those of its ACKs and NAKs
    tape: Any


class Tables(NamedTuple):
    """Everything a kernel reads and writes."""

    run: Any  # a record a group
    groups: list[Group]
    rings: list[Any]  # the packets on each line, grown by the engine
    ports: Any  # (P,)
    errors: Any  # (P,)
    lanes: Any  # (P * 8,)
    lines: Any
    requesters: Any  # (Q,)
    responders: Any  # (Q,)
    rates: Any  # (Q,)
    acked: Any  # int64, of the senders that repeat selectively: 1: is acknowledged
    held: Any  # int64, of their receivers: 0, or what the packet is (kernels/repeat.py)
    error_changes: Any  # in the order of time, those of a port together
    spells: Any  # in the order of time, those of a port together
    changes: Any  # in the order of time
    pools: Any
    operations: Any  # (O,)
    flows: Any  # (F,)
    paths: Any  # int64, ports in order, each path closed by NOWHERE
    successors: Any  # int64, operations
    goodput_bins: Any  # int64 bytes delivered, (F, bins), a bin after the other in memory
    queue_bins: Any  # int64 largest queue in bytes, (P, bins)
    pause_bins: Any  # int64 paused ps summed over priorities, (P, bins)
    sent_bins: Any  # int64 bytes of line time sent, (P, bins)
    motions: Any  # int64, how each word of a row of `IMAGED_TABLES` moves

    def locate(self) -> None:
        """Write into the run's records where the other tables are. They must stay alive."""
        for name in SHARED_TABLES:
            self._locate(slice(None), name, getattr(self, name))
        for g, group in enumerate(self.groups):
            for name in GROUP_TABLES:
                self._locate(g, name, getattr(group, name))
            for block in group.blocks:
                table = getattr(self, IMAGED_TABLES[block["table"]])
                block["at"] = table[block["first"] :].ctypes.data
        for line, ring in zip(self.lines, self.rings, strict=True):
            line["ring_at"] = ring.ctypes.data
            line["ring_count"] = len(ring)

    def _locate(self, groups: int | slice, name: str, table: Any) -> None:
        self.run[f"{name}_at"][groups] = table.ctypes.data
        self.run[f"{name}_count"][groups] = table.size

    def of_queue_pairs(self, name: str) -> Any:
        """Return a field of all queue pairs, whichever of their two tables has it."""
        assert requester.names is not None
        return (self.requesters if name in requester.names else self.responders)[name]

    def total(self, name: str) -> int:
        """Sum a counter of the run over the groups."""
        return int(self.run[name].sum())

    def packet_hops(self) -> int:
        """Return how many links data, ACKs and NAKs have entered."""
        return int(self.ports["tx_packets"].sum())

    def bytes(self) -> int:
        """Return the memory of all tables."""
        tables = [table for table in self if not isinstance(table, list)]
        tables += [*self.rings, *(table for group in self.groups for table in group)]
        return sum(int(table.nbytes) for table in tables)

    def log_rows(self) -> Any:
        """Return the log of all groups by time, then site, then in the order of events."""
        rows = self._rows("log", "log_size")
        lanes, pairs = rows["entity"] // PRIORITIES, self.requesters["sender_port"]
        of = np.array(LOG_ENTITIES)[rows["kind"]]
        port = np.select(
            [of == "lane", of == "port"],
            [lanes, rows["entity"]],
            pairs[np.where(of == "queue_pair", rows["entity"], 0)] if len(pairs) else 0,
        )
        return rows[np.lexsort((self.ports["site"][port], rows["time_ps"]))]

    def stall_rows(self) -> Any:
        """Return the stalls that are over by time, then site, then in the order of events."""
        rows = self._rows("stalls", "stalls_size")
        port = self.requesters["sender_port"][rows["queue_pair"]]
        return rows[np.lexsort((self.ports["site"][port], rows["time_ps"]))]

    def probe_rows(self) -> Any:
        """Return the probe of all groups by site, then in the order of events."""
        rows = self._rows("probes", "probe_size")
        return rows[np.argsort(self.ports["site"][rows["port"]], kind="stable")]

    def _rows(self, name: str, size: str) -> Any:
        parts = zip(self.groups, self.run[size].tolist(), strict=True)
        return np.concatenate([getattr(group, name)[:rows] for group, rows in parts])
