"""The figures of a finished run: what each flow achieved, and what was lost, paused and resent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..kernels import tables as kt
from ..scenario.units import PS_PER_S
from .cycles import Cycles, cycles
from .losses import Losses, Stall, costliest, losses

if TYPE_CHECKING:
    from ..build.network import Network
    from ..engine import Outcome, Status
    from ..scenario.schema import Scenario

COSTLIEST = 3  # losses that are told of

# Counters of a flow: sums over its queue pairs. Those that NVIDIA's mlx5 driver has too bear
# its names (`rdma statistic show`, /sys/class/infiniband/*/ports/*/hw_counters).
COUNTERS = (
    "tx_packets",
    "retransmitted_packets",
    "packet_seq_err",
    "local_ack_timeout_err",
    "req_transport_retries_exceeded",
    "rx_acks",
    "rx_naks",
    "rx_packets",
    "out_of_sequence",
    "duplicate_request",
    "naks_sent",
    "acks_sent",
    "np_ecn_marked_roce_packets",
    "np_cnp_sent",
    "rp_cnp_handled",
    "kept_rate",
)


@dataclass(frozen=True)
class FlowResult:
    """What one flow achieved: the data that one host sent another for one row of traffic.

    ``bytes``: payload asked for.
    ``completion_s``: from the first bit of the first packet to the last byte in order at the
    receiver; None when not all bytes were delivered.
    ``goodput_bps``: payload bits over that; None likewise.
    ``steady_goodput_bps``: payload bits delivered after the first delivered packet, over the
    time from that packet's delivery to the last one's; None when at most one was delivered.
    ``counters``: ``delivered_bytes``, and the names in ``COUNTERS`` summed over queue pairs.
    """

    name: str
    bytes: int
    completion_s: float | None
    goodput_bps: float | None
    steady_goodput_bps: float | None
    counters: dict[str, int]

    @property
    def group(self) -> str:
        """The row of traffic it is of: its name up to the last dot."""
        return self.name.rpartition(".")[0] or self.name

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return {
            "name": self.name,
            "bytes": self.bytes,
            "completion_s": self.completion_s,
            "goodput_bps": self.goodput_bps,
            "steady_goodput_bps": self.steady_goodput_bps,
            "counters": dict(self.counters),
        }


@dataclass(frozen=True)
class CongestionDrop:
    """Packets of one priority that found a full buffer at one port.

    ``side`` is ``ingress`` where the priority is lossless: ``port`` reads ``node>peer``, and the
    buffer of ``node`` for what comes from ``peer`` (XOFF + headroom) was too small, by
    ``missing_bytes`` in the worst pause. It is ``egress`` where the priority is lossy: the queue
    of ``node`` towards ``peer`` was at its limit; what it lacked is not known (None).
    """

    port: str
    priority: int
    packets: int
    buffer_bytes: int
    missing_bytes: int | None
    side: Literal["ingress", "egress"]

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return {
            "port": self.port,
            "priority": self.priority,
            "packets": self.packets,
            "buffer_bytes": self.buffer_bytes,
            "missing_bytes": self.missing_bytes,
            "as": self.side,
        }


@dataclass(frozen=True)
class RunResult:
    """Everything that a person or a script reads from one run.

    ``simulated_s`` is the emulator's clock at the end; ``wall_s`` and ``cpu_s`` are seconds of
    this machine. ``packet_hops`` counts the links that data packets, ACKs and NAKs entered;
    ``cycles``: how much of that was not emulated event by event.
    ``ports``: of each port the counters that are not 0, with mlx5's names (``rx_prio3_pause``: PFC
    frames received that say stop). ``losses``: how they were noticed; ``costliest_losses``: for
    which a queue pair stood still the longest, at most three. ``warnings``: what is allowed but
    hardly meant.
    ``trace`` is the path of the HDF5 file, None when there is none. ``network`` holds the final
    state of every table.
    """

    scenario: str
    seed: int
    status: Status
    reason: str
    simulated_s: float
    wall_s: float
    cpu_s: float
    packet_hops: int
    cycles: Cycles
    flows: tuple[FlowResult, ...]
    totals: dict[str, int]
    max_queue_bytes: dict[str, int]
    trace: str | None
    drops: tuple[CongestionDrop, ...]
    ports: dict[str, dict[str, int]]
    losses: Losses
    costliest_losses: tuple[Stall, ...]
    warnings: tuple[str, ...]
    network: Network = field(repr=False, compare=False)

    def to_xarray(self) -> Any:
        """Return the trace as an ``xarray.Dataset``. Needs the extra ``analysis``."""
        from .trace import to_xarray

        return to_xarray(self)

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold; it has no NaN and no infinity."""
        return {
            "scenario": self.scenario,
            "seed": self.seed,
            "status": self.status,
            "reason": self.reason,
            "simulated_s": self.simulated_s,
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "packet_hops": self.packet_hops,
            "cycles": self.cycles.to_json(),
            "flows": [flow.to_json() for flow in self.flows],
            "totals": dict(self.totals),
            "max_queue_bytes": dict(self.max_queue_bytes),
            "trace": self.trace,
            "congestion_drops": [drop.to_json() for drop in self.drops],
            "ports": {name: dict(counters) for name, counters in self.ports.items()},
            "losses": self.losses.to_json(),
            "costliest_losses": [stall.to_json() for stall in self.costliest_losses],
            "warnings": list(self.warnings),
        }


