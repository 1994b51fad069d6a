"""The anatomy of losses: how they were noticed, and how long queue pairs stood still for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import tables as kt
from ..scenario.units import PS_PER_S

if TYPE_CHECKING:
    from ..build.network import Network

NOTICED_BY = {kt.BY_NAK: "nak", kt.BY_TIMEOUT: "timeout"}


@dataclass(frozen=True)
class Stall:
    """How long a queue pair stood still for one loss.

    ``packet``: number of the oldest packet without an ACK then. ``began_s``: when the queue pair
    last moved; ``noticed_s``: when its sender learnt of the loss, ``noticed_by`` a NAK or its ACK
    timer (timeout); ``ended_s``: when it moved again, None if it had not when the run ended;
    ``gave_up``: it never will, it is in error. ``naks`` and
    ``timeouts`` count what came in between: a timeout after a NAK is a retransmission lost too.
    """

    queue_pair: str
    packet: int
    began_s: float
    noticed_s: float
    ended_s: float | None
    stalled_s: float
    gave_up: bool
    noticed_by: str
    naks: int
    timeouts: int

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class Losses:
    """Frames of queue pairs that were lost, by how their senders learnt of them.

    ``noticed_by_nak``: losses that a NAK reported. ``noticed_by_timeout``: expiries of ACK timers,
    each for a packet or ACK lost (or a timer below the round trip). ``never_noticed``: the rest of
    the lost data packets, ACKs, NAKs and CNPs: made good by what was sent again, or acknowledged,
    for another one. ``stalled_s``: how long queue pairs stood still, all together.
    """

    noticed_by_nak: int
    noticed_by_timeout: int
    never_noticed: int
    stalled_s: float

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return dict(vars(self))


def losses(network: Network) -> Losses:
    """Count a run's losses by how they were noticed."""
    tables = network.tables
    by_nak = int(tables.requesters["lost_by_nak"].sum())
    by_timeout = int(tables.requesters["local_ack_timeout_err"].sum())
    ports = tables.ports
    lost = int((ports["rx_crc_errors"] + ports["lost_on_line"]).sum())
    lost -= int((ports["lost_pause"] + ports["lost_notices"]).sum())
    lost += int((tables.lanes["drops_congestion"] + tables.lanes["drops_watchdog"]).sum())
    return Losses(
        noticed_by_nak=by_nak,
        noticed_by_timeout=by_timeout,
        never_noticed=max(0, lost - by_nak - by_timeout),
        stalled_s=int(stalled_ps(network).sum()) / PS_PER_S,
    )


def stalled_ps(network: Network) -> Any:
    """Return how long each queue pair stood still, one that still does up to the clock."""
    pairs = network.tables.requesters
    clock_ps = int(network.tables.run["clock_ps"].max())
    still = np.where(pairs["is_stalled"] == 1, clock_ps - pairs["moved_ps"], 0)
    return pairs["stalled_ps"] + still


def stall_rows(network: Network) -> Any:
    """Return the rows of the table ``stall`` that a run kept, and those still open at its end."""
    tables = network.tables
    pairs = tables.requesters
    still = np.flatnonzero(pairs["is_stalled"])
    open_rows = np.zeros(len(still), kt.stall)
    open_rows["time_ps"] = int(tables.run["clock_ps"].max())
    open_rows["queue_pair"] = still
    open_rows["began_ps"] = pairs["moved_ps"][still]
    open_rows["ended_ps"] = kt.NOWHERE
    for name in ("packet", "noticed_ps", "by", "naks", "timeouts"):
        open_rows[name] = pairs[f"stall_{name}"][still]
    return np.concatenate([tables.stall_rows(), open_rows])


def costliest(network: Network, most: int) -> tuple[Stall, ...]:
    """Return the longest stalls, the longest first; those of one length in the order of time."""
    rows = stall_rows(network)
    lasted = rows["time_ps"] - rows["began_ps"]
    longest = rows[np.argsort(-lasted, kind="stable")][:most]
    return tuple(_stall(network, row) for row in longest)


def _stall(network: Network, row: Any) -> Stall:
    pairs = network.tables.requesters
    return Stall(
        queue_pair=network.queue_pair_names[row["queue_pair"]],
        packet=int(row["packet"]),
        began_s=int(row["began_ps"]) / PS_PER_S,
        noticed_s=int(row["noticed_ps"]) / PS_PER_S,
        ended_s=None if row["ended_ps"] == kt.NOWHERE else int(row["ended_ps"]) / PS_PER_S,
        stalled_s=int(row["time_ps"] - row["began_ps"]) / PS_PER_S,
        gave_up=bool(row["ended_ps"] == kt.NOWHERE and pairs["in_error"][row["queue_pair"]]),
        noticed_by=NOTICED_BY[int(row["by"])],
        naks=int(row["naks"]),
        timeouts=int(row["timeouts"]),
    )
