"""What a picture needs of a trace, out of its HDF5 file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import TraceError


@dataclass(frozen=True)
class Event:
    """Something that the scenario does at a time: a line breaks, traffic changes its path."""

    name: str
    time_s: float
    end_s: float  # until when nothing passes, or a storm lasts; NaN: for ever
    line: int  # index in the scenario; -1: none


@dataclass(frozen=True)
class Log:
    """The first events of each kind and entity, in order; equally long columns."""

    time_s: Any
    kind: Any  # text, as the trace's flag_meanings
    port: Any  # index, -1: none
    priority: Any
    queue_pair: Any


@dataclass(frozen=True)
class Trace:
    """One run as its trace has it: series by time bin, the log and the scenario."""

    path: Path
    scenario: str
    scenario_text: str
    seed: int
    is_complete: bool
    edges_s: Any  # of the time bins, one more than there are bins
    flows: list[str]
    delivered_bytes: Any  # (flow,)
    goodput_bps: Any  # (flow, bin)
    ports: list[str]
    queue_bytes: Any  # (port, bin)
    paused_share: Any  # (port, bin), summed over priorities
    sent_bytes: Any | None  # (port, bin); None: the trace was written before there was this
    log: Log
    events: list[Event]

    @property
    def length_s(self) -> Any:
        """The length of each bin."""
        return np.diff(self.edges_s)

    @property
    def end_s(self) -> float:
        """When the run ended."""
        return float(self.edges_s[-1])


def read_trace(path: Path) -> Trace:
    """Read a trace, complete or not. Raises TraceError."""
    try:
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise TraceError(f"cannot read {path}: {reason}") from None
    try:
        file = h5py.File(path, "r")
    except OSError:
        text = "it is no HDF5 file, or a damaged one; give the X.h5 that 'wanrdma run' has written"
        raise TraceError(f"cannot read {path}: {text}") from None
    with file:
        if "scenario_text" not in file.attrs:
            text = "it is HDF5, but no trace of wanrdma (no attribute 'scenario_text')"
            raise TraceError(f"cannot read {path}: {text}")
        if "time" not in file:
            text = "its run was cut short before there was anything to keep; run it again"
            raise TraceError(f"nothing to plot in {path}: {text}")
        try:
            return _read(file, path)
        except (AttributeError, IndexError, KeyError, OSError, TypeError, ValueError) as error:
            what = str(error).strip("'\"")
            text = f"it is damaged, or no trace of a version that this one knows ({what})"
            raise TraceError(f"cannot read {path}: {text}") from None


def _read(file: Any, path: Path) -> Trace:
    start_s, width_s = file["time"][:], file["time_width"][:]
    bins = len(start_s)
    flows, ports = _texts(file["flow"]), _texts(file["port"])
    trace = Trace(
        path=path,
        scenario=str(file.attrs["scenario"]),
        scenario_text=str(file.attrs["scenario_text"]),
        seed=int(file.attrs["seed"]),
        is_complete=bool(file.attrs["complete"]),
        edges_s=np.append(start_s, start_s[-1] + width_s[-1]),
        flows=flows,
        delivered_bytes=file["delivered_bytes"][:],
        goodput_bps=file["goodput"][:].reshape(len(flows), bins),
        ports=ports,
        queue_bytes=file["queue_max"][:].reshape(len(ports), bins),
        paused_share=file["pause_fraction"][:].reshape(len(ports), bins),
        sent_bytes=file["sent"][:].reshape(len(ports), bins) if "sent" in file else None,
        log=_log(file),
        events=scenario_events(file),
    )
    if len(trace.delivered_bytes) != len(flows):
        raise ValueError("delivered_bytes and flow differ in length")
    return trace


def _log(file: Any) -> Log:
    kinds = np.array(str(file["event_kind"].attrs["flag_meanings"]).split())
    return Log(
        time_s=file["event_time"][:],
        kind=kinds[file["event_kind"][:]],
        port=file["event_port"][:],
        priority=file["event_priority"][:],
        queue_pair=file["event_queue_pair"][:],
    )


def scenario_events(file: Any) -> list[Event]:
    """Read the events of the scenario: none if the trace was written before there were any."""
    if "scenario_event" not in file:
        return []
    columns = (file[f"scenario_event_{name}"][:] for name in ("time", "until", "line"))
    rows = zip(_texts(file["scenario_event"]), *columns, strict=True)
    return [Event(name, float(time), float(end), int(line)) for name, time, end, line in rows]


def _texts(dataset: Any) -> list[str]:
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in dataset[:]
    ]
