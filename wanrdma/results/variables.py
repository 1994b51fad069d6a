"""What a trace holds: each dataset's axes, values, unit and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..kernels import tables as kt
from ..scenario.units import PS_PER_S
from .losses import NOTICED_BY, stall_rows, stalled_ps
from .summary import asked_bytes, dropped_at_ingress, flow_counters, flow_messages

if TYPE_CHECKING:
    from ..build.network import Network
    from .summary import RunResult

PS_A_MICROSECOND = 10**6

FLOW_COUNTERS = {
    "tx_packets": "data packets sent, retransmissions included",
    "retransmitted_packets": "data packets sent again",
    "packet_seq_err": "NAKs acted on by the sender",
    "local_ack_timeout_err": "expiries of the sender's ACK timer",
    "req_transport_retries_exceeded": "queue pairs that went into error, retries used up",
    "rx_acks": "ACKs that arrived at the sender",
    "rx_naks": "NAKs that arrived at the sender",
    "rx_packets": "data packets that arrived undamaged at the receiver",
    "out_of_sequence": "data packets ahead of the one the receiver expected",
    "duplicate_request": "data packets the receiver had already",
    "naks_sent": "NAKs sent by the receiver",
    "acks_sent": "ACKs sent by the receiver",
    "np_ecn_marked_roce_packets": "data packets that arrived with an ECN mark",
    "np_cnp_sent": "CNPs sent by the receiver",
    "rp_cnp_handled": "CNPs that arrived at the sender",
    "kept_rate": "losses after which the sender kept its rate, told of an error on the line",
}

OPERATION_STATES = {
    kt.WAITING: "waiting",
    kt.READY: "ready",
    kt.RUNNING: "running",
    kt.DONE: "done",
}


LOG_KINDS = {
    kt.DROP_CONGESTION: "drop_congestion",
    kt.DROP_ERROR: "drop_error",
    kt.GO_BACK: "go_back",
    kt.TIMEOUT: "timeout",
    kt.QP_ERROR: "queue_pair_error",
    kt.PAUSE: "pause",
    kt.RESUME: "resume",
    kt.DROP_LINE: "drop_line",
    kt.STORM: "storm",
}
_LOG_FLAGS = {
    "flag_values": np.array(list(LOG_KINDS), dtype=np.uint8),
    "flag_meanings": " ".join(LOG_KINDS.values()),
}


@dataclass(frozen=True)
class Variable:
    """One dataset: its values along named axes, and what they mean."""

    name: str
    axes: tuple[str, ...]
    values: Any
    units: str
    long_name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


def variables(result: RunResult) -> Iterator[Variable]:
    """Give every dataset of a trace; an axis comes before what lies along it."""
    network = result.network
    bins = _Bins.of(network)
    yield from _axes(network, bins)
    yield from _series(bins)
    yield from _flow_variables(network, result)
    yield from _port_variables(network)
    yield from _lane_variables(network)
    yield from _operation_variables(network)
    yield from _log_variables(network)
    yield from _loss_variables(network)
    yield from _happening_variables(network)


@dataclass(frozen=True)
class _Bins:
    """The time bins of a run: start and length in seconds, and what was counted in each."""

    start_s: Any
    length_s: Any
    goodput_bytes: Any
    queue_bytes: Any
    pause_s: Any
    sent_bytes: Any

    @classmethod
    def of(cls, network: Network) -> _Bins:
        run = network.tables.run[0]
        width_ps, clock_ps = int(run["bin_width_ps"]), int(run["clock_ps"])
        last, ports = clock_ps // width_ps, len(network.port_names)
        goodput = np.array(network.tables.goodput_bins[:, : last + 1])
        queue = np.array(network.tables.queue_bins[:ports, : last + 1])
        pause = np.array(network.tables.pause_bins[:ports, : last + 1])
        sent = np.array(network.tables.sent_bins[:ports, : last + 1])
        starts_ps = np.arange(last + 1, dtype=np.int64) * width_ps
        lengths_ps = np.full(last + 1, width_ps, dtype=np.int64)
        lengths_ps[last] = clock_ps - starts_ps[last]
        if lengths_ps[last] == 0 and last > 0:
            # The run ended where a bin began: what came at that very time is the bin before's.
            goodput[:, last - 1] += goodput[:, last]
            pause[:, last - 1] += pause[:, last]
            sent[:, last - 1] += sent[:, last]
            queue[:, last - 1] = np.maximum(queue[:, last - 1], queue[:, last])
            goodput, queue, pause, sent, starts_ps, lengths_ps = (
                array[..., :last] for array in (goodput, queue, pause, sent, starts_ps, lengths_ps)
            )
        return cls(
            start_s=starts_ps / PS_PER_S,
            length_s=lengths_ps / PS_PER_S,
            goodput_bytes=goodput,
            queue_bytes=queue,
            pause_s=pause / PS_PER_S,
            sent_bytes=sent,
        )

    def per_second(self, values: Any) -> Any:
        """Divide by each bin's own length; a run that took no time has rates of 0."""
        return np.divide(values, self.length_s, out=np.zeros(values.shape), where=self.length_s > 0)


