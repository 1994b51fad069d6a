"""Whether everything stands still for ever, and why."""

from typing import Any

import numpy as np

from .build.circles import MOST_NAMES, first_circle, listed
from .build.network import Happening, Network
from .kernels import calendar
from .kernels import tables as kt
from .scenario.units import show_time

STILL_PS = 100_000_000_000  # 0.1 s in which no packet moved: look whether one ever will


class Watch:
    """Looks, once a tenth of a second, whether anything but pauses still moves."""

    def __init__(self, tables: kt.Tables) -> None:
        self.tables = tables
        self.next_ps = 0
        self.hops = -1
        self.since_ps = 0  # when a look first found so many hops

    def is_still_at(self, time_ps: int) -> bool:
        """Tell whether all stands still for ever. All events before this time are handled."""
        if time_ps < self.next_ps:
            return False
        self.next_ps = (time_ps // STILL_PS + 1) * STILL_PS
        hops = self.tables.packet_hops()
        if hops != self.hops:
            self.hops, self.since_ps = hops, time_ps
        if time_ps - self.since_ps >= STILL_PS and _is_deadlocked(self.tables):
            return True
        return _only_events_are_left(self.tables)


def _only_events_are_left(tables: kt.Tables) -> bool:
    """Tell whether only scenario events are to come, and none that lets a queue pair go on."""
    runs = tables.run
    if (runs["first_ps"] != kt.NEVER_PS).any() or len(tables.changes) == 0:
        return False
    kinds, entities = _pending(tables)
    timers = kinds == calendar.ACK_TIMER
    if (tables.requesters["deadline_ps"][entities[timers]] != kt.NEVER_PS).any():
        return False
    events = kinds == calendar.SCENARIO
    if not events.any() or not (events | timers).all() or tables.ports["waiting"].any():
        return False
    coming = tables.changes[entities[events]]
    hinted = coming["entity"][coming["kind"] == kt.HINT]
    return bool(tables.requesters["in_error"][hinted].all())


def _pending(tables: kt.Tables) -> tuple[Any, Any]:
    """Return kind and entity of all that is in the heaps."""
    heaps = zip(tables.groups, tables.run["heap_size"].tolist(), strict=True)
    pending = np.concatenate([group.heap["key"][:size] for group, size in heaps])
    return pending >> calendar.KIND_SHIFT, pending & calendar.ENTITY_MASK


def _is_deadlocked(tables: kt.Tables) -> bool:
    """Tell whether only pauses are left that renew each other, and nothing else is under way."""
    kinds, entities = _pending(tables)
    timers = tables.requesters["deadline_ps"][entities[kinds == calendar.ACK_TIMER]]
    to_come = (calendar.OPERATION, calendar.PACE, calendar.SCENARIO)
    if np.isin(kinds, to_come).any() or (timers != kt.NEVER_PS).any():
        return False
    watched, priority = np.divmod(entities[kinds == calendar.WATCH], kt.PRIORITIES)
    if (tables.ports["waiting"][watched] >> priority & 1).any():
        return False
    return not (_packets_move(tables) or _pauses_run_out(tables, entities[kinds == calendar.WAKE]))


def _pauses_run_out(tables: kt.Tables, lanes: Any) -> bool:
    """Tell whether a pause that holds something up is no longer meant, and so will end."""
    port, priority = np.divmod(lanes, kt.PRIORITIES)
    pausing = tables.ports["pausing"][tables.ports["peer"][port]]
    return bool((pausing >> priority & 1 == 0).any())


def _packets_move(tables: kt.Tables) -> bool:
    """Tell whether a packet, PFC frames and notices apart, is on any link."""
    for port in tables.ports[tables.ports["flight_head"] != kt.NOWHERE]:
        packets = tables.groups[port["group"]].packets
        i = int(port["flight_head"])
        while i != kt.NOWHERE:
            if packets["kind"][i] < kt.PFC:
                return True
            i = int(packets["next"][i])
    for line, ring in zip(tables.lines, tables.rings, strict=True):
        number = int(line["received"])
        while number < line["sent"]:
            packet = ring[number % len(ring)]
            if packet["kind"] < kt.PFC:
                return True
            # A train is of what its last period is of, and that is written out behind it.
            number = int(packet["arrival_ps"]) if packet["kind"] == kt.TRAIN else number + 1
    return False


def why_still(network: Network) -> str:
    """Say why operations are unfinished though nothing more can happen."""
    reasons = [_who_waits(network)]
    if reasons[0] is None or network.tables.requesters["in_error"].any():
        reasons.insert(0, _why_stuck(network))
    return "; ".join(reason for reason in reasons if reason is not None)


def _who_waits(network: Network) -> str | None:
    """Say which ports wait for each other in a circle, or what else holds packets up."""
    lanes = first_circle(_waits_for(network.tables))
    if lanes is not None:
        names = listed([network.port_names[lane // kt.PRIORITIES] for lane in lanes])
        return f"deadlock: a circle of {len(lanes)} paused ports, each waits for the next: {names}"
    ports = network.ports
    stopped = np.flatnonzero(ports["is_stopped"] & (ports["waiting"] != 0))
    if len(stopped) > 0:
        names = listed([network.port_names[p] for p in stopped])
        return f"nothing moves: the line is down, and packets are held at {names}"
    waiting = np.flatnonzero((ports["waiting"] & ports["paused"]) != 0)
    stormy = [p for p in waiting if ports["is_host"][ports["peer"][p]]]
    if stormy:
        names = listed([network.port_names[ports["peer"][p]] for p in stormy])
        return f"nothing moves: a pause storm comes from {names}"
    if len(waiting) == 0:
        return None
    names = listed([network.port_names[p] for p in waiting])
    return f"nothing moves: packets wait at paused ports, among them {names}"


def _waits_for(tables: kt.Tables) -> dict[int, set[int]]:
    """Return of each paused lane that has packets the lanes that must send before it may.

    It waits for the ingress lane that pauses it; what that stores stands in other lanes.
    """
    ports, lanes = tables.ports, tables.lanes
    held = {}
    for p in np.flatnonzero((ports["waiting"] & ports["paused"]) != 0).tolist():
        for priority in range(kt.PRIORITIES):
            if ports["waiting"][p] & ports["paused"][p] & (1 << priority):
                held[p * kt.PRIORITIES + priority] = int(ports["peer"][p])
    graph: dict[int, set[int]] = {lane: set() for lane in held}
    paused_by = {(peer, lane % kt.PRIORITIES): lane for lane, peer in held.items()}
    for lane in held:
        port = ports[lane // kt.PRIORITIES]
        if port["is_host"]:
            continue
        packets = tables.groups[port["group"]].packets
        i = int(lanes["head"][lane])
        while i != kt.NOWHERE:
            came_by = int(ports["peer"][tables.paths[packets["at"][i] - 1]])
            waiting = paused_by.get((came_by, lane % kt.PRIORITIES))
            if waiting is not None:
                graph[waiting].add(lane)
            i = int(packets["next"][i])
    return graph


def _why_stuck(network: Network) -> str:
    pairs = network.tables.requesters
    broken = np.flatnonzero(pairs["in_error"])
    if len(broken) == 0:
        silent = np.flatnonzero((pairs["oldest"] < pairs["newest"]) & (pairs["timeout_ps"] == 0))
        if len(silent) > 0:
            name = network.queue_pair_names[silent[0]]
            return (
                f"queue pair {name} waits for an ACK: the packet or its ACK was lost, and there is "
                "no ACK timer (nic.timeout is 0)"
            )
        return "nothing more can happen: what is unfinished waits for credits or operations"
    first = broken[np.argmin(pairs["error_ps"][broken])]
    when = show_time(int(pairs["error_ps"][first]))
    timeouts = int(pairs["local_ack_timeout_err"][first])
    others = f"; {len(broken) - 1} more did" if len(broken) > 1 else ""
    row = pairs[first]
    why = f"its retries used up: {row['retries_used']} without progress"
    if row["over_budget"]:
        why = f"its retry budget used up: {row['period_retries']} within a period"
    return (
        f"queue pair {network.queue_pair_names[first]} went into error at {when}, {why}, "
        f"{timeouts} ACK timeouts in all{others}{_line_down(network, int(first))}"
    )


def _line_down(network: Network, q: int) -> str:
    """Say which line was down before a queue pair gave up, if that lost what was its."""
    tables = network.tables
    pair = tables.requesters[q]
    crossed = [
        int(tables.ports["peer"][p])
        for at in (pair["data_path"], tables.responders["ack_path"][q])
        for p in _path(tables, int(at))
    ]
    if not tables.ports["lost_on_line"][crossed].any():
        return ""
    began_ps, ended_ps = int(pair["moved_ps"]), int(pair["error_ps"])
    told = [one for one in network.happenings if _overlaps(one, began_ps, ended_ps)]
    said = [f"{one.name} at {show_time(one.at_ps)}" for one in told[:MOST_NAMES]]
    return f"; frames were lost with a line: {', '.join(said) or 'it was down'}"


def _path(tables: kt.Tables, at: int) -> list[int]:
    end = at + int(np.argmax(tables.paths[at:] == kt.NOWHERE))
    return [int(p) for p in tables.paths[at:end]]


def _overlaps(one: Happening, began_ps: int, ended_ps: int) -> bool:
    return one.line >= 0 and one.at_ps <= ended_ps and not 0 <= one.end_ps < began_ps
