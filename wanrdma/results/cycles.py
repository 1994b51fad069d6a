"""What part of a run was emulated event by event, and what part was left out as cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..kernels.tables import Tables


@dataclass(frozen=True)
class Cycles:
    """How much of a run was not emulated event by event, being the same again and again.

    ``exact_events``: every event was to be handled. ``jumps``: how often cycles were left out;
    ``jumped_packet_hops`` and ``jumped_events`` are what was in them. ``handled_events``: the
    others. All of it hangs on this machine's timing and differs from run to run; the result does
    not.
    """

    exact_events: bool
    jumps: int
    packet_hops: int
    jumped_packet_hops: int
    handled_events: int
    jumped_events: int

    @property
    def share_of_packet_hops(self) -> float:
        """The part of all packet-hops that was left out, from 0 to 1."""
        return self.jumped_packet_hops / self.packet_hops if self.packet_hops else 0.0

    @property
    def share_of_events(self) -> float:
        """The part of all events that was left out, from 0 to 1."""
        events = self.handled_events + self.jumped_events
        return self.jumped_events / events if events else 0.0

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return {
            **vars(self),
            "share_of_packet_hops": self.share_of_packet_hops,
            "share_of_events": self.share_of_events,
        }


def cycles(tables: Tables) -> Cycles:
    """Count what was handled and what was left out."""
    return Cycles(
        exact_events=bool(tables.run["is_exact"].any()),
        jumps=tables.total("jumps"),
        packet_hops=tables.packet_hops(),
        jumped_packet_hops=tables.total("jumped_hops"),
        handled_events=tables.total("events"),
        jumped_events=tables.total("jumped_events"),
    )
