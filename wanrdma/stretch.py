"""A stretch of time that groups of sites advance through, on threads, none too far ahead.

A group may handle all its events up to the time that the slowest of the others has reached,
plus the least delay of a line between them. In steps of half that delay it may so be a step
ahead: it need not wait when its step was less work than theirs (kernels/windows.py).
"""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
from numba.core import config

from .build.network import Network
from .kernels import loop
from .kernels import tables as kt
from .kernels.line import KEPT_SHARE

STEPS_AHEAD = 1  # of the slowest group
JIT_OFF = bool(config.DISABLE_JIT)
SHORT = tuple(range(loop.PACKETS_SHORT, loop.LINES_SHORT + 1))
UNFINISHED = (*SHORT, loop.SLICE_DONE)


def run_table(network: Network) -> Any:
    """Return the record that kernels take; in plain Python its fields must be attributes."""
    run = network.tables.run
    return run.view(np.recarray) if JIT_OFF else run


def advance(table: Any, g: int, end_ps: int, end_key: int, most_events: int) -> int:
    """Let group g handle its events up to a time (kernels/loop.py)."""
    with np.errstate(over="ignore"):  # hashes wrap; only plain-Python runs would warn
        return int(loop.advance(table, g, end_ps, end_key, most_events))


def freed(lines: Any) -> Any:
    """Return how many of the packets that were ever put on each line may be written over."""
    return np.maximum(0, lines["received"] - lines["ring_count"] // KEPT_SHARE)


class Stretch:
    """Advances groups through the steps up to the times `ends_ps`, step by step.

    Between two steps of a group, and under a lock, it is told what the others had put on the
    lines to it, and taken from its own, by the end of their last step: the rest of what they do
    may be under way. Of the last time only the events with a key below `end_key`. After
    `longest_s` of this machine's time no group begins a step that none has begun before.
    """

    def __init__(
        self,
        network: Network,
        groups: Sequence[int],
        ends_ps: Sequence[int],
        most_events: int,
        end_key: int = kt.NO_KEY,
        longest_s: float = math.inf,
    ) -> None:
        self.network, self.ends_ps = network, list(ends_ps)
        self.cut_s = time.perf_counter() + longest_s
        self.most_events, self.end_key = most_events, end_key
        self.changed = threading.Condition()
        self.steps_done = dict.fromkeys(groups, 0)
        self.at_work: dict[int, int] = {}  # the thread of each group
        self.codes: set[int] = set()  # why groups came to a halt within a step
        tables = network.tables
        self.handed = tables.lines["sent"].copy()
        self.taken = freed(tables.lines)
        peers = tables.ports["peer"][tables.lines["port"]]
        senders, receivers = (tables.ports["group"][p] for p in (tables.lines["port"], peers))
        self.lines_from = {g: np.flatnonzero(senders == g) for g in groups}
        self.lines_to = {g: np.flatnonzero(receivers == g) for g in groups}

    def is_done(self) -> bool:
        """Tell whether all groups have come to the end."""
        return min(self.steps_done.values(), default=len(self.ends_ps)) == len(self.ends_ps)

    def go_on(self, pool: Executor, threads: int) -> set[int]:
        """Advance until all is done or a group comes to a halt; return why it did.

        Whatever happens, no group is at work afterwards.
        """
        self.codes.clear()
        ended = False
        helpers: list[Future[None]] = []
        try:
            for _ in range(min(threads, len(self.steps_done)) - 1):
                helpers.append(pool.submit(self._work))
            self._work()
            ended = True
        finally:
            pressed = self._wait_for_others(halt=not ended)
        for helper in helpers:
            if not helper.cancel():  # one that has not begun is not needed any more
                helper.result()
        if pressed:
            raise KeyboardInterrupt
        return self.codes

    def _work(self) -> None:
        """Take one group after the other a step on, as long as there is one that may go."""
        while (g := self._next()) is not None:
            code = loop.SLICE_DONE  # if it fails, no one goes on
            try:
                code = self._advance(g)
            finally:
                with self.changed:
                    self._end_step(g, code)

    def _wait_for_others(self, *, halt: bool) -> bool:
        """Wait until no other thread is at work; tell whether Ctrl-C was pressed meanwhile."""
        pressed = False
        me = threading.get_ident()
        while True:
            try:
                with self.changed:
                    if halt:
                        self.codes.add(loop.SLICE_DONE)
                        self.changed.notify_all()
                    while any(thread != me for thread in self.at_work.values()):
                        self.changed.wait()
                return pressed
            except KeyboardInterrupt:
                pressed = halt = True

    def _next(self) -> int | None:
        """Wait for a group that may take a step, and begin it; None if there will be none."""
        with self.changed:
            while not self.codes and not self.is_done():
                if time.perf_counter() > self.cut_s:
                    begun = max(n + (g in self.at_work) for g, n in self.steps_done.items())
                    del self.ends_ps[max(1, begun) :]
                    if self.is_done():  # so no one is at work who would wake this thread
                        return None
                least = min(self.steps_done.values())
                free = [g for g in self.steps_done if g not in self.at_work]
                g = min(free, key=self.steps_done.__getitem__, default=None)
                if g is not None and self.steps_done[g] < min(
                    least + STEPS_AHEAD + 1, len(self.ends_ps)
                ):
                    self.at_work[g] = threading.get_ident()
                    lines = self.network.tables.lines
                    lines["visible"][self.lines_to[g]] = self.handed[self.lines_to[g]]
                    lines["freed"][self.lines_from[g]] = self.taken[self.lines_from[g]]
                    return g
                self.changed.wait()
            return None

    def _end_step(self, g: int, code: int) -> None:
        lines = self.network.tables.lines
        self.handed[self.lines_from[g]] = lines["sent"][self.lines_from[g]]
        self.taken[self.lines_to[g]] = freed(lines)[self.lines_to[g]]
        self.at_work.pop(g, None)
        if code in UNFINISHED:
            self.codes.add(code)
        else:
            self.steps_done[g] += 1
        self.changed.notify_all()

    def _advance(self, g: int) -> int:
        end_ps = self.ends_ps[self.steps_done[g]]
        return advance(run_table(self.network), g, end_ps, self.end_key, self.most_events)
