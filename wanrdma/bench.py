"""How fast the emulator is on this machine: fixed cases, in packet-hops a CPU second.

Not tests: the figures depend on the machine. A loop that never changes runs beside each case
(kernels/calibration.py), so that machines can be compared. docs/performance.md has the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import engine
from .build import build
from .kernels.calibration import PENDING, calibrate
from .scenario.load import loads

if TYPE_CHECKING:
    from .build.network import Network
    from .scenario.schema import Scenario

CALIBRATION_EVENTS = 3_000_000
PS_A_SECOND = 10**12

_ONE_FLOW = """\
sites:
  a: {hosts: 1, fabric: one-switch}
  b: {like: a}
lines:
  - {between: [a, b], distance: 329 km, rate: 400 Gbps}
nic: {rate: 400 Gbps}
traffic:
  - {name: write, from: a.0, to: b.0, bytes: 4 GiB, message: 64 KiB}
"""
_STEADY = _ONE_FLOW.replace("4 GiB", "100 GB")
_IDLE = _ONE_FLOW.replace("4 GiB", "50 MB") + "  - {name: wait, at: a.0, compute: 10 s}\n"
_SIXTEEN_FLOWS = """\
sites:
  a: {hosts: 16, fabric: one-switch}
  b: {like: a}
lines:
  - {between: [a, b], distance: 329 km, rate: 400 Gbps}
nic: {rate: 25 Gbps}
traffic:
  - {name: write, from: a.*, to: b.*, bytes: 256 MiB, message: 64 KiB}
"""
_PAUSED = "pfc: {priority: 3, xoff: 256 KiB, xon: 128 KiB, headroom: auto}"
_OTN = "otn: {flow_control: cooperative, buffer: 4 GiB, xoff: 64 MiB, xon: 32 MiB}"
_INCAST = f"""\
sites:
  a: {{hosts: 16, nic: {{rate: 200 Gbps}}, fabric: {{type: one-switch, {_PAUSED}}}}}
  b: {{like: a, hosts: 2, nic: {{rate: 400 Gbps}}}}
lines:
  - {{between: [a, b], distance: 329 km, rate: 2 x 400 Gbps, {_OTN}}}
nic: {{priority: 3}}
traffic:
  - {{name: first, from: a.0-7, to: b.0, bytes: 256 MiB, message: 64 KiB}}
  - {{name: second, from: a.8-15, to: b.1, bytes: 256 MiB, message: 64 KiB}}
"""
_SITE_1024 = f"""\
sites:
  a: {{hosts: 1024, fabric: {{type: one-switch, {_PAUSED}}}}}
  b: {{like: a}}
lines:
  - {{between: [a, b], distance: 329 km, rate: 8 x 400 Gbps, {_OTN}}}
nic: {{rate: 25 Gbps, priority: 3}}
traffic:
  - {{name: write, from: a.*, to: b.*, bytes: 4 MiB, message: 64 KiB}}