def _names(names: list[str]) -> Any:
    return np.array(names, dtype=h5py.string_dtype())


def _axes(network: Network, bins: _Bins) -> Iterator[Variable]:
    yield Variable("time", ("time",), bins.start_s, "s", "simulated time at which the bin starts")
    yield Variable("flow", ("flow",), _names(network.flow_names), "1", "name of the flow")
    yield Variable(
        "port",
        ("port",),
        _names(network.port_names),
        "1",
        "name of the port: the node it is of > the node at the other end",
    )
    priorities = np.arange(kt.PRIORITIES, dtype=np.uint8)
    yield Variable("priority", ("priority",), priorities, "1", "priority (traffic class)")
    yield Variable(
        "operation",
        ("operation",),
        _names(network.operation_names),
        "1",
        "name of the piece of work",
    )
    yield Variable(
        "queue_pair",
        ("queue_pair",),
        _names(network.queue_pair_names),
        "1",
        "name of the queue pair",
    )
    rows = network.tables.total("log_size")
    yield Variable("event", ("event",), np.arange(rows), "1", "number of the event, in order")
    kinds = np.arange(len(LOG_KINDS), dtype=np.uint8)
    yield Variable("event_sort", ("event_sort",), kinds, "1", "sort of event", _LOG_FLAGS)


def _series(bins: _Bins) -> Iterator[Variable]:
    yield Variable("time_width", ("time",), bins.length_s, "s", "length of the bin")
    yield Variable(
        "goodput",
        ("flow", "time"),
        bins.per_second(bins.goodput_bytes * 8),
        "bit s-1",
        "payload delivered in order, over the length of the bin",
    )
    yield Variable(
        "queue_max",
        ("port", "time"),
        bins.queue_bytes,
        "byte",
        "largest amount stored for this egress port in the bin",
    )
    yield Variable(
        "pause_fraction",
        ("port", "time"),
        bins.per_second(bins.pause_s),
        "1",
        "time the port was paused, summed over its priorities, over the length of the bin",
        {"comment": "exceeds 1 where several priorities were paused at once"},
    )
    yield Variable(
        "sent",
        ("port", "time"),
        bins.sent_bytes,
        "byte",
        "line time of data, ACK and NAK frames begun in the bin, preamble and gap included",
    )


