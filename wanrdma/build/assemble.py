"""Topology and work as the record tables that the kernels run on."""

import math
from typing import Any

import numpy as np

from ..kernels import tables as kt
from ..kernels.calendar import KIND_SHIFT, OPERATION, SCENARIO
from . import cycles
from .network import Network
from .topology import Port, Topology
from .work import Operation, WorkPlan

FIRST_BIN_PS = 1_000_000  # 1 us; doubles as the run gets longer
FIRST_PACKETS = 4096
FIRST_LOG_ROWS = 1 << 15  # with fewer the loop must stop more often to see whether there is room
LEAST_RING, MOST_FIRST_RING_BITS = 1024, 16  # packets; the engine makes larger ones
LOGGED_OF_A_KIND = 32  # of each entity; the counters have the rest
EVENTS_A_PORT = 3 + 2 * kt.PRIORITIES  # arrival, service, refresh; a wake and a watch a lane
BUCKETS_A_PORT = 2
LONGEST_FRAME_BYTES = 4200  # about: what most events are ahead by, with the cable


def assemble(
    topology: Topology, plan: WorkPlan, group_of: list[int], seed: int, bins: int
) -> Network:
    """Fill the tables. `group_of` says of each site to which group it belongs."""
    ports = _ports(topology, group_of)
    lines, rings = _lines(ports)
    requesters, responders, rates, paths = _queue_pairs(plan)
    places = int(requesters["reorder_packets"].sum())
    errors, error_changes, spells = _errors(topology)
    changes, change_groups = _changes(topology, ports, requesters)
    operations, successors = _operations(plan.operations)
    flows = np.zeros(len(plan.flow_names), kt.flow)
    flows["first_bit_ps"] = flows["first_delivery_ps"] = flows["last_delivery_ps"] = kt.NOWHERE
    operation_groups = [group_of[plan.sites_of(o, topology)[0]] for o in plan.operations]
    flow_groups = np.zeros(len(flows), np.int64)
    for o in plan.operations:
        if o.flow >= 0:
            flow_groups[o.flow] = group_of[plan.sites_of(o, topology)[1]]
    groups = range(max(group_of) + 1)
    run = _run(len(groups), seed, bins, _bucket_shift(topology))
    run["operations_left"] = np.bincount(operation_groups, minlength=len(groups))
    tables = kt.Tables(
        run=run,
        groups=[
            _group(
                of_all=len(ports),
                ports=np.flatnonzero(ports["group"] == g),
                flows=np.flatnonzero(flow_groups == g),
                lines=np.flatnonzero(ports["group"][lines["port"]] == g),
                pending=EVENTS_A_PORT * len(ports) + 2 * len(requesters) + len(operations),
                agenda=sorted(
                    (o.start_ps, i)
                    for i, o in enumerate(plan.operations)
                    if o.start_ps is not None and operation_groups[i] == g
                ),
                changes=len(changes),
            )
            for g in groups
        ],
        rings=rings,
        ports=ports,
        errors=errors,
        lanes=_lanes(topology),
        lines=lines,
        requesters=requesters,
        responders=responders,
        rates=rates,
        acked=np.zeros(places, np.int64),
        held=np.zeros(places, np.int64),
        error_changes=error_changes,
        spells=spells,
        changes=changes,
        pools=_pools(topology),
        operations=operations,
        flows=flows,
        paths=paths,
        successors=successors,
        goodput_bins=np.zeros((bins, len(flows)), np.int64).T,
        queue_bins=np.zeros((bins, len(ports)), np.int64).T,
        pause_bins=np.zeros((bins, len(ports)), np.int64).T,
        sent_bins=np.zeros((bins, len(ports)), np.int64).T,
        motions=cycles.motions(),
    )
    cycles.prepare(tables)
    for g, (row, group) in enumerate(zip(run, tables.groups, strict=True)):
        own = np.flatnonzero(change_groups == g)
        first = [(int(changes["time_ps"][k]), SCENARIO << KIND_SHIFT | int(k)) for k in own]
        if len(group.agenda_ps) > 0:
            start = OPERATION << KIND_SHIFT | int(group.agenda_operation[0])
            first.append((int(group.agenda_ps[0]), start))
        group.heap[: len(first)] = sorted(first)  # sorted, so that it is a heap
        row["heap_size"] = len(first)
        row["heap_first_ps"] = min(first)[0] if first else kt.NEVER_PS
    return Network(
        tables=tables,
        port_names=topology.port_names(),
        flow_names=plan.flow_names,
        queue_pair_names=[qp.name for qp in plan.queue_pairs],
        queue_pair_flow=[qp.flow for qp in plan.queue_pairs],
        operation_names=[operation.name for operation in plan.operations],
        warnings=topology.warnings + plan.warnings,
        happenings=[one.happening() for one in topology.events],
    )