"""


@dataclass(frozen=True)
class Case:
    """A scenario to be timed, and what is special about it."""

    text: str
    about: str
    settings: tuple[str, ...] = ()


CASES = {
    "one-flow": Case(_ONE_FLOW, "400G over 329 km, a million packets of 4 KiB, an ACK each"),
    "sixteen-flows": Case(_SIXTEEN_FLOWS, "16 hosts of 25G a side, a million packets"),
    "incast": Case(_INCAST, "16 senders of 200G into 2 x 400G, paused, a million packets"),
    "errors": Case(_ONE_FLOW, "one-flow at a BER of 1e-9", ("lines.0.errors.post_fec_ber=1e-9",)),
    "site-1024": Case(_SITE_1024, "1024 hosts of 25G a site, 3.2 Tb/s of line, paused"),
    "steady": Case(_STEADY, "100 GB in one flow"),
    "idle": Case(_IDLE, "10 s, of which 1 ms has traffic"),
}


@dataclass(frozen=True)
class Measured:
    """What came of one case. A hop is one link entered by a data packet, an ACK or a NAK.

    ``cpu_s`` and ``wall_s`` leave compiling and building out. ``peak_bytes`` are the tables at
    their largest. ``calibration_events_per_s`` was measured just before and just after.
    ``jumped_packet_hops``: of all, those of cycles that were left out.
    """

    case: str
    scale: int
    threads: int
    exact_events: bool
    packets_delivered: int
    packet_hops: int
    jumped_packet_hops: int
    jumps: int
    cpu_s: float
    wall_s: float
    simulated_s: float
    peak_bytes: int
    calibration_events_per_s: float

    @property
    def packet_hops_per_cpu_s(self) -> float:
        """The figure that counts."""
        return self.packet_hops / self.cpu_s

    def to_json(self) -> dict[str, int | float | str]:
        """Give a mapping that JSON can hold."""
        return {
            "case": self.case,
            "scale": self.scale,
            "threads": self.threads,
            "exact_events": self.exact_events,
            "packets_delivered": self.packets_delivered,
            "packet_hops": self.packet_hops,
            "jumped_packet_hops": self.jumped_packet_hops,
            "jumps": self.jumps,
            "cpu_s": self.cpu_s,
            "wall_s": self.wall_s,
            "packet_hops_per_cpu_s": self.packet_hops_per_cpu_s,
            "packets_per_cpu_s": self.packets_delivered / self.cpu_s,
            "simulated_s": self.simulated_s,
            "peak_bytes": self.peak_bytes,
            "calibration_events_per_s": self.calibration_events_per_s,
            "ratio_to_calibration": self.packet_hops_per_cpu_s / self.calibration_events_per_s,
        }


def measure(
    name: str,
    threads: int | None = None,
    seed: int | None = None,
    on_slice: Callable[[Network], None] | None = None,
    *,
    scale: int = 1,
    exact_events: bool = False,
) -> Measured:
    """Run one case once, with ``scale`` times its bytes.

    ``threads`` defaults to the cores there are. With ``exact_events`` no cycles are left out.
    """
    scenario = _scenario(name, scale)
    threads = threads or engine.cores()
    network = build(scenario, seed)
    before = calibration_events_per_s()
    outcome = engine.run(network, on_slice=on_slice, threads=threads, exact_events=exact_events)
    after = calibration_events_per_s()
    tables = network.tables
    return Measured(
        case=name,
        scale=scale,
        threads=threads,
        exact_events=exact_events,
        packets_delivered=int(tables.responders["expected"].sum()),
        packet_hops=tables.packet_hops(),
        jumped_packet_hops=tables.total("jumped_hops"),
        jumps=tables.total("jumps"),
        cpu_s=outcome.cpu_s,
        wall_s=outcome.wall_s,
        simulated_s=int(tables.run["clock_ps"].max()) / PS_A_SECOND,
        peak_bytes=tables.bytes(),
        calibration_events_per_s=(before + after) / 2,
    )


def _scenario(name: str, scale: int) -> Scenario:
    case, text = CASES[name], f"name: {name}\n{CASES[name].text}"
    scenario = loads(text, case.settings, origin=name).scenario
    if scale == 1:
        return scenario
    larger = [
        f"traffic.{row}.bytes={scale * work.bytes} B"
        for row, work in enumerate(scenario.traffic)
        if work.bytes is not None
    ]
    return loads(text, (*case.settings, *larger), origin=name).scenario


def calibration_events_per_s() -> float:
    """Time the loop that machines are compared by."""
    times_ps = np.arange(PENDING, dtype=np.int64) * 1000
    keys = np.arange(PENDING, dtype=np.int64)
    calibrate(times_ps, keys, 1)  # compiles
    began = time.process_time()
    calibrate(times_ps, keys, CALIBRATION_EVENTS)
    return CALIBRATION_EVENTS / (time.process_time() - began)


def measure_all(
    names: Iterable[str] = CASES,
    threads: int | None = None,
    seed: int | None = None,
    on_slice: Callable[[Network], None] | None = None,
    *,
    scale: int = 1,
    exact_events: bool = False,
) -> Iterable[Measured]:
    """Run several cases, one after the other."""
    return (
        measure(name, threads, seed, on_slice, scale=scale, exact_events=exact_events)
        for name in names
    )
