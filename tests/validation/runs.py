"""A run by the program's whole path: scenario, build, engine, results; with losses of one's choice.

A frame is lost by setting, before the run, how many good bits a port still sends before the
next bad one. The error process itself then damages that frame and, its ratio being next to
nothing, no other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from wanrdma import engine
from wanrdma.build import build
from wanrdma.kernels import tables as kt
from wanrdma.results.summary import RunResult, summarise
from wanrdma.scenario import load, loads

NEXT_TO_NOTHING = -1e-300  # ln(1 - BER): the gap after the frame that is lost is 2^62 bits

Groups = Sequence[Sequence[str]] | None


class Trial:
    """One run. ``scenario`` is the name of a built-in one, or YAML text."""

    def __init__(self, scenario: str, *settings: str, seed: int = 1, groups: Groups = None) -> None:
        read = loads if "\n" in scenario else load
        self.loaded = read(scenario, settings)
        self.seed = seed
        known = self.loaded.scenario.sites
        wished = None if groups is None else [[s for s in group if s in known] for group in groups]
        self.network = build(self.loaded.scenario, seed, groups=wished)

    @property
    def tables(self) -> kt.Tables:
        return self.network.tables

    def port(self, name: str) -> int:
        """Return the number of the port that a name like ``a.0>a.switch`` belongs to."""
        return self.network.port_names.index(name)

    def lose_frame(self, port: str, ordinal: int, sizes_bytes: Sequence[int]) -> None:
        """Damage frame `ordinal` (from 0) of those that a port sends, and no other.

        ``sizes_bytes`` is the line time of the frames before it, or of more.
        """
        self.damage_from(port, ordinal, sizes_bytes, NEXT_TO_NOTHING)

    def damage_from(
        self, port: str, ordinal: int, sizes_bytes: Sequence[int], log_survival: float
    ) -> None:
        """Let the first bad bit of a port be the first bit of frame `ordinal`."""
        assert len(sizes_bytes) >= ordinal
        exposed_bytes = sum(size - 20 for size in sizes_bytes[:ordinal])  # no preamble, no gap
        p = self.port(port)
        self.tables.ports["has_errors"][p] = 1
        row = self.tables.errors[p]
        row["process"] = kt.BITS
        row["log_survival"] = log_survival
        row["gap"] = 8 * exposed_bytes

    def run(self, *, probe: bool = False, threads: int | None = None) -> RunResult:
        """Run to the end, and keep and return what came of it."""
        stop_ps = self.loaded.scenario.stop
        outcome = engine.run(self.network, stop_ps=stop_ps, probe=probe, threads=threads)
        self.result = summarise(self.loaded.scenario, self.network, outcome, self.seed)
        return self.result

    def steady_gbps(self) -> float:
        """Return the steady goodput of the first row of traffic."""
        steady_bps = self.result.flows[0].steady_goodput_bps
        assert steady_bps is not None
        return steady_bps / 1e9

    def completion_ps(self) -> int:
        """Return when the first row of traffic, which begins at 0, was delivered to its end."""
        completion_ps = int(self.tables.operations["delivered_ps"][0])
        assert self.result.status == "completed"
        assert self.tables.flows["last_delivery_ps"][0] == completion_ps
        assert self.result.flows[0].completion_s == completion_ps / 1e12
        return completion_ps

    @property
    def probes(self) -> Any:
        """Every departure and arrival of a probed run, a site after the other, in order."""
        return self.tables.probe_rows()

    def departures_ps(self, port: str, kind: int = kt.DATA) -> list[int]:
        """Return when the last bit of each frame of a kind left a port."""
        rows = self.probes
        chosen = (rows["port"] == self.port(port)) & (rows["kind"] == kind)
        times: list[int] = rows["time_ps"][chosen & (rows["is_arrival"] == 0)].tolist()
        return times

    def damaged(self) -> list[tuple[str, int, int]]:
        """Return (port that it arrived at, kind, PSN) of each frame that was lost to errors."""
        rows = self.probes
        hit = rows[(rows["is_arrival"] == 1) & (rows["flags"] & kt.DAMAGED > 0)]
        hit = hit[np.argsort(hit["time_ps"], kind="stable")]
        return [
            (self.network.port_names[row["port"]], int(row["kind"]), int(row["psn"])) for row in hit
        ]