def summarise(scenario: Scenario, network: Network, outcome: Outcome, seed: int) -> RunResult:
    """Read the figures of a run from the final state of its tables."""
    tables = network.tables
    queues = network.ports["max_queued_bytes"].tolist()
    return RunResult(
        scenario=scenario.name,
        seed=seed,
        status=outcome.status,
        reason=outcome.reason,
        simulated_s=int(tables.run["clock_ps"].max()) / PS_PER_S,
        wall_s=float(outcome.wall_s),
        cpu_s=float(outcome.cpu_s),
        packet_hops=tables.packet_hops(),
        cycles=cycles(tables),
        flows=_flows(network),
        totals=_totals(network),
        max_queue_bytes=dict(zip(network.port_names, queues, strict=True)),
        trace=None,
        drops=tuple(_congestion_drops(network)),
        ports=port_counters(network),
        losses=losses(network),
        costliest_losses=costliest(network, COSTLIEST),
        warnings=tuple(network.warnings),
        network=network,
    )


def asked_bytes(network: Network) -> list[int]:
    """Give the payload in bytes that each flow is asked to carry.

    Returned credits belong to no flow and do not count.
    """
    operations = network.tables.operations
    data = operations[(operations["kind"] == kt.SEND) & (operations["flow"] >= 0)]
    return _sums(data["bytes"], data["flow"], len(network.flow_names))


def flow_messages(network: Network) -> dict[str, list[int]]:
    """Give how many messages of each flow were posted, sent (acknowledged) and delivered."""
    operations = network.tables.operations
    data = operations[(operations["kind"] == kt.SEND) & (operations["flow"] >= 0)]
    posted = np.where(data["first_packet"] != kt.NOWHERE, data["messages"], 0)
    oldest = network.tables.requesters["oldest"][data["queue_pair"]]
    acknowledged = np.clip(oldest - data["first_packet"], 0, data["packets"])
    whole = acknowledged // np.maximum(data["packets_a_message"], 1)
    sent = np.where(acknowledged == data["packets"], posted, whole)
    count = len(network.flow_names)
    return {
        "messages_posted": _sums(posted, data["flow"], count),
        "messages_sent": _sums(sent, data["flow"], count),
        "messages_delivered": _sums(data["messages_delivered"], data["flow"], count),
    }


def flow_counters(network: Network) -> dict[str, list[int]]:
    """Give every counter in ``COUNTERS`` summed over each flow's queue pairs."""
    flow_of = np.asarray(network.queue_pair_flow, dtype=np.int64)
    counted = flow_of >= 0
    column = network.tables.of_queue_pairs
    count = len(network.flow_names)
    return {name: _sums(column(name)[counted], flow_of[counted], count) for name in COUNTERS}


def _sums(values: Any, group_of: Any, groups: int) -> list[int]:
    """Sum whole numbers by group; not by bincount, whose weights are floats."""
    sums = np.zeros(groups, dtype=np.int64)
    np.add.at(sums, group_of, values)
    return [int(s) for s in sums]


def _flows(network: Network) -> tuple[FlowResult, ...]:
    asked = asked_bytes(network)
    counters = flow_counters(network)
    return tuple(
        _flow(name, asked[f], network.tables.flows[f], {key: counters[key][f] for key in COUNTERS})
        for f, name in enumerate(network.flow_names)
    )


