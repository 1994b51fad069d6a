"""How large the buffers have to be: the figures that ``wanrdma size`` finds, and how they read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..scenario.units import show_bytes, show_rate, show_time

PS_PER_S = 10**12
SONIC_HEAD = """\
# PG lossless profiles.
# xoff: headroom for the worst case. threshold 0 (alpha 1): assumed, buffers here are dedicated.
# speed cable size xon xoff threshold xon_offset"""
SONIC_THRESHOLD = 0


@dataclass(frozen=True)
class PortSize:
    """The buffer, bytes, of one lossless priority at an ingress that paused its peer.

    ``port``: named as ``node>peer``; what comes from the peer fills it. ``rate_bps`` and
    ``one_way_s``: of the link from there. ``drain_bps``: the line time of what left it between
    crossing XOFF and its largest fill. The buffers are whole ones, XOFF + headroom:
    ``formula_bytes`` by the closed form for the worst case, ``lossless_bytes`` the smallest that
    drops nothing in this run, ``full_throughput_bytes`` the smallest with which it is over as
    soon as without pauses here, None if it is never over. ``cable_m`` and ``is_terminal`` (of a
    line, rather than a switch) are for SONiC.
    """

    port: str
    rate_bps: float
    one_way_s: float
    drain_bps: float
    xoff_bytes: int
    xon_bytes: int
    formula_bytes: int
    lossless_bytes: int
    full_throughput_bytes: int | None
    cable_m: float
    is_terminal: bool

    @property
    def place(self) -> str:
        """Say both ends: which node stores, and what fills it."""
        node, _, peer = self.port.partition(">")
        return f"{node} from {peer}"

    @property
    def in_flight_bytes(self) -> float:
        """Give what still comes, less what drains: 2 x one way x (rate - drain), line time."""
        return 2 * self.one_way_s * (self.rate_bps - self.drain_bps) / 8

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        names = ("port", "rate_bps", "one_way_s", "drain_bps", "xoff_bytes", "formula_bytes")
        return {name: getattr(self, name) for name in (*names, *_EMULATED)}


_EMULATED = ("lossless_bytes", "full_throughput_bytes")


@dataclass(frozen=True)
class Sizes:
    """The ports that paused their peers, how many runs it took, and how the first one ended."""

    ports: tuple[PortSize, ...]
    runs: int
    status: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Give a mapping that JSON can hold."""
        return {"ports": [port.to_json() for port in self.ports], "runs": self.runs}


HEADS = (
    *("port", "link", "one way", "drain", "XOFF", "2 x one way x (rate - drain)"),
    *("formula", "lossless", "full throughput"),
)


def table(sizes: Sizes) -> str:
    """Return the figures of each port, side by side."""
    rows = [HEADS, *(_cells(port) for port in sizes.ports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *figures in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(figures, widths[1:], strict=True)]
        lines.append("  ".join([f"{name:{widths[0]}}", *cells]))
    return "\n".join(lines)


def _cells(port: PortSize) -> tuple[str, ...]:
    full = port.full_throughput_bytes
    return (
        port.place,
        show_rate(port.rate_bps),
        show_time(port.one_way_s * PS_PER_S),
        show_rate(port.drain_bps) if port.drain_bps > 0 else "0",
        show_bytes(port.xoff_bytes),
        show_bytes(round(port.in_flight_bytes)),
        show_bytes(port.formula_bytes),
        show_bytes(port.lossless_bytes),
        "-" if full is None else show_bytes(full),
    )


def sonic_rows(ports: tuple[PortSize, ...]) -> list[str]:
    """Return lines for SONiC's ``pg_profile_lookup.ini``, one for each speed and cable.

    Its ``xoff`` is the headroom, ours for the worst case (or what the run needed, if that is
    more); ``xon`` is our XON, size = xon + xoff, and ``xon_offset`` how far below XOFF our XON
    lies. Of ports with one speed and cable, the largest of each; a line's terminals only where no
    switch port has the same.
    """
    switches = {_speed_and_cable(port) for port in ports if not port.is_terminal}
    largest: dict[tuple[int, int], tuple[int, int, int]] = {}
    for port in ports:
        key = _speed_and_cable(port)
        if port.is_terminal and key in switches:
            continue
        headroom = max(port.formula_bytes, port.lossless_bytes) - port.xoff_bytes
        given = port.xon_bytes, headroom, port.xoff_bytes - port.xon_bytes
        before = largest.get(key, given)
        largest[key] = (
            max(before[0], given[0]),
            max(before[1], given[1]),
            max(before[2], given[2]),
        )
    return [
        f"{speed} {cable_m}m {xon + xoff} {xon} {xoff} {SONIC_THRESHOLD} {xon_offset}"
        for (speed, cable_m), (xon, xoff, xon_offset) in sorted(largest.items())
    ]


def _speed_and_cable(port: PortSize) -> tuple[int, int]:
    """Return Mb/s and metres, by which SONiC looks a profile up."""
    return round(port.rate_bps / 1e6), round(port.cable_m)


def sonic(ports: tuple[PortSize, ...]) -> str:
    """Return these lines with the head that such files have."""
    return "\n".join([SONIC_HEAD, *sonic_rows(ports)])
