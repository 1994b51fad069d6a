"""The heap of events, in the order of docs/protocol.md."""

import heapq
from collections.abc import Callable
from enum import IntEnum, auto
from typing import Any

from .records import Twin

Handler = Callable[..., bool | None]  # returns IDLE if its event changed nothing
IDLE = True


class Phase(IntEnum):
    """The order of events of one time."""

    SCENARIO = auto()  # 0
    CONTROL_ARRIVAL = auto()  # 1
    PACKET_ARRIVAL = auto()  # 2
    REFRESH = auto()  # 3a
    WAKE = auto()  # 3b
    TIMER = auto()  # 3c
    PACE = auto()  # 3d
    WATCH = auto()  # 3e
    OPERATION = auto()  # 4
    SERVICE = auto()  # 5


class Events:
    """What is to come in one run."""

    def __init__(self, twin: Twin):
        self.twin = twin
        self.now = 0
        self.ports, self.lanes = twin.ports, twin.lanes
        self.queue_pairs, self.operations = twin.queue_pairs, twin.operations
        self.heap: list[tuple[int, Phase, int, int, Callable[[], bool]]] = []
        self.events = 0

    def at(self, time: int, phase: Phase, entity: int, handle: Handler, *what: Any) -> None:
        """Put an event into the heap."""
        self.events += 1
        event = (time, phase, entity, self.events, lambda: handle(*what) is IDLE)
        heapq.heappush(self.heap, event)

    def run(self, stop_ps: int | None) -> Twin:
        """Handle events in the order (time, phase, entity)."""
        while self.heap and self.twin.operations_left:
            time, phase, entity, _, handle = self.heap[0]
            if self.is_void(time, phase, entity):
                heapq.heappop(self.heap)
                continue
            if stop_ps is not None and time > stop_ps:
                self.twin.clock_ps = stop_ps
                break
            heapq.heappop(self.heap)
            self.now = time
            is_idle = handle()
            if not is_idle:
                self.twin.clock_ps = time
        for lane in self.lanes:
            lane.close_pause(self.twin.clock_ps)
        return self.twin

    def is_void(self, time: int, phase: Phase, entity: int) -> bool:
        """Tell whether a timer or a refresh was set anew, or off, since."""
        if phase == Phase.REFRESH:
            return self.ports[entity].refresh_due_ps != time
        if phase == Phase.TIMER:
            return self.queue_pairs[entity].deadline_ps != time
        return False