def _flow(name: str, asked: int, flow: Any, counters: dict[str, int]) -> FlowResult:
    delivered = int(flow["delivered_bytes"])
    first_delivery_ps = int(flow["first_delivery_ps"])
    last_delivery_ps = int(flow["last_delivery_ps"])

    completion_s = goodput_bps = steady_bps = None
    if 0 < asked <= delivered:
        completion_ps = last_delivery_ps - int(flow["first_bit_ps"])
        completion_s = completion_ps / PS_PER_S
        goodput_bps = _rate_bps(asked, completion_ps)
    if delivered > 0:
        later_bytes = delivered - int(flow["first_delivery_bytes"])
        if later_bytes > 0:
            steady_bps = _rate_bps(later_bytes, last_delivery_ps - first_delivery_ps)
    return FlowResult(
        name=name,
        bytes=asked,
        completion_s=completion_s,
        goodput_bps=goodput_bps,
        steady_goodput_bps=steady_bps,
        counters={"delivered_bytes": delivered, **counters},
    )


def _rate_bps(size_bytes: int, time_ps: int) -> float | None:
    """Give bits a second from whole numbers, rounded once; None where no time passed."""
    return size_bytes * 8 * PS_PER_S / time_ps if time_ps > 0 else None


def _totals(network: Network) -> dict[str, int]:
    ports, lanes, pairs = (
        network.ports,
        network.lanes,
        network.tables.requesters,
    )
    return {
        "drops_congestion": int(lanes["drops_congestion"].sum()),
        "drops_error": int(ports["rx_crc_errors"].sum()),
        "lost_on_line": int(ports["lost_on_line"].sum()),
        "drops_watchdog": int(lanes["drops_watchdog"].sum()),
        "retransmitted_packets": int(pairs["retransmitted_packets"].sum()),
        "naks": int(pairs["packet_seq_err"].sum()),
        "timeouts": int(pairs["local_ack_timeout_err"].sum()),
        "qp_errors": int(pairs["in_error"].sum()),
        "pause_frames": int(ports["tx_pause"].sum()),
    }


def port_counters(network: Network) -> dict[str, dict[str, int]]:
    """Give the counters of each port that are not 0, by the names of ethtool for mlx5."""
    ports = network.ports
    lanes = network.lanes.reshape(-1, kt.PRIORITIES)
    columns = {"rx_packets_phy": ports["rx_packets"], "tx_packets_phy": ports["tx_packets"]}
    columns |= {"tx_bytes_phy": ports["tx_bytes"], "rx_crc_errors_phy": ports["rx_crc_errors"]}
    for priority in range(kt.PRIORITIES):
        columns[f"rx_prio{priority}_pause"] = lanes["rx_pause"][:, priority]
        columns[f"tx_prio{priority}_pause"] = lanes["tx_pause"][:, priority]
    return {
        port: {name: int(column[p]) for name, column in columns.items() if column[p]}
        for p, port in enumerate(network.port_names)
    }


def dropped_at_ingress(lanes: Any) -> Any:
    """Say of each lane whether it dropped what came in by it, rather than what was to leave.

    A lossless lane counts both: what overran its ingress buffer, and what came in elsewhere by a
    lossy lane and found its egress queue full. Only the first leaves ``missing_bytes``.
    """
    return (lanes["ingress_limit_bytes"] > 0) & (lanes["missing_bytes"] > 0)


def _congestion_drops(network: Network) -> Iterable[CongestionDrop]:
    """Name every lane that dropped packets, the worst first."""
    lanes = network.lanes
    ingress = dropped_at_ingress(lanes)
    dropping = np.flatnonzero(lanes["drops_congestion"]).tolist()
    for index in sorted(dropping, key=lambda i: (-int(lanes[i]["drops_congestion"]), i)):
        lane = lanes[index]
        port, priority = divmod(index, kt.PRIORITIES)
        at_ingress = bool(ingress[index])
        limit = "ingress_limit_bytes" if at_ingress else "queue_limit_bytes"
        yield CongestionDrop(
            port=network.port_names[port],
            priority=priority,
            packets=int(lane["drops_congestion"]),
            buffer_bytes=int(lane[limit]),
            missing_bytes=int(lane["missing_bytes"]) if at_ingress else None,
            side="ingress" if at_ingress else "egress",
        )
