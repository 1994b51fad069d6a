"""A small run whose picture has everything: an incast over a line, with pauses all the way."""

from pathlib import Path

import h5py
import numpy as np

import wanrdma

DISTANCE_KM = 10
DELAY_S = DISTANCE_KM * 4.9e-6
INCAST = f"""\
name: small-incast
sites:
  a:
    hosts: 8
    fabric: {{type: one-switch, cable: 30 m, pfc: {{priority: 3, xoff: 64 KiB, xon: 32 KiB}}}}
  b: {{like: a, hosts: 1}}
lines:
  - between: [a, b]
    distance: {DISTANCE_KM} km
    rate: 400 Gbps
    otn: {{flow_control: cooperative, latency: 0 s, xoff: 512 KiB, xon: 256 KiB, buffer: 8 MiB}}
nic: {{rate: 100 Gbps, window: auto, priority: 3}}
traffic:
  - {{name: write, from: a.*, to: b.0, bytes: 2 MiB, message: 256 KiB}}
"""


def run_incast(folder: Path) -> Path:
    """Run it and return its trace."""
    path = folder / "incast.h5"
    (folder / "incast.yaml").write_text(INCAST)
    wanrdma.run(folder / "incast.yaml", seed=5, trace=path)
    return path


def with_events(trace: Path, path: Path, *events: tuple[str, float, float, int]) -> Path:
    """Copy a trace and add events to it: name, time and end in seconds, and the line."""
    path.write_bytes(trace.read_bytes())
    names, times_s, ends_s, lines = zip(*events, strict=True)
    with h5py.File(path, "r+") as file:
        for name in list(file):
            if name.startswith("scenario_event"):
                del file[name]
        file.create_dataset("scenario_event", data=list(names), dtype=h5py.string_dtype())
        file["scenario_event_time"] = np.array(times_s)
        file["scenario_event_until"] = np.array(ends_s)
        file["scenario_event_line"] = np.array(lines)
    return path
