"""Runs a built network to its end, in slices, so that a person can watch and stop it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import int64, typeof
from numba.core import config

from .build.network import Network
from .kernels import heap, loop
from .kernels import tables as kt
from .kernels.bins import store_partial_bin
from .kernels.jit import CACHE_FOLDER
from .scenario.units import show_time

Status = Literal["completed", "stopped", "incomplete"]
FIRST_SLICE_EVENTS = 200_000
SLICE_S = 0.1
MOST_NAMES = 8
JIT_OFF = bool(config.DISABLE_JIT)


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Times in seconds of this machine, not of the simulation, compiling apart.

    ``completed``: every operation finished. ``stopped``: the stop time came, or the user
    stopped it. ``incomplete``: nothing more can happen, but operations are unfinished;
    ``reason`` says why in a sentence. ``interrupted``: there was a KeyboardInterrupt, though
    the work may have been done by then.
    """

    status: Status
    reason: str
    wall_s: float
    cpu_s: float
    interrupted: bool = False


def run(
    network: Network,
    stop_ps: int | None = None,
    on_slice: Callable[[Network], None] | None = None,
    *,
    probe: bool = False,
) -> Outcome:
    """Run to the end, or up to and with `stop_ps` of simulated time, at most 104 days.

    Changes `network.tables` in place, and puts larger ones there when one is full.
    `on_slice` is called once all is compiled, and then about every 100 ms; it may raise
    KeyboardInterrupt, which ends the run as stopped. With `probe` each packet's departures and
    arrivals are kept in `tables.probes`.
    """
    network.tables.run["probing"] = probe
    _load_or_compile(network)
    wall, cpu = time.perf_counter(), time.process_time()
    interrupted = False
    try:
        if on_slice:
            on_slice(network)  # compiled and built: from here on a run is ended by its slices
        until_ps = kt.LAST_PS if stop_ps is None else min(stop_ps, kt.LAST_PS)
        code = _run_slices(network, until_ps, on_slice)
    except KeyboardInterrupt:
        code, interrupted = loop.TIME_IS_UP, True
    if code == loop.TIME_IS_UP and not interrupted:
        network.tables.run["clock_ps"] = kt.LAST_PS if stop_ps is None else stop_ps
    store_partial_bin(_run_table(network))
    status, reason = _judge(network, code, interrupted)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Outcome(status, reason, wall, cpu, interrupted)


def so_far(network: Network, wall_s: float) -> Outcome:
    """Close the current bin for a look at a run that goes on, and say so."""
    store_partial_bin(_run_table(network))
    return Outcome("stopped", "the run was cut short, or is not over", wall_s, wall_s)


def _run_slices(network: Network, until_ps: int, on_slice: Callable[[Network], None] | None) -> int:
    events = FIRST_SLICE_EVENTS
    while True:
        began = time.perf_counter()
        code = _advance(network, until_ps, events)
        if code == loop.PACKETS_SHORT:
            network.tables = _with_more_packets(network.tables)
        elif code == loop.PROBES_SHORT:
            network.tables = _with_more_rows(network.tables, "probes")
        elif code == loop.LOG_SHORT:
            network.tables = _with_more_rows(network.tables, "log")
        elif code == loop.SLICE_DONE:
            took = max(time.perf_counter() - began, 1e-3)
            events = max(1000, int(events * min(4.0, SLICE_S / took)))
            if on_slice:
                on_slice(network)
        elif code != loop.NOTHING_MOVES or _is_deadlocked(network.tables):
            return code


def _advance(network: Network, until_ps: int, events: int) -> int:
    network.tables.locate()
    with np.errstate(over="ignore"):  # hashes wrap; only plain-Python runs would warn
        return int(loop.advance(_run_table(network), until_ps, events))


def _load_or_compile(network: Network) -> None:
    """Get the machine code. A damaged cache file must not stop a run: compile anew."""
    if JIT_OFF:
        return
    table = typeof(_run_table(network))
    for kernel, arguments in ((loop.advance, (table, int64, int64)), (store_partial_bin, (table,))):
        try:
            kernel.compile(arguments)
        except Exception:  # reading damaged pickles can raise anything
            if CACHE_FOLDER is None:
                raise
            for path in CACHE_FOLDER.rglob(f"*.{kernel.py_func.__name__}-*"):
                path.unlink(missing_ok=True)
            kernel.compile(arguments)


def _run_table(network: Network) -> Any:
    """Return the record that kernels take; in plain Python its fields must be attributes."""
    run = network.tables.run
    return run.view(np.recarray) if JIT_OFF else run


def _with_more_packets(tables: kt.Tables) -> kt.Tables:
    """Double the packet pool; the new ones become free."""
    old = len(tables.packets)
    packets = np.zeros(2 * old, kt.packet)
    packets[:old] = tables.packets
    packets["next"][old:] = np.arange(old + 1, 2 * old + 1)
    packets["next"][-1] = tables.run["free_head"][0]
    tables.run["free_head"] = old
    tables.run["free_packets"] += old
    return tables._replace(packets=packets)


def _with_more_rows(tables: kt.Tables, name: str) -> kt.Tables:
    """Double a table that is written from its beginning on."""
    rows = getattr(tables, name)
    more: Any = np.zeros(max(4096, 2 * len(rows)), rows.dtype)
    more[: len(rows)] = rows
    return tables._replace(**{name: more})


def _is_deadlocked(tables: kt.Tables) -> bool:
    """Tell whether only pauses are left that renew each other: no packet, timer or operation."""
    pending = tables.heap[: int(tables.run["heap_size"][0])]["key"]
    kinds, entities = pending >> heap.KIND_SHIFT, pending & heap.ENTITY_MASK
    timers = tables.queue_pairs["deadline_ps"][entities[kinds == heap.ACK_TIMER]]
    moving = (kinds == heap.PACKET_ARRIVAL) | (kinds == heap.OPERATION)
    return not moving.any() and bool((timers == kt.NEVER_PS).all())


def _judge(network: Network, code: int, interrupted: bool) -> tuple[Status, str]:
    run = network.tables.run[0]
    left = int(run["operations_left"])
    if left == 0:
        return "completed", "every operation finished"
    unfinished = f"{left} of {len(network.tables.operations)} operations unfinished"
    if interrupted:
        return "stopped", f"interrupted, {unfinished}"
    if code == loop.TIME_IS_UP:
        return "stopped", f"the stop time came, {unfinished}"
    if code == loop.NOTHING_MOVES:
        return "incomplete", f"deadlock: {_who_waits(network)}; {unfinished}"
    return "incomplete", f"{_why_stuck(network)}; {unfinished}"


def _who_waits(network: Network) -> str:
    """Name the paused ports whose packets wait for each other."""
    ports = network.tables.ports
    waiting = np.flatnonzero((ports["waiting"] & ports["paused"]) != 0)
    names = ", ".join(network.port_names[p] for p in waiting[:MOST_NAMES])
    more = f" and {len(waiting) - MOST_NAMES} more" if len(waiting) > MOST_NAMES else ""
    return f"packets wait for each other in a circle of paused ports, among them {names}{more}"


def _why_stuck(network: Network) -> str:
    pairs = network.tables.queue_pairs
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
    return (
        f"queue pair {network.queue_pair_names[first]} went into error at {when}, its retries "
        f"({pairs['retries'][first]}) used up, {timeouts} ACK timeouts in all{others}"
    )