def _flow_variables(network: Network, result: RunResult) -> Iterator[Variable]:
    def of_flow(name: str, values: Any, units: str, long_name: str) -> Variable:
        return Variable(name, ("flow",), values, units, long_name)

    flows = network.tables.flows
    asked = np.array(asked_bytes(network), dtype=np.int64)
    yield of_flow("bytes", asked, "byte", "payload asked for")
    yield of_flow("delivered_bytes", flows["delivered_bytes"], "byte", "payload delivered in order")
    for name, what in (
        ("first_bit", "when the first bit of the first packet was sent"),
        ("first_delivery", "when the first packet was delivered"),
        ("last_delivery", "when the last packet so far was delivered"),
    ):
        yield of_flow(name, _times_s(flows[name + "_ps"]), "s", what + "; NaN: never")
    for name, field_name, units, what in (
        ("completion_time", "completion_s", "s", "first bit sent to last byte delivered"),
        ("mean_goodput", "goodput_bps", "bit s-1", "payload over the completion time"),
        (
            "steady_goodput",
            "steady_goodput_bps",
            "bit s-1",
            "payload delivered after the first packet, over the time from that to the last",
        ),
    ):
        achieved = [getattr(flow, field_name) for flow in result.flows]
        yield of_flow(name, _or_nan(achieved), units, what + "; NaN: not known")
    for name, values in flow_messages(network).items():
        what = name.removeprefix("messages_") + (" (all acknowledged)" if "sent" in name else "")
        yield of_flow(name, np.array(values, dtype=np.int64), "1", "messages " + what)
    counters = flow_counters(network)
    for name, what in FLOW_COUNTERS.items():
        yield of_flow(
            name, np.array(counters[name], dtype=np.int64), "1", what + ", all queue pairs together"
        )


def _port_variables(network: Network) -> Iterator[Variable]:
    ports = network.ports
    lanes = network.lanes.reshape(-1, kt.PRIORITIES)
    drops = lanes["drops_congestion"]
    came_in = dropped_at_ingress(lanes)
    for name, values, units, what in (
        ("max_queued_bytes", ports["max_queued_bytes"], "byte", "largest amount stored to leave"),
        ("tx_packets_phy", ports["tx_packets"], "1", "data, ACK and NAK frames sent"),
        ("tx_bytes_phy", ports["tx_bytes"], "byte", "their line time, preamble and gap included"),
        ("rx_packets_phy", ports["rx_packets"], "1", "data, ACK and NAK frames received whole"),
        ("rx_crc_errors_phy", ports["rx_crc_errors"], "1", "frames lost to errors, PFC too"),
        (
            "rx_lost_on_line",
            ports["lost_on_line"],
            "1",
            "frames lost with the line that was down, PFC too",
        ),
        (
            "rx_discards_phy",
            np.where(came_in, drops, 0).sum(axis=1),
            "1",
            "packets dropped because the ingress buffer of a lossless priority was full",
        ),
        (
            "tx_discards_phy",
            np.where(came_in, 0, drops).sum(axis=1),
            "1",
            "packets dropped because the egress queue of a lossy priority was full",
        ),
        ("tx_pfc_frames", ports["tx_pause"], "1", "PFC frames sent"),
        ("rx_pfc_frames", ports["rx_pause"], "1", "PFC frames received whole"),
        ("lost_pfc_frames", ports["lost_pause"], "1", "PFC frames lost on the way here"),
    ):
        yield Variable(name, ("port",), values, units, what)


def _lane_variables(network: Network) -> Iterator[Variable]:
    lanes = network.lanes
    clock_ps = int(network.tables.run[0]["clock_ps"])
    for name, values, units, what in (
        ("tx_prio_pause", lanes["tx_pause"], "1", "PFC frames sent that say stop"),
        ("rx_prio_pause", lanes["rx_pause"], "1", "PFC frames received that say stop"),
        (
            "rx_prio_pause_duration",
            _paused_ps(lanes, clock_ps) / PS_A_MICROSECOND,
            "us",
            "time for which the port was told to stop sending this priority",
        ),
        (
            "max_ingress_bytes",
            lanes["max_ingress_bytes"],
            "byte",
            "largest amount stored that came in by this port",
        ),
        (
            "ingress_limit_bytes",
            lanes["ingress_limit_bytes"],
            "byte",
            "buffer for what comes in by this port (XOFF + headroom); 0: a lossy priority",
        ),
        (
            "missing_bytes",
            lanes["missing_bytes"],
            "byte",
            "the most that one pause dropped for want of ingress buffer",
        ),
        (
            "drops_congestion",
            lanes["drops_congestion"],
            "1",
            "packets that found a full buffer: of a lossless priority as ingress, else as egress",
        ),
        ("ecn_marked", lanes["ecn_marked"], "1", "data packets marked with ECN"),
        ("storms", lanes["storms"], "1", "pauses that the watchdog took for a fault"),
        ("drops_watchdog", lanes["drops_watchdog"], "1", "packets dropped by the watchdog"),
    ):
        shaped = values.reshape(-1, kt.PRIORITIES)
        yield Variable(name, ("port", "priority"), shaped, units, what)


