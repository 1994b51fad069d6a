"""How each field moves while a group does the same again and again.

A word of a row either stays the **same**; or is a **clock**, which stays or moves by the period;
or a **count**, which grows by as much in each period and decides nothing; or a **number** of
packets, messages, bytes or bits, which kernels/cycle_limits.py looks at; or is **free**: where a
thing lies, a maximum, or what has another account. A field that is not named stays the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import tables as kt

SAME, CLOCK, COUNT, NUMBER, FREE = range(5)

_PORT = {
    CLOCK: (
        *("busy_until_ps", "refresh_due_ps", "last_arrival_ps", "last_control_ps"),
        "error_told_ps",
    ),
    COUNT: (
        *("tx_packets", "rx_packets", "rx_crc_errors", "lost_pause"),
        *("lost_notices", "lost_on_line", "rx_pause", "tx_pause", "paused_ps"),
    ),
    FREE: (
        *("peak_bytes", "bin_max_queued_bytes", "max_queued_bytes", "cycle_peak_bytes"),
        *(
            "border_bytes",
            "tx_bytes",
            "binned_tx_bytes",
            "binned_pause_ps",
            "flight_head",
            "flight_tail",
        ),
    ),
}
_ERRORS = {CLOCK: ("until_ps",), NUMBER: ("gap",)}
_REQUESTER = {
    CLOCK: (
        *("deadline_ps", "moved_ps", "timer_event_ps", "period_end_ps", "error_ps"),
        "stall_noticed_ps",
    ),
    COUNT: (
        *("tx_packets", "rx_acks", "retransmitted_packets", "packet_seq_err"),
        *("local_ack_timeout_err", "rx_naks", "rp_cnp_handled", "kept_rate", "lost_by_nak"),
        *("stalls", "stalled_ps", "stall_naks", "stall_timeouts"),
    ),
    NUMBER: (
        *("oldest", "next", "newest", "oldest_byte", "next_byte", "next_message"),
        *("next_packet", "resend_next", "resend_end"),
    ),
}
_RESPONDER = {
    CLOCK: ("nak_due_ps", "cnp_due_ps"),
    COUNT: (
        *("rx_packets", "acks_sent", "out_of_sequence", "duplicate_request", "naks_sent"),
        *("np_ecn_marked_roce_packets", "np_cnp_sent"),
    ),
    NUMBER: ("expected",),
}
_RATE = {CLOCK: ("alpha_since_ps", "rate_since_ps", "next_send_ps")}
_LANE = {
    CLOCK: ("pause_until_ps", "paused_since_ps", "last_stop_ps"),
    COUNT: (
        *("ecn_marked", "paused_ps", "rx_pause", "pauses", "resumes", "tx_pause"),
        *("drops_congestion", "storms", "drops_watchdog"),
    ),
    FREE: ("head", "tail", "max_ingress_bytes", "missing_bytes"),
}
_POOL = {FREE: ("max_shared_used_bytes", "max_headroom_used_bytes")}

# The tables whose rows an image holds, in its order.
IMAGED: dict[str, tuple[Any, Mapping[int, tuple[str, ...]]]] = {
    "ports": (kt.port, _PORT),
    "errors": (kt.errors, _ERRORS),
    "requesters": (kt.requester, _REQUESTER),
    "responders": (kt.responder, _RESPONDER),
    "rates": (kt.rate, _RATE),
    "lanes": (kt.lane, _LANE),
    "pools": (kt.pool, _POOL),
}


def _motions(record: Any, named: Mapping[int, tuple[str, ...]]) -> Any:
    """Return how each word of a row moves."""
    motions = np.full(record.itemsize // 8, SAME, np.int64)
    of = {name: motion for motion, names in named.items() for name in names}
    in_word: dict[int, set[int]] = {}
    for name, (_, offset, *_) in record.fields.items():
        in_word.setdefault(offset // 8, set()).add(of.pop(name, SAME))
    assert not of, f"no such fields: {of}"
    for word, kinds in in_word.items():
        (motions[word],) = kinds  # fields that share a word move alike
    return motions


MOTIONS = {name: _motions(*imaged) for name, imaged in IMAGED.items()}
