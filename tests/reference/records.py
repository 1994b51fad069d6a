"""What the twin knows: plain records of Python numbers, named as in kernels/tables.py."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from wanrdma.kernels.tables import (
    NEVER_PS,
    NOWHERE,
    PREAMBLE_AND_GAP_BYTES,
    PRIORITIES,
    SEND,
    WAITING,
)


@dataclass
class Packet:
    """A frame: data, ACK, NAK, CNP, PFC or a notice."""

    kind: int
    size_bytes: int  # line time, preamble and gap included
    priority: int = NOWHERE
    queue_pair: int = NOWHERE
    psn: int = 0  # PFC: bits 0-7 the priorities named, 8-15 those told to stop
    about: int = 0  # a NAK of selective repeat: the PSN that came
    payload_bytes: int = 0
    flags: int = 0
    at: int = NOWHERE  # index into paths of the port it was last sent from
    is_stored: bool = False  # counts in queued_bytes of the egress it waits for
    ingress_lane: int = NOWHERE  # the lane it is stored in as an ingress
    pause_ps: int = 0  # PFC: how long a stop lasts

    @property
    def stored_bytes(self) -> int:
        """What a buffer stores and bit errors can hit."""
        return self.size_bytes - PREAMBLE_AND_GAP_BYTES


@dataclass
class Errors:
    """What damages the frames that a port sends."""

    process: int
    log_survival: float
    block_ps: int
    bad_log_survival: float
    good_ps: int
    bad_ps: int
    change_end: int  # one past its last row of the series
    spell_end: int  # one past its last row of `spells`
    gap: int  # -1: to be drawn
    draws: int
    is_bad: int
    until_ps: int
    change: int  # the next row of the series
    spell: int  # the next row of `spells`


class Change(NamedTuple):
    """A row of a series: from a time on, another log_survival."""

    time_ps: int
    log_survival: float


class Spell(NamedTuple):
    """A time in which a line is down: what is in service within it is lost."""

    from_ps: int
    to_ps: int


class Event(NamedTuple):
    """A row of `changes`, a scenario event."""

    time_ps: int
    kind: int
    entity: int  # a port, or (HINT) a queue pair
    value: int
    other: int


@dataclass
class Way:
    """A row of `lines`: one direction of a line, on one of its ways."""

    port: int  # that it leaves from: an end of the line, or one that stands for it
    delay_ps: int
    has_errors: bool
    control: int  # port of the control channel beside it
    last_ps: int = 0  # when the last frame put on it arrives


@dataclass
class Pool:
    """A buffer that lossless ingress lanes share."""

    shared_bytes: int
    headroom_bytes: int
    shared_used_bytes: int = 0
    headroom_used_bytes: int = 0
    max_shared_used_bytes: int = 0
    max_headroom_used_bytes: int = 0


@dataclass
class Port:
    """A transmitter, the link that leaves from it, and what enters by it."""

    peer: int
    is_host: bool
    ps_per_byte: int
    delay_ps: int
    pause_ps: int
    refresh_ps: int
    line: int  # what is sent goes on this row of `lines`, -1: a cable
    stands_for: int  # itself, or the port whose line has a way that leaves from here
    way: int  # the port that the line leaves from
    control: int  # the port that the control channel leaves from, -1: there is none
    has_errors: bool
    notifies: bool
    watch_ps: int
    restore_ps: int
    watch_drops: bool
    error_told_ps: int  # when the last notice came

    sending: Packet | None = None  # the frame in service
    service_ps: int | None = None  # time of the one pending service event
    frames_sent: int = 0  # PFC frames and notices included
    pause_requests: int = 0
    notice_requested: int = 0
    pausing: int = 0
    refresh_due_ps: int = NEVER_PS
    is_stopped: int = 0
    last_arrival_ps: int = 0  # of what was put on its line
    last_control_ps: int = 0  # of what was sent on its control channel
    ecn_draws: int = 0

    queued_bytes: int = 0
    max_queued_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    tx_pause: int = 0
    rx_pause: int = 0
    rx_packets: int = 0
    rx_crc_errors: int = 0
    lost_pause: int = 0
    lost_on_line: int = 0


@dataclass
class Lane:
    """One priority of one port, as an egress and as an ingress."""

    xoff_bytes: int
    xon_bytes: int
    ingress_limit_bytes: int
    queue_limit_bytes: int
    ecn_min_bytes: int
    ecn_max_bytes: int
    ecn_probability: float
    pool: int  # row of `pools`, -1: a buffer of its own
    alpha: float
    headroom_limit_bytes: int

    fifo: deque[Packet] = field(default_factory=deque)
    ready: list[int] = field(default_factory=list)  # queue pairs, in the order they joined
    queued_bytes: int = 0
    pause_until_ps: int = 0
    paused_since_ps: int = NEVER_PS
    paused_ps: int = 0  # pauses that are over

    ingress_bytes: int = 0
    max_ingress_bytes: int = 0
    headroom_used_bytes: int = 0  # of ingress_bytes
    episode_drop_bytes: int = 0
    missing_bytes: int = 0

    rx_pause: int = 0
    pauses: int = 0
    resumes: int = 0
    tx_pause: int = 0
    drops_congestion: int = 0
    ecn_marked: int = 0

    watch_pending: bool = False
    last_stop_ps: int = 0
    is_storm: int = 0
    storms: int = 0
    drops_watchdog: int = 0

    @property
    def has_something(self) -> bool:
        """Whether it has something to send."""
        return bool(self.fifo or self.ready)

    @property
    def is_lossless(self) -> bool:
        """Whether the priority is lossless where it comes in."""
        return self.ingress_limit_bytes > 0

    def close_pause(self, now: int) -> None:
        """Count the pause that is open, if by now it has run out."""
        if self.paused_since_ps != NEVER_PS and self.pause_until_ps <= now:
            self.paused_ps += self.pause_until_ps - self.paused_since_ps
            self.paused_since_ps = NEVER_PS


class Planned(NamedTuple):
    """A packet of a posted message, sent or not."""

    operation: int
    message: int
    payload_bytes: int
    is_first: bool  # of its message
    is_last: bool
    bytes_before: int  # payload of all packets posted before it


@dataclass
class QueuePair:
    """Both ends of a connection."""

    sender_port: int
    receiver_port: int
    data_path: int
    ack_path: int
    priority: int
    ack_priority: int
    mtu_bytes: int
    overhead_bytes: int
    reth_bytes: int
    ack_bytes: int
    window_bytes: int
    ack_every: int
    timeout_ps: int
    retries: int
    nak_again_ps: int
    reorder_packets: int  # 0: go-back-N
    first_timeout_ps: int
    restart_packets: int
    round_trip_ps: int
    line_port: int
    budget_ps: int
    budget_retries: int
    cnp_bytes: int
    cnp_priority: int
    cnp_ps: int
    has_rate: int

    oldest: int
    next: int
    newest: int
    expected: int
    resend_next: int
    resend_end: int
    allowed_packets: int
    period_end_ps: int
    moved_ps: int

    plan: list[Planned] = field(default_factory=list)  # every packet posted
    first_number: int = 0  # of the plan
    unsent: deque[int] = field(default_factory=deque)  # operations posted and not `sent`
    deadline_ps: int = NEVER_PS
    retries_used: int = 0
    in_error: int = 0
    error_ps: int = NOWHERE
    timeouts_in_a_row: int = 0
    period_retries: int = 0
    received: set[int] = field(default_factory=set)  # noted by NAKs of selective repeat
    pace_pending: bool = False

    stall_by: int = NOWHERE
    stall_packet: int = 0
    stall_noticed_ps: int = 0
    stall_naks: int = 0
    stall_timeouts: int = 0
    longest: list[int] = field(default_factory=list)  # the three longest stalls, longest first

    nak_sent: int = 0
    last_nak_ps: int = 0
    last_cnp_ps: int | None = None
    unacknowledged: int = 0
    held: dict[int, Packet] = field(default_factory=dict)  # by number, ahead of `expected`

    tx_packets: int = 0
    retransmitted_packets: int = 0
    packet_seq_err: int = 0
    local_ack_timeout_err: int = 0
    req_transport_retries_exceeded: int = 0
    rx_acks: int = 0
    rx_naks: int = 0
    rp_cnp_handled: int = 0
    kept_rate: int = 0
    stalls: int = 0
    stalled_ps: int = 0
    lost_by_nak: int = 0

    rx_packets: int = 0
    out_of_sequence: int = 0
    duplicate_request: int = 0
    naks_sent: int = 0
    acks_sent: int = 0
    np_ecn_marked_roce_packets: int = 0
    np_cnp_sent: int = 0

    @property
    def held_packets(self) -> int:
        """How many the receiver holds out of order now."""
        return len(self.held)

    @property
    def is_stalled(self) -> int:
        """1 while it stands still for a loss."""
        return int(self.stall_by != NOWHERE)

    @property
    def posted(self) -> int:
        """One past the last packet of all posted messages."""
        return self.first_number + len(self.plan)

    def planned(self, number: int) -> Planned:
        """Say what the packet of this number is."""
        return self.plan[number - self.first_number]


@dataclass
class Rate:
    """How fast a queue pair sends, if it is paced."""

    rate_control: int
    line_bps: int
    least_bps: int
    add_bps: int
    hyper_bps: int
    increase_ps: int
    increase_bytes: int
    alpha_ps: int
    fast_steps: int
    gain: float

    rate_bps: int
    target_bps: int
    alpha: float
    alpha_since_ps: int
    rate_since_ps: int
    timer_steps: int
    byte_steps: int
    sent_bytes: int
    next_send_ps: int


class Stall(NamedTuple):
    """A row of the table `stalls`."""

    time_ps: int
    queue_pair: int
    packet: int
    began_ps: int
    noticed_ps: int
    ended_ps: int
    by: int
    naks: int
    timeouts: int


@dataclass
class Operation:
    """A computation, or messages on a queue pair."""

    kind: int
    duration_ps: int
    queue_pair: int
    flow: int
    bytes: int
    message_bytes: int
    messages: int
    feeds: int
    tells_sent: list[int]  # successors that wait for `sent`
    tells_delivered: list[int]
    waits: int
    credits: int

    status: int = WAITING
    first_packet: int = NOWHERE
    packets: int = 0
    messages_delivered: int = 0
    start_ps: int = NOWHERE
    sent_ps: int = NOWHERE
    delivered_ps: int = NOWHERE


@dataclass
class Flow:
    """What has been delivered of the sends that belong together."""

    delivered_bytes: int = 0
    first_bit_ps: int = NOWHERE
    first_delivery_ps: int = NOWHERE
    first_delivery_bytes: int = 0
    last_delivery_ps: int = NOWHERE


class Row(NamedTuple):
    """One row of the per-packet probe."""

    time_ps: int
    port: int
    queue_pair: int
    psn: int
    size_bytes: int
    kind: int
    flags: int
    is_arrival: int


@dataclass
class Twin:
    """The state of a run, and at its end the result."""

    seed: int
    ports: list[Port]
    errors: list[Errors]  # one a port
    error_changes: list[Change]
    spells: list[Spell]
    ways: list[Way]
    changes: list[Event]
    pools: list[Pool]
    lanes: list[Lane]
    queue_pairs: list[QueuePair]
    rates: list[Rate]  # one a queue pair
    operations: list[Operation]
    flows: list[Flow]
    paths: list[int]
    agenda: list[tuple[int, int]]  # (start time, operation)
    probes: list[Row] = field(default_factory=list)
    clock_ps: int = 0  # time of the last event that changed something, or the stop time
    packet_hops: int = 0  # services of data, ACKs, NAKs and CNPs
    operations_left: int = 0
    log_first: int = 0
    log: list[tuple[int, int, int, int]] = field(default_factory=list)  # time, kind, entity, about
    stalls: list[Stall] = field(default_factory=list)  # those that are over

    def __post_init__(self) -> None:
        self.operations_left = len(self.operations)


def packets_of(
    operation: Operation, mtu_bytes: int, bytes_before: int, number: int
) -> Iterator[Planned]:
    """Cut a send into its packets, in order."""
    assert operation.kind == SEND
    for message in range(operation.messages):
        rest = operation.message_bytes
        if message == operation.messages - 1:
            rest = operation.bytes - message * operation.message_bytes
        is_first = True
        while is_first or rest > 0:
            payload = min(rest, mtu_bytes)
            rest -= payload
            yield Planned(number, message, payload, is_first, rest == 0, bytes_before)
            bytes_before += payload
            is_first = False


def lane_of(port: int, priority: int) -> int:
    """Find the index of a lane."""
    return PRIORITIES * port + priority
