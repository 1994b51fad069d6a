"""Runs a built network to its end, in slices, so that a person can watch and stop it."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import int64, typeof

from .build.assemble import aligned
from .build.network import Network
from .kernels import loop
from .kernels import tables as kt
from .kernels.bins import store_partial_bin
from .kernels.jit import CACHE_FOLDER
from .kernels.log import LOG_ROWS_AN_EVENT
from .kernels.packets import PACKETS_AN_EVENT
from .kernels.probe import ROWS_AN_EVENT
from .kernels.stall import STALL_ROWS_AN_EVENT
from .kernels.windows import open_window
from .standstill import Watch, why_still
from .stretch import JIT_OFF, SHORT, STEPS_AHEAD, Stretch, advance, freed, run_table

Status = Literal["completed", "stopped", "incomplete"]
SLICE_EVENTS = 500_000
SLICE_S = 0.1
ALL_EVENTS = 1 << 60
FIRST_WINDOW_PS = 100_000_000  # 100 us; longer as long as that does not take long
LEAST_WINDOW_PS = 1_000_000  # 1 us
LEAST_WORK_S = 170e-6  # a step of less is sooner done on one thread than handed to two
MOST_STEPS = 64  # of a window, while there is that much work in each
NOTHING_MOVES = -1


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
    threads: int | None = None,
    exact_events: bool = False,
) -> Outcome:
    """Run to the end, or up to and with `stop_ps` of simulated time, at most 104 days.

    Changes `network.tables` in place, and puts larger ones there when one is full.
    `on_slice` is called once all is compiled, and then about every 100 ms; it may raise
    KeyboardInterrupt, which ends the run as stopped. With `probe` each packet's departures and
    arrivals are kept. `threads` (default: the cores there are) may work at the same time; it
    changes no result. With `exact_events`, or `probe`, every event is handled, also those of
    cycles that could be left out (kernels/cycle.py); that changes no result either.
    """
    until_ps = min(kt.LAST_PS, kt.LAST_PS if stop_ps is None else stop_ps)
    network.tables.run["probing"] = probe
    network.tables.run["is_exact"] = exact_events or probe
    network.tables.locate()
    _load_or_compile(network)
    wall, cpu = time.perf_counter(), time.process_time()
    interrupted = False
    try:
        if on_slice:
            on_slice(network)  # compiled and built: from here on a run is ended by its slices
        with ThreadPoolExecutor(max(1, (threads or cores()) - 1)) as pool:
            code = _Windows(network, on_slice, pool, threads or cores()).run(until_ps)
    except KeyboardInterrupt:
        code, interrupted = loop.TIME_IS_UP, True
    run = network.tables.run
    handled_before_ps = int(run["now_ps"].max())
    if code == loop.TIME_IS_UP and not interrupted:
        run["clock_ps"] = until_ps
        handled_before_ps = until_ps + 1
    elif run["operations_left"].any() and not interrupted:
        handled_before_ps = kt.NEVER_PS  # nothing more can happen
    store_partial_bin(run_table(network), handled_before_ps)
    status, reason = _judge(network, code, interrupted)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Outcome(status, reason, wall, cpu, interrupted)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def so_far(network: Network, wall_s: float) -> Outcome:
    """Close the current bin for a look at a run that goes on, and say so."""
    store_partial_bin(run_table(network), int(network.tables.run["now_ps"].max()))
    return Outcome("stopped", "the run was cut short, or is not over", wall_s, wall_s)


class _Windows:
    """Runs the groups of a network window by window, and looks after them in between."""

    def __init__(
        self,
        network: Network,
        on_slice: Callable[[Network], None] | None,
        pool: Executor,
        threads: int,
    ) -> None:
        self.network, self.on_slice, self.pool, self.threads = network, on_slice, pool, threads
        self.groups = range(len(network.tables.groups))
        self.is_alone = len(self.groups) == 1
        tables = network.tables
        between = tables.lines[tables.lines["is_inside"] == 0]
        self.least_delay_ps = int(between["delay_ps"].min(initial=kt.NEVER_PS))
        self.seen = time.perf_counter()
        self.work_a_step_s = 0.0

    def run(self, until_ps: int) -> int:
        """Run to the end or a time; return NOTHING_LEFT, TIME_IS_UP or NOTHING_MOVES."""
        table = run_table(self.network)
        watch = Watch(self.network.tables)
        window_ps = self.least_delay_ps if self.is_alone else FIRST_WINDOW_PS
        while True:
            began = time.perf_counter()
            window_ps = min(window_ps, self._longest_ps())
            first_ps, end_ps, may_end = self._open(table, window_ps, until_ps)
            if may_end and window_ps > self.least_delay_ps:
                window_ps = self.least_delay_ps
                first_ps, end_ps, may_end = self._open(table, window_ps, until_ps)
            if first_ps == kt.NEVER_PS:
                return loop.NOTHING_LEFT
            if first_ps > until_ps:
                return loop.TIME_IS_UP
            if watch.is_still_at(first_ps):
                return NOTHING_MOVES
            end_ps = min(end_ps, watch.next_ps - 1)
            ends_ps = self._steps(first_ps, end_ps)
            if not may_end:
                self._advance(self.groups, ends_ps, others_left=True)
            elif self._may_have_ended(end_ps):
                return loop.NOTHING_LEFT
            worked_s = time.perf_counter() - began
            self.work_a_step_s = worked_s / len(ends_ps)
            if worked_s > SLICE_S and not self.is_alone:
                window_ps = max(LEAST_WINDOW_PS, window_ps // 2)
            elif worked_s < SLICE_S / 4 and not self.is_alone:
                window_ps = 2 * window_ps
            self._look_up()

    def _open(self, table: Any, window_ps: int, until_ps: int) -> tuple[int, int, bool]:
        window: tuple[int, int, bool] = open_window(table, window_ps, until_ps, self.least_delay_ps)
        return window

    def _is_worth_threads(self) -> bool:
        return self.threads > 1 and self.work_a_step_s > LEAST_WORK_S

    def _longest_ps(self) -> int:
        """Return how long a window may be. Threads go through long ones in steps."""
        if self.is_alone or not self._is_worth_threads():
            return self.least_delay_ps
        return min(kt.LAST_PS, MOST_STEPS // 2 * self.least_delay_ps)

    def _steps(self, first_ps: int, end_ps: int) -> list[int]:
        """Return when the steps of a window end, that begins at a time."""
        if end_ps - first_ps <= self.least_delay_ps:
            return [end_ps]
        step_ps = max(1, self.least_delay_ps // (1 + STEPS_AHEAD))
        return [*range(first_ps + step_ps, end_ps, step_ps), end_ps]

    def _may_have_ended(self, end_ps: int) -> bool:
        """Advance all groups, none beyond the end of the last operation; True if that came."""
        runs = self.network.tables.run
        working = [g for g in self.groups if runs["operations_left"][g] > 0]
        self._advance(working, [end_ps], others_left=False)
        at_end = [g for g in self.groups if g not in working or runs["operations_left"][g] == 0]
        if runs["operations_left"].any():
            self._advance(at_end, [end_ps], others_left=True)
            return False
        last = max(working, key=lambda g: (int(runs["now_ps"][g]), int(runs["last_key"][g])))
        last_ps, last_key = int(runs["now_ps"][last]), int(runs["last_key"][last])
        others = [g for g in self.groups if g != last]
        self._advance(others, [last_ps], others_left=True, end_key=last_key)
        return True

    def _advance(
        self,
        groups: Sequence[int],
        ends_ps: Sequence[int],
        *,
        others_left: bool,
        end_key: int = kt.NO_KEY,
    ) -> None:
        """Advance some groups to a time, on threads if there is enough to do.

        Tables are enlarged only when all have come to a halt: the others' records lie beside.
        """
        self.network.tables.run["others_left"][list(groups)] = others_left
        # With one group a slice may end at any event.
        most_events = SLICE_EVENTS if self.is_alone else ALL_EVENTS
        if len(ends_ps) == 1 and not self._is_worth_threads():
            for g in groups:
                self._advance_one(g, ends_ps[0], end_key, most_events)
            return
        stretch = Stretch(self.network, groups, ends_ps, most_events, end_key, SLICE_S)
        while not stretch.is_done():
            codes = stretch.go_on(self.pool, self.threads if self._is_worth_threads() else 1)
            if any(code in SHORT for code in codes):
                _enlarge(self.network)
            if loop.SLICE_DONE in codes:
                self._look_up()

    def _advance_one(self, g: int, end_ps: int, end_key: int, most_events: int) -> None:
        """Advance a group to a time, the others being idle."""
        table = run_table(self.network)
        while True:
            code = advance(table, g, end_ps, end_key, most_events)
            if code == loop.SLICE_DONE:
                self._look_up()
            elif code in SHORT:
                _enlarge(self.network)
                table = run_table(self.network)
            else:
                return

    def _look_up(self) -> None:
        if self.on_slice and time.perf_counter() - self.seen > SLICE_S:
            self.on_slice(self.network)
            self.seen = time.perf_counter()


def _load_or_compile(network: Network) -> None:
    """Get the machine code. A damaged cache file must not stop a run: compile anew."""
    if JIT_OFF:
        return
    table = typeof(run_table(network))
    kernels = (
        (loop.advance, (table, int64, int64, int64, int64)),
        (open_window, (table, int64, int64, int64)),
        (store_partial_bin, (table, int64)),
    )
    for kernel, arguments in kernels:
        try:
            kernel.compile(arguments)
        except Exception:  # reading damaged pickles can raise anything
            if CACHE_FOLDER is None:
                raise
            for path in CACHE_FOLDER.rglob(f"*.{kernel.py_func.__name__}-*"):
                path.unlink(missing_ok=True)
            kernel.compile(arguments)


def _enlarge(network: Network) -> None:
    """Double every table that has no room for another event."""
    tables = network.tables
    for g, run in enumerate(tables.run):
        group = tables.groups[g]
        if run["free_packets"] < PACKETS_AN_EVENT:
            group = group._replace(packets=_more_packets(group.packets, run))
        if run["probing"] and run["probe_size"] + ROWS_AN_EVENT > len(group.probes):
            group = group._replace(probes=_more_rows(group.probes))
        if run["log_size"] + LOG_ROWS_AN_EVENT > len(group.log):
            group = group._replace(log=_more_rows(group.log))
        if run["stalls_size"] + STALL_ROWS_AN_EVENT > len(group.stalls):
            group = group._replace(stalls=_more_rows(group.stalls))
        tables.groups[g] = group
    may_go = np.where(tables.lines["is_inside"], freed(tables.lines), tables.lines["freed"])
    for i, line in enumerate(tables.lines):
        for_cycles = line["is_short"] or line["keeps_too_little"]
        if for_cycles or line["sent"] - may_go[i] == len(tables.rings[i]):
            line["is_short"] = line["keeps_too_little"] = 0
            tables.rings[i] = _larger_ring(tables.rings[i], int(may_go[i]))
    tables.run["image_ps"] = kt.NOWHERE  # what lines have kept is not in the larger rings
    tables.locate()


def _more_packets(packets: Any, run: Any) -> Any:
    """Double a packet pool; the new ones become free."""
    old = len(packets)
    more = aligned(2 * old, kt.packet)
    _words(more)[:old] = _words(packets)
    more["next"][old:] = np.arange(old + 1, 2 * old + 1)
    more["next"][-1] = run["free_head"]
    run["free_head"] = old
    run["free_packets"] += old
    return more


def _more_rows(rows: Any) -> Any:
    """Double a table that is written from its beginning on."""
    more = aligned(max(4096, 2 * len(rows)), rows.dtype)
    _words(more)[: len(rows)] = _words(rows)
    return more


def _larger_ring(ring: Any, received: int) -> Any:
    """Double a full ring, each packet at its number in the new one."""
    larger = aligned(2 * len(ring), kt.packet)
    numbers = np.arange(received, received + len(ring))
    _words(larger)[numbers % len(larger)] = _words(ring)[numbers % len(ring)]
    return larger


def _words(rows: Any) -> Any:
    """Return the rows of a table as words, which are copied faster than field by field."""
    return rows.view(np.int64).reshape(len(rows), rows.itemsize // 8)


def _judge(network: Network, code: int, interrupted: bool) -> tuple[Status, str]:
    left = network.tables.total("operations_left")
    if left == 0:
        return "completed", "every operation finished"
    unfinished = f"{left} of {len(network.tables.operations)} operations unfinished"
    if interrupted:
        return "stopped", f"interrupted, {unfinished}"
    if code == loop.TIME_IS_UP:
        return "stopped", f"the stop time came, {unfinished}"
    return "incomplete", f"{why_still(network)}; {unfinished}"