def aligned(count: int, dtype: Any) -> Any:
    """Return a table of zeros that begins on a cache line."""
    size = count * dtype.itemsize
    memory = np.zeros(size + kt.LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % kt.LINE_BYTES
    return memory[first : first + size].view(dtype)


def _group(
    of_all: int,
    ports: Any,
    flows: Any,
    lines: Any,
    pending: int,
    agenda: list[tuple[int, int]],
    changes: int,
) -> kt.Group:
    return kt.Group(
        packets=_packets(FIRST_PACKETS),
        heap=aligned(pending + changes + 1, kt.event),
        near=aligned(2 * of_all, kt.near),
        buckets=_buckets(),
        marks=aligned(kt.BUCKETS // kt.WORD_BITS, np.dtype(np.int64)),
        agenda_ps=np.array([start for start, _ in agenda], np.int64),
        agenda_operation=np.array([o for _, o in agenda], np.int64),
        probes=np.zeros(0, kt.probe),
        log=aligned(FIRST_LOG_ROWS, kt.logged),
        stalls=aligned(FIRST_LOG_ROWS, kt.stall),
        own_ports=ports,
        own_flows=flows,
        own_lines=lines,
        **dict.fromkeys(kt.CYCLE_TABLES, np.zeros(0, np.int64)),
    )


def _lines(ports: Any) -> tuple[Any, list[Any]]:
    """Make the lines, and rings that hold what is on them when they are full of data packets."""
    leaves_from = np.flatnonzero(ports["line"] != kt.NOWHERE)
    lines = aligned(len(leaves_from), kt.line)
    rings = []
    for row, p in zip(lines, leaves_from.tolist(), strict=True):
        port = ports[p]
        row["port"] = p
        row["delay_ps"] = port["delay_ps"]
        row["has_errors"] = port["has_errors"]
        row["control"] = port["control"]
        row["is_inside"] = port["group"] == ports["group"][port["peer"]]
        on_it = int(port["delay_ps"]) // (LONGEST_FRAME_BYTES * int(port["ps_per_byte"]))
        if port["stands_for"] != p:
            on_it = 0  # it may never be used
        size = 1 << min(max(on_it, LEAST_RING).bit_length(), MOST_FIRST_RING_BITS)
        rings.append(aligned(size, kt.packet))
    return lines, rings


def _buckets() -> Any:
    buckets = aligned(kt.BUCKETS, kt.bucket)
    buckets["first"] = kt.NOWHERE
    return buckets


def _bucket_shift(topology: Topology) -> int:
    """Choose how long a bucket of the calendar is.

    All of them together hold a frame and its cable. Wider ones are found sooner, if there are
    few ports; narrower ones have fewer events to sort, if there are many.
    """
    ahead = 1
    for port in topology.ports:
        frame_ps = LONGEST_FRAME_BYTES * port.ps_per_byte
        is_line = port.delay_ps > 2 * frame_ps
        ahead = max(ahead, frame_ps + (0 if is_line else port.delay_ps))
    return max(
        0, math.ceil(math.log2(ahead / min(kt.BUCKETS, BUCKETS_A_PORT * len(topology.ports))))
    )


def _run(groups: int, seed: int, bins: int, bucket_shift: int) -> Any:
    run = aligned(groups, kt.run)
    run["bins"] = bins
    run["heap_first_ps"] = run["first_ps"] = kt.NEVER_PS
    run["bucket_shift"] = bucket_shift
    run["log_first"] = LOGGED_OF_A_KIND
    run["seed"] = seed % 2**64
    run["port_to_serve"] = kt.NOWHERE
    run["bin_width_ps"] = run["bin_end_ps"] = FIRST_BIN_PS
    run["free_packets"] = FIRST_PACKETS
    return run


def _packets(count: int) -> Any:
    packets = aligned(count, kt.packet)
    packets["next"] = np.arange(1, count + 1)
    packets["next"][-1] = kt.NOWHERE
    return packets


def _ports(topology: Topology, group_of: list[int]) -> Any:
    rows = aligned(len(topology.ports), kt.port)
    for row, port in zip(rows, topology.ports, strict=True):
        row["peer"] = port.peer
        row["site"] = topology.site_of(port.node)
        row["group"] = group_of[row["site"]]
        row["is_host"] = port.node in topology.hosts
        row["ps_per_byte"] = port.ps_per_byte
        row["delay_ps"] = port.delay_ps
        row["pause_ps"] = port.quanta * 64 * port.ps_per_byte  # a quantum: 512 bit times
        if port.pause_ps is not None:
            row["pause_ps"] = port.pause_ps
        row["refresh_ps"] = row["pause_ps"] // 3  # one may be lost before the pause runs out
        if port.refresh_ps is not None:
            row["refresh_ps"] = port.refresh_ps
        row["has_errors"] = port.errors is not None or bool(port.spells)
        row["notifies"] = port.notifies
        row["stands_for"] = port.stands_for
        row["control"] = port.control
        if port.watchdog is not None:
            row["watch_ps"], row["restore_ps"] = port.watchdog.detect, port.watchdog.restore
            row["watch_drops"] = port.watchdog.action == "drop"
    for name in (
        "busy_until_ps",
        "released_lane",
        "released_queue",
        "flight_head",
        "flight_tail",
        "error_told_ps",
    ):
        rows[name] = kt.NOWHERE
    over_line = rows["site"] != rows["site"][rows["peer"]]
    rows["line"] = np.where(over_line, np.cumsum(over_line) - 1, kt.NOWHERE)
    rows["line_in"] = rows["line"][rows["peer"]]
    rows["way"] = np.arange(len(rows))
    rows["stands_for"] = np.where(rows["stands_for"] == kt.NOWHERE, rows["way"], rows["stands_for"])
    return rows


def _errors(topology: Topology) -> tuple[Any, Any, Any]:
    """Make the row of errors of each port, its changes, and the spells in which it is down."""
    rows = aligned(len(topology.ports), kt.errors)
    rows["gap"] = kt.NOWHERE
    changes: list[tuple[int, float]] = []
    spells: list[tuple[int, int]] = []
    for row, port in zip(rows, topology.ports, strict=True):
        if port.errors is not None:
            for name, value in port.errors.settings().items():
                row[name] = value
            row["change"] = len(changes)
            changes += port.errors.changes
            row["change_end"] = len(changes)
        row["spell"] = len(spells)
        spells += port.spells
        row["spell_end"] = len(spells)
    return rows, np.array(changes, kt.error_change), np.array(spells, kt.spell)


def _changes(topology: Topology, ports: Any, requesters: Any) -> tuple[Any, Any]:
    """Make the table of changes, and say of each row to which group it belongs."""
    rows = np.array(topology.changes, kt.change)
    where = rows["entity"].copy()
    hints = rows["kind"] == kt.HINT
    where[hints] = requesters["sender_port"][where[hints]]
    switches = rows["kind"] == kt.SWITCH
    rows["value"][switches] = ports["line"][rows["value"][switches]]
    return rows, ports["group"][where]


def _pools(topology: Topology) -> Any:
    rows = aligned(len(topology.pools), kt.pool)
    for row, pool in zip(rows, topology.pools, strict=True):
        row["shared_bytes"], row["headroom_bytes"] = pool.shared_bytes, pool.headroom_bytes
    return rows


def _lanes(topology: Topology) -> Any:
    rows = aligned(len(topology.ports) * kt.PRIORITIES, kt.lane)
    for name in ("head", "tail", "ready_head", "ready_tail", "quiet_port", "pool"):
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
        lanes[priority]["pool"] = port.ingress.pool
        lanes[priority]["alpha"] = port.ingress.alpha
        lanes[priority]["headroom_limit_bytes"] = port.ingress.headroom_bytes


def _set_ecn(lanes: Any, topology: Topology, port: Port) -> None:
    """Let the ports of a site's switches mark; hosts and OTN terminals do not."""
    site, _, node = topology.nodes[port.node].partition(".")
    ecn = topology.scenario.sites[site].fabric.ecn
    if ecn is None or port.node in topology.hosts or node.startswith("otn"):
        return
    lanes["ecn_min_bytes"] = ecn.kmin
    lanes["ecn_max_bytes"] = ecn.kmax
    lanes["ecn_probability"] = ecn.pmax


def _queue_pairs(plan: WorkPlan) -> tuple[Any, Any, Any, Any]:
    requesters = aligned(len(plan.queue_pairs), kt.requester)
    responders = aligned(len(plan.queue_pairs), kt.responder)
    rates = aligned(len(plan.queue_pairs), kt.rate)
    paths: list[int] = []
    for q, qp in enumerate(plan.queue_pairs):
        for table, settings in (
            (requesters, qp.requester | {"data_path": len(paths)}),
            (responders, qp.responder | {"ack_path": len(paths) + len(qp.data_path) + 1}),
            (rates, qp.rate),
        ):
            for name, value in settings.items():
                table[q][name] = value
        paths += [*qp.data_path, kt.NOWHERE, *qp.ack_path, kt.NOWHERE]
    for name in (
        "oldest_operation",
        "next_operation",
        "last_posted",
        "first_posted",
        "next_ready",
        "error_ps",
    ):
        requesters[name] = kt.NOWHERE
    responders["receive_operation"] = kt.NOWHERE
    requesters["deadline_ps"] = kt.NEVER_PS
    for table, first in ((requesters, "acked_first"), (responders, "held_first")):
        ends = np.cumsum(table["reorder_packets"])
        table[first] = ends - table["reorder_packets"]
    return requesters, responders, rates, np.array(paths, np.int64)


def _operations(plan: list[Operation]) -> tuple[Any, Any]:
    rows = aligned(len(plan), kt.operation)
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