def _paused_ps(lanes: Any, clock_ps: int) -> Any:
    """Give the pauses that are over and the part so far of one that is not."""
    since, until = lanes["paused_since_ps"], lanes["pause_until_ps"]
    is_paused = since != kt.NEVER_PS
    end = np.minimum(until, clock_ps)
    return lanes["paused_ps"] + np.where(is_paused, np.maximum(end - since, 0), 0)


def _operation_variables(network: Network) -> Iterator[Variable]:
    operations = network.tables.operations
    yield Variable(
        "operation_status",
        ("operation",),
        operations["status"].astype(np.uint8),
        "1",
        "what had become of the work when the run ended",
        {
            "flag_values": np.array(list(OPERATION_STATES), dtype=np.uint8),
            "flag_meanings": " ".join(OPERATION_STATES.values()),
        },
    )
    for name, what in (
        ("start", "when the computation began, or the messages were posted"),
        ("sent", "when the last ACK arrived at the sender, or the computation ended"),
        ("delivered", "when the last byte arrived at the receiver, or the computation ended"),
    ):
        yield Variable(
            f"operation_{name}",
            ("operation",),
            _times_s(operations[name + "_ps"]),
            "s",
            what + "; NaN: never",
        )


def _log_variables(network: Network) -> Iterator[Variable]:
    """Give the log: the first events of each sort and place, and how many more there were."""
    tables = network.tables
    log = tables.log_rows()
    sort, entity, about = log["kind"], log["entity"], log["about"]
    of = np.array(kt.LOG_ENTITIES)[sort]
    of_lane, of_port, of_pair = of == "lane", of == "port", of == "queue_pair"
    port = np.where(of_lane, entity // kt.PRIORITIES, np.where(of_port, entity, kt.NOWHERE))
    pair = np.where(of_pair, entity, np.where((sort == kt.PAUSE) | (sort == kt.RESUME), -1, about))
    nowhere = "; -1: none"

    def of_event(name: str, values: Any, units: str, long_name: str, flags: Any = ()) -> Variable:
        return Variable(f"event_{name}", ("event",), values, units, long_name, dict(flags))

    yield of_event("time", log["time_ps"] / PS_PER_S, "s", "simulated time of the event")
    yield of_event("kind", sort.astype(np.uint8), "1", "what happened", _LOG_FLAGS)
    yield of_event("port", port, "1", "where: index of the port" + nowhere)
    priority = np.where(of_lane, entity % kt.PRIORITIES, kt.NOWHERE)
    yield of_event("priority", priority, "1", "priority" + nowhere)
    yield of_event("queue_pair", pair, "1", "whose: index of the queue pair" + nowhere)
    packet = np.where(of_pair, about, kt.NOWHERE)
    yield of_event(
        "packet", packet, "1", "number of the packet gone back to, or the oldest without an ACK"
    )
    logged = np.bincount(sort, minlength=len(LOG_KINDS))
    yield Variable(
        "events_not_listed",
        ("event_sort",),
        _happened(network) - logged,
        "1",
        "events of this sort beyond the first of each port, priority or queue pair",
    )


def _loss_variables(network: Network) -> Iterator[Variable]:
    """Give how long queue pairs stood still for losses: sums, and the stalls one by one."""
    pairs = network.tables.requesters

    def of_pair(name: str, values: Any, units: str, long_name: str) -> Variable:
        return Variable(f"queue_pair_{name}", ("queue_pair",), values, units, long_name)

    stalls = pairs["stalls"] + pairs["is_stalled"]
    yield of_pair("stalls", stalls, "1", "times that it stood still for a loss")
    stood_s = stalled_ps(network) / PS_PER_S
    yield of_pair("stalled", stood_s, "s", "how long it stood still for losses")
    yield of_pair("noticed_by_nak", pairs["lost_by_nak"], "1", "losses that a NAK reported")
    timeouts = pairs["local_ack_timeout_err"]
    yield of_pair("noticed_by_timeout", timeouts, "1", "expiries of its ACK timer")

    def of_stall(name: str, values: Any, units: str, long_name: str, flags: Any = ()) -> Variable:
        return Variable(f"stall_{name}", ("stall",), values, units, long_name, dict(flags))

    rows = stall_rows(network)
    yield Variable("stall", ("stall",), np.arange(len(rows)), "1", "number of the stall, in order")
    yield of_stall("queue_pair", rows["queue_pair"], "1", "whose: index of the queue pair")
    yield of_stall("packet", rows["packet"], "1", "number of the oldest packet without an ACK")
    yield of_stall("began", _times_s(rows["began_ps"]), "s", "when the queue pair last moved")
    yield of_stall("noticed", _times_s(rows["noticed_ps"]), "s", "when its sender learnt of it")
    yield of_stall(
        "noticed_by",
        rows["by"].astype(np.uint8),
        "1",
        "how its sender learnt of it",
        {
            "flag_values": np.array(list(NOTICED_BY), dtype=np.uint8),
            "flag_meanings": " ".join(NOTICED_BY.values()),
        },
    )
    yield of_stall(
        "ended", _times_s(rows["ended_ps"]), "s", "when it moved again; NaN: not in this run"
    )
    yield of_stall("naks", rows["naks"], "1", "NAKs acted on in between")
    yield of_stall("timeouts", rows["timeouts"], "1", "expiries of the ACK timer in between")


def _happening_variables(network: Network) -> Iterator[Variable]:
    """Give the events of the scenario."""

    def of_event(name: str, values: list[Any], units: str, long_name: str) -> Variable:
        kind = np.int64 if units == "1" else np.float64
        return Variable(name, ("scenario_event",), np.array(values, kind), units, long_name)

    events = network.happenings
    names = _names([one.name for one in events])
    yield Variable("scenario_event", ("scenario_event",), names, "1", "event of the scenario")
    starts = [one.at_ps / PS_PER_S for one in events]
    yield of_event("scenario_event_time", starts, "s", "when it begins")
    ends = [np.nan if one.end_ps < 0 else one.end_ps / PS_PER_S for one in events]
    until = "until when nothing passes, or a storm lasts; NaN: for ever"
    yield of_event("scenario_event_until", ends, "s", until)
    lines = [one.line for one in events]
    yield of_event("scenario_event_line", lines, "1", "which line of the scenario; -1: none")


def _happened(network: Network) -> Any:
    """Give how many events of each sort of the log there were."""
    ports, lanes, pairs = network.ports, network.lanes, network.tables.requesters
    counts = {
        kt.DROP_CONGESTION: lanes["drops_congestion"],
        kt.DROP_ERROR: ports["rx_crc_errors"],
        kt.GO_BACK: pairs["packet_seq_err"],
        kt.TIMEOUT: pairs["local_ack_timeout_err"],
        kt.QP_ERROR: pairs["req_transport_retries_exceeded"],
        kt.PAUSE: lanes["pauses"],
        kt.RESUME: lanes["resumes"],
        kt.DROP_LINE: ports["lost_on_line"],
        kt.STORM: lanes["storms"],
    }
    return np.array([counts[sort].sum() for sort in LOG_KINDS])


def _times_s(times_ps: Any) -> Any:
    """Give seconds, and NaN for what has not happened."""
    return np.where(times_ps == kt.NOWHERE, np.nan, times_ps / PS_PER_S)


def _or_nan(values: list[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
