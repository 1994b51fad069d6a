"""What the two ends of a queue pair are set to, in the units of the kernels' tables."""

import math
from typing import Any

from ..kernels import tables as kt
from ..scenario.limits import MOST_REORDER
from ..scenario.schema import Nic
from ..theory import ack_timeout_ps, auto_window_packets
from .topology import NO_LINE, Topology

Row = dict[str, Any]


def round_trip_ps(nic: Nic, topology: Topology, data_path: list[int], ack_path: list[int]) -> int:
    """Return how long a full packet and its ACK take on empty paths, stores and latencies too."""
    ports = topology.ports
    light = sum(ports[p].delay_ps for p in [*data_path, *ack_path])
    packet = (nic.mtu + nic.framing.overhead) * sum(ports[p].ps_per_byte for p in data_path)
    return light + packet + nic.framing.ack * sum(ports[p].ps_per_byte for p in ack_path)


def timeout_ps(nic: Nic) -> int:
    """Return the ACK timer of a NIC, 0 if it has none."""
    exponent = max(nic.timeout, nic.least_timeout) if nic.timeout else 0
    return ack_timeout_ps(exponent, nic.timeout_detection)


def window_bytes(nic: Nic, ps_per_byte: int, round_trip: int, ack_every: int) -> int:
    """Return the payload that a queue pair may have unacknowledged."""
    if nic.window is not None:
        return nic.window
    if nic.retransmission == "selective-repeat":
        round_trip *= 2  # a gap is filled one after it was told of
    packet = nic.mtu + nic.framing.overhead
    return nic.mtu * auto_window_packets(ps_per_byte, round_trip, packet, ack_every)


def reorder_packets(sender: Nic, receiver: Nic, window: int) -> int:
    """Return how many packets may be outstanding for a receiver to hold; 0: go-back-N."""
    if sender.retransmission == "go-back-n":
        return 0
    return receiver.out_of_order or min(MOST_REORDER, math.ceil(window / sender.mtu))


def sender_settings(nic: Nic, receiver: Nic, topology: Topology, path: list[int]) -> Row:
    """Return what does not hang on the round trip of a sender, by the fields of its table."""
    first_timeout = ack_timeout_ps(nic.first_timeout)
    budget = nic.retry_budget
    return {
        "sender_port": path[0],
        "mtu_bytes": nic.mtu,
        "overhead_bytes": nic.framing.overhead,
        "reth_bytes": nic.framing.reth,
        "timeout_ps": timeout_ps(nic),
        "first_timeout_ps": first_timeout if first_timeout < timeout_ps(nic) else 0,
        "is_adaptive": 0 < first_timeout < timeout_ps(nic),
        "retries": nic.retries - nic.last_retry_is_fatal,
        "budget_retries": budget.retries if budget else 0,
        "budget_ps": budget.period if budget else 0,
        "naks_repeat": receiver.nak_again > 0,
        "restart_packets": nic.slow_restart,
        "line_port": next((p for p in path if topology.ports[p].line != NO_LINE), kt.NOWHERE),
        "has_rate": nic.congestion_control != "none",
        "is_selective": nic.retransmission == "selective-repeat",
    }


def receiver_settings(nic: Nic, sender: Nic, priority: int, path: list[int]) -> Row:
    """Return what a receiver is set to, by the fields of its table."""
    uses_dcqcn = sender.congestion_control == "dcqcn"
    return {
        "receiver_port": path[0],
        "ack_priority": priority if nic.ack_priority is None else nic.ack_priority,
        "ack_bytes": sender.framing.ack,
        "ack_every": nic.ack_every,
        "nak_again_ps": nic.nak_again,
        "cnp_bytes": nic.framing.cnp,
        "cnp_priority": nic.dcqcn.cnp_priority,
        "cnp_ps": nic.dcqcn.cnp_interval if uses_dcqcn else 0,
    }


def rate_settings(nic: Nic, ps_per_byte: int) -> Row:
    """Return how fast a queue pair sends, by the fields of its table, where it begins."""
    line_bps = 8 * 10**12 // ps_per_byte
    if nic.congestion_control == "none":
        return {}
    if nic.congestion_control == "pacing":
        assert nic.pacing is not None  # the schema's checks refuse it
        rate_bps = min(line_bps, int(nic.pacing.bps))
        return {"rate_control": kt.FIXED, "line_bps": line_bps, "rate_bps": rate_bps}
    dcqcn = nic.dcqcn
    return {
        "rate_control": kt.DCQCN,
        "line_bps": line_bps,
        "rate_bps": line_bps,
        "target_bps": line_bps,
        "alpha": 1.0,
        "gain": dcqcn.gain,
        "alpha_ps": dcqcn.alpha_time,
        "increase_ps": dcqcn.increase_time,
        "increase_bytes": dcqcn.increase_bytes,
        "fast_steps": dcqcn.fast_steps,
        "add_bps": int(dcqcn.add.bps),
        "hyper_bps": int(dcqcn.hyper.bps),
        "least_bps": min(line_bps, int(dcqcn.least_rate.bps)),
    }
