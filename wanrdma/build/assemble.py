"""Topology and work as the record tables that the kernels run on."""

import math
from typing import Any

import numpy as np

from ..kernels import tables as kt
from ..kernels.calendar import KIND_SHIFT, OPERATION
from .network import Network
from .topology import Port, Topology
from .work import Operation, WorkPlan

FIRST_BIN_PS = 1_000_000  # 1 us; doubles as the run gets longer
FIRST_PACKETS = 4096
FIRST_LOG_ROWS = 1024
LOGGED_OF_A_KIND = 32  # of each entity; the counters have the rest
EVENTS_A_PORT = 3 + kt.PRIORITIES  # arrival, service, refresh, and a wake a lane
LONGEST_FRAME_BYTES = 4200  # about: what most events are ahead by, with the cable


def assemble(topology: Topology, plan: WorkPlan, seed: int, bins: int) -> Network:
    """Fill the tables."""
    ports = _ports(topology)
    queue_pairs, paths = _queue_pairs(plan)
    operations, successors = _operations(plan.operations)
    flows = np.zeros(len(plan.flow_names), kt.flow)
    flows["first_bit_ps"] = flows["first_delivery_ps"] = flows["last_delivery_ps"] = kt.NOWHERE
    agenda = sorted(
        (o.start_ps, i) for i, o in enumerate(plan.operations) if o.start_ps is not None
    )
    pending = EVENTS_A_PORT * len(ports) + len(queue_pairs) + len(operations) + 1
    tables = kt.Tables(
        run=_run(seed, len(operations), bins, _bucket_shift(topology)),
        ports=ports,
        lanes=_lanes(topology),
        packets=_packets(FIRST_PACKETS),
        queue_pairs=queue_pairs,
        operations=operations,
        flows=flows,
        paths=paths,
        successors=successors,
        agenda_ps=np.array([start for start, _ in agenda], np.int64),
        agenda_operation=np.array([o for _, o in agenda], np.int64),
        heap=np.zeros(pending, kt.event),
        near=aligned(2 * len(ports), kt.near),
        buckets=_buckets(),
        marks=np.zeros(kt.BUCKETS // kt.WORD_BITS, np.int64),
        probes=np.zeros(0, kt.probe),
        log=np.zeros(FIRST_LOG_ROWS, kt.logged),
        goodput_bins=np.zeros((len(flows), bins), np.int64),
        queue_bins=np.zeros((len(ports), bins), np.int64),
        pause_bins=np.zeros((len(ports), bins), np.int64),
    )
    if agenda:
        tables.heap[0] = (agenda[0][0], OPERATION << KIND_SHIFT | agenda[0][1])
        tables.run["heap_size"] = 1
        tables.run["heap_first_ps"] = agenda[0][0]
    return Network(
        tables=tables,
        port_names=topology.port_names(),
        flow_names=plan.flow_names,
        queue_pair_names=[qp.name for qp in plan.queue_pairs],
        queue_pair_flow=[qp.flow for qp in plan.queue_pairs],
        operation_names=[operation.name for operation in plan.operations],
        warnings=topology.warnings + plan.warnings,
    )


def aligned(count: int, dtype: Any) -> Any:
    """Return a table of zeros that begins on a cache line."""
    size = count * dtype.itemsize
    memory = np.zeros(size + kt.LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % kt.LINE_BYTES
    return memory[first : first + size].view(dtype)


def _buckets() -> Any:
    buckets = aligned(kt.BUCKETS, kt.bucket)
    buckets["first"] = kt.NOWHERE
    return buckets


def _bucket_shift(topology: Topology) -> int:
    """Choose how long a bucket of the calendar is: all of them hold a frame and its cable."""
    ahead = 1
    for port in topology.ports:
        frame_ps = LONGEST_FRAME_BYTES * port.ps_per_byte
        is_line = port.delay_ps > 2 * frame_ps
        ahead = max(ahead, frame_ps + (0 if is_line else port.delay_ps))
    return max(0, math.ceil(math.log2(ahead / kt.BUCKETS)))


def _run(seed: int, operations: int, bins: int, bucket_shift: int) -> Any:
    run = aligned(1, kt.run)
    run["bins"] = bins
    run["heap_first_ps"] = kt.NEVER_PS
    run["bucket_shift"] = bucket_shift
    run["log_first"] = LOGGED_OF_A_KIND
    run["seed"] = seed % 2**64
    run["port_to_serve"] = kt.NOWHERE
    run["operations_left"] = operations
    run["bin_width_ps"] = run["bin_end_ps"] = FIRST_BIN_PS
    run["free_packets"] = FIRST_PACKETS
    return run


def _packets(count: int) -> Any:
    packets = np.zeros(count, kt.packet)
    packets["next"] = np.arange(1, count + 1)
    packets["next"][-1] = kt.NOWHERE
    return packets


def _ports(topology: Topology) -> Any:
    rows = aligned(len(topology.ports), kt.port)
    for row, port in zip(rows, topology.ports, strict=True):
        row["peer"] = port.peer
        row["is_host"] = port.node in topology.hosts
        row["ps_per_byte"] = port.ps_per_byte
        row["delay_ps"] = port.delay_ps
        row["pause_ps"] = port.quanta * 64 * port.ps_per_byte  # a quantum: 512 bit times
        row["refresh_ps"] = row["pause_ps"] // 3  # one may be lost before the pause runs out
        row["log_bit_survival"] = math.log1p(-port.bit_error_ratio)
    for name in ("busy_until_ps", "released_lane", "released_queue", "flight_head", "flight_tail"):
        rows[name] = kt.NOWHERE
    return rows


def _lanes(topology: Topology) -> Any:
    rows = aligned(len(topology.ports) * kt.PRIORITIES, kt.lane)
    for name in ("head", "tail", "ready_head", "ready_tail", "quiet_port"):
        rows[name] = kt.NOWHERE
    rows["paused_since_ps"] = kt.NEVER_PS
    for p, port in enumerate(topology.ports):
        lanes = rows[p * kt.PRIORITIES : (p + 1) * kt.PRIORITIES]
        lanes["queue_limit_bytes"] = port.queue_limit_bytes
        _set_ingress(lanes, port)
        _set_ecn(lanes, topology, port)
    return rows


def _set_ingress(lanes: Any, port: Port) -> None:
    if port.ingress is None:
        return
    for priority in port.ingress.priorities:
        lanes[priority]["xoff_bytes"] = port.ingress.xoff_bytes
        lanes[priority]["xon_bytes"] = port.ingress.xon_bytes
        lanes[priority]["ingress_limit_bytes"] = port.ingress.limit_bytes


def _set_ecn(lanes: Any, topology: Topology, port: Port) -> None:
    """Let the ports of a site's switches mark; hosts and OTN terminals do not."""
    site, _, node = topology.nodes[port.node].partition(".")
    ecn = topology.scenario.sites[site].fabric.ecn
    if ecn is None or port.node in topology.hosts or node.startswith("otn"):
        return
    lanes["ecn_min_bytes"] = ecn.kmin
    lanes["ecn_max_bytes"] = ecn.kmax
    lanes["ecn_probability"] = ecn.pmax


def _queue_pairs(plan: WorkPlan) -> tuple[Any, Any]:
    rows = aligned(len(plan.queue_pairs), kt.queue_pair)
    paths: list[int] = []
    for row, qp in zip(rows, plan.queue_pairs, strict=True):
        row["sender_port"] = qp.sender_port
        row["receiver_port"] = qp.receiver_port
        for name, path in (("data_path", qp.data_path), ("ack_path", qp.ack_path)):
            row[name] = len(paths)
            paths += [*path, kt.NOWHERE]
        for name, value in qp.settings.items():
            row[name] = value
    for name in (
        "oldest_operation",
        "next_operation",
        "last_posted",
        "first_posted",
        "next_ready",
        "receive_operation",
        "error_ps",
    ):
        rows[name] = kt.NOWHERE
    rows["deadline_ps"] = kt.NEVER_PS
    return rows, np.array(paths, np.int64)


def _operations(plan: list[Operation]) -> tuple[Any, Any]:
    rows = np.zeros(len(plan), kt.operation)
    successors: list[int] = []
    for row, operation in zip(rows, plan, strict=True):
        row["kind"] = kt.COMPUTE if operation.queue_pair < 0 else kt.SEND
        for name in (
            "duration_ps",
            "queue_pair",
            "flow",
            "bytes",
            "message_bytes",
            "messages",
            "feeds",
        ):
            row[name] = getattr(operation, name)
        row["credits"] = operation.messages if operation.credits is None else operation.credits
        row["waits"] = operation.depends + (operation.start_ps is not None)
        row["sent_first"] = len(successors)
        successors += operation.after_sent
        row["delivered_first"] = len(successors)
        successors += operation.after_delivered
        row["successors_end"] = len(successors)
    for name in ("next_posted", "first_packet", "start_ps", "sent_ps", "delivered_ps"):
        rows[name] = kt.NOWHERE
    return rows, np.array(successors, np.int64)
