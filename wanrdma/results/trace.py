"""A run's course over time as one HDF5 file, which netCDF-4 readers take for their own.

Every axis is a named dimension scale, every variable has ``units`` and ``long_name``, and
there are no types that netCDF lacks, so xarray, ncdump and h5py read the same. The file is
written as ``X.h5.part`` and renamed when complete: a ``.part`` is a run that was cut short.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..errors import OutputError
from ..kernels import tables as kt
from .summary import PS_A_SECOND, asked_bytes, dropped_at_ingress, flow_counters

if TYPE_CHECKING:
    from ..build.network import Network
    from ..scenario.load import LoadedScenario
    from .summary import RunResult

PS_A_MICROSECOND = 10**6
LARGEST_CHUNK = 16_384  # values: small enough to read a part, large enough to compress
LONGEST_STEM = 80  # characters of a scenario's name that go into a file's name

FLOW_COUNTERS = {
    "tx_packets": "data packets sent, retransmissions included",
    "retransmitted_packets": "data packets sent again",
    "packet_seq_err": "NAKs acted on by the sender",
    "local_ack_timeout_err": "expiries of the sender's ACK timer",
    "req_transport_retries_exceeded": "queue pairs that went into error, retries used up",
    "rx_acks": "ACKs that arrived at the sender",
    "rx_naks": "NAKs that arrived at the sender",
    "rx_packets": "data packets that arrived undamaged at the receiver",
    "out_of_sequence": "data packets ahead of the one the receiver expected",
    "duplicate_request": "data packets the receiver had already",
    "naks_sent": "NAKs sent by the receiver",
    "acks_sent": "ACKs sent by the receiver",
    "np_ecn_marked_roce_packets": "data packets that arrived with an ECN mark",
}

OPERATION_STATES = {
    kt.WAITING: "waiting",
    kt.READY: "ready",
    kt.RUNNING: "running",
    kt.DONE: "done",
}


@dataclass(frozen=True)
class _Variable:
    """One dataset: its values along named axes, and what they mean."""

    name: str
    axes: tuple[str, ...]
    values: Any
    units: str
    long_name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


def reserve_trace(
    path: Path | None, loaded: LoadedScenario, seed: int, command: str, force: bool = False
) -> Path:
    """Make sure before a run that its trace can be written, and return the trace's path.

    Without a path, one is found in the current folder: ``NAME-SEED.h5``, numbered if taken. The
    ``.part`` beside it is made now, so that even a killed run leaves the scenario, the seed and
    the word that it is incomplete. Raises OutputError.
    """
    attributes = _attributes(loaded, seed, command) | {
        "status": "running",
        "reason": "the run was cut short, or is not over",
        "complete": np.uint8(0),
    }
    if path is None:
        path = _claim(loaded.scenario.name, seed)
    else:
        _check(path, force)
    try:
        _store(part_path(path), _image((), attributes))
    except OutputError:
        drop_reserved(path)
        raise
    return path


def part_path(path: Path) -> Path:
    """Give the name that a trace has until it is complete."""
    return path.with_name(path.name + ".part")


def drop_reserved(path: Path) -> None:
    """Remove the ``.part`` of a run that never began."""
    with contextlib.suppress(OSError):
        part_path(path).unlink(missing_ok=True)


def write_trace(
    path: Path,
    loaded: LoadedScenario,
    network: Network,
    result: RunResult,
    seed: int,
    command: str,
    complete: bool = True,
) -> Path:
    """Write the trace of a run and return where it lies.

    ``complete`` is false when the user cut the run short: the file then keeps the name ``.part``
    and says so. The same scenario and seed give equal datasets; what differs from run to run
    (wall time, command) is in the root attributes only. Raises OutputError.
    """
    attributes = _attributes(loaded, seed, command) | {
        "status": result.status,
        "reason": result.reason,
        "complete": np.uint8(complete),
        "simulated_s": result.simulated_s,
        "packet_hops": result.packet_hops,
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
    }
    part = part_path(path)
    try:
        _store(part, _image(tuple(_variables(network, result)), attributes))
        if not complete:
            return part
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    except OutputError:
        # A disk that is full has room for the attributes again once the rest is gone.
        attributes |= {"complete": np.uint8(0), "reason": "the trace could not be written"}
        with contextlib.suppress(OutputError):
            _store(part, _image((), attributes))
        raise
    return path


def _claim(name: str, seed: int) -> Path:
    """Find a free name in the current folder, and make its ``.part`` so that it stays ours."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST_STEM] or "run"
    for number in itertools.count(1):
        suffix = f"-{number}" if number > 1 else ""
        path = Path(f"{stem}-{seed}{suffix}.h5")
        if os.path.lexists(path):
            continue
        try:
            part_path(path).touch(exist_ok=False)
        except FileExistsError:
            continue  # another run, going on or cut short
        except OSError as error:
            raise _unwritable(path, error) from error
        return path
    raise AssertionError("there is always another number")


def _check(path: Path, force: bool) -> None:
    """Refuse a path that cannot be written, or that holds something already."""
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # a name too long, a folder that may not be entered
        raise _unwritable(path, error) from error
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    part = part_path(path)
    for taken in (path, part):
        if not os.path.lexists(taken):
            continue
        if not taken.is_file():
            raise OutputError(f"cannot write {taken}: it is not a plain file")
        if not force:
            what = "it exists" if taken == path else "it is left from a run that was cut short"
            raise OutputError(f"will not overwrite {taken}: {what} (--force overwrites it)")


def _store(path: Path, image: bytes) -> None:
    # The HDF5 file is made in memory and written here, because the HDF5 library cannot close a
    # file that it failed to write, and a full disk would leave something unreadable.
    try:
        path.write_bytes(image)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")


def _image(variables: tuple[_Variable, ...], attributes: Mapping[str, Any]) -> bytes:
    """Give the bytes of an HDF5 file."""
    with h5py.File("trace", "w", libver="earliest", driver="core", backing_store=False) as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        for variable in variables:
            _add(file, variable)
        file.flush()
        return bytes(file.id.get_file_image())


def _add(file: Any, variable: _Variable) -> None:
    """Add a dataset; one that bears its axis's name is that axis. Axes come first."""
    values = np.asarray(variable.values)
    chunks = _chunks(values.shape)
    # A string is stored elsewhere in the file: neither shuffle nor gzip reaches it.
    packed = chunks is not None and values.dtype.kind in "iuf"
    options = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
    dataset = file.create_dataset(variable.name, data=values, **(options if packed else {}))
    if variable.axes == (variable.name,):
        dataset.make_scale(variable.name)
    else:
        for dimension, axis in zip(dataset.dims, variable.axes, strict=True):
            dimension.attach_scale(file[axis])
    dataset.attrs["units"] = variable.units
    dataset.attrs["long_name"] = variable.long_name
    for name, value in variable.attributes.items():
        dataset.attrs[name] = value


def _chunks(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Give chunks of at most LARGEST_CHUNK values, whole rows where they fit."""
    if 0 in shape:
        return None
    left = LARGEST_CHUNK
    chunks: list[int] = []
    for length in reversed(shape):
        chunks.insert(0, min(length, max(1, left)))
        left //= chunks[0]
    return tuple(chunks)


def _attributes(loaded: LoadedScenario, seed: int, command: str) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "title": f"wanrdma run of {loaded.scenario.name}",
        "scenario": loaded.scenario.name,
        "scenario_text": loaded.text,
        "scenario_origin": _storable(str(loaded.origin)),
        "seed": np.uint64(seed),
        "command": _storable(command),
        "wanrdma_version": _version("wanrdma"),
        "numba_version": _version("numba"),
        "numpy_version": np.__version__,
        "h5py_version": h5py.__version__,
        "python_version": platform.python_version(),
    }


def _storable(text: str) -> str:
    """Give text without the halves of characters that a file name may hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _variables(network: Network, result: RunResult) -> Iterator[_Variable]:
    bins = _Bins.of(network)
    yield from _axes(network, bins)
    yield from _series(bins)
    yield from _flow_variables(network, result)
    yield from _port_variables(network)
    yield from _lane_variables(network)
    yield from _operation_variables(network)


@dataclass(frozen=True)
class _Bins:
    """The time bins of a run: start and length in seconds, and what was counted in each."""

    start_s: Any
    length_s: Any
    goodput_bytes: Any
    queue_bytes: Any
    pause_s: Any

    @classmethod
    def of(cls, network: Network) -> _Bins:
        run = network.tables.run[0]
        width_ps, last, clock_ps = (
            int(run["bin_width_ps"]),
            int(run["bin"]),
            int(run["clock_ps"]),
        )
        goodput = np.array(network.tables.goodput_bins[:, : last + 1])
        queue = np.array(network.tables.queue_bins[:, : last + 1])
        pause = np.array(network.tables.pause_bins[:, : last + 1])
        starts_ps = np.arange(last + 1, dtype=np.int64) * width_ps
        lengths_ps = np.full(last + 1, width_ps, dtype=np.int64)
        lengths_ps[last] = clock_ps - starts_ps[last]
        if lengths_ps[last] == 0 and last > 0:
            # The run ended where a bin began: what came at that very time is the bin before's.
            goodput[:, last - 1] += goodput[:, last]
            pause[:, last - 1] += pause[:, last]
            queue[:, last - 1] = np.maximum(queue[:, last - 1], queue[:, last])
            goodput, queue, pause, starts_ps, lengths_ps = (
                array[..., :last] for array in (goodput, queue, pause, starts_ps, lengths_ps)
            )
        return cls(
            start_s=starts_ps / PS_A_SECOND,
            length_s=lengths_ps / PS_A_SECOND,
            goodput_bytes=goodput,
            queue_bytes=queue,
            pause_s=pause / PS_A_SECOND,
        )

    def per_second(self, values: Any) -> Any:
        """Divide by each bin's own length; a run that took no time has rates of 0."""
        return np.divide(values, self.length_s, out=np.zeros(values.shape), where=self.length_s > 0)


def _names(names: list[str]) -> Any:
    return np.array(names, dtype=h5py.string_dtype())


def _axes(network: Network, bins: _Bins) -> Iterator[_Variable]:
    yield _Variable("time", ("time",), bins.start_s, "s", "simulated time at which the bin starts")
    yield _Variable("flow", ("flow",), _names(network.flow_names), "1", "name of the flow")
    yield _Variable(
        "port",
        ("port",),
        _names(network.port_names),
        "1",
        "name of the port: the node it is of > the node at the other end",
    )
    priorities = np.arange(kt.PRIORITIES, dtype=np.uint8)
    yield _Variable("priority", ("priority",), priorities, "1", "priority (traffic class)")
    yield _Variable(
        "operation",
        ("operation",),
        _names(network.operation_names),
        "1",
        "name of the piece of work",
    )


def _series(bins: _Bins) -> Iterator[_Variable]:
    yield _Variable("time_width", ("time",), bins.length_s, "s", "length of the bin")
    yield _Variable(
        "goodput",
        ("flow", "time"),
        bins.per_second(bins.goodput_bytes * 8),
        "bit s-1",
        "payload delivered in order, over the length of the bin",
    )
    yield _Variable(
        "queue_max",
        ("port", "time"),
        bins.queue_bytes,
        "byte",
        "largest amount stored for this egress port in the bin",
    )
    yield _Variable(
        "pause_fraction",
        ("port", "time"),
        bins.per_second(bins.pause_s),
        "1",
        "time the port was paused, summed over its priorities, over the length of the bin",
        {"comment": "exceeds 1 where several priorities were paused at once"},
    )


def _flow_variables(network: Network, result: RunResult) -> Iterator[_Variable]:
    def of_flow(name: str, values: Any, units: str, long_name: str) -> _Variable:
        return _Variable(name, ("flow",), values, units, long_name)

    flows = network.tables.flows
    asked = np.array(asked_bytes(network), dtype=np.int64)
    yield of_flow("bytes", asked, "byte", "payload asked for")
    yield of_flow("delivered_bytes", flows["delivered_bytes"], "byte", "payload delivered in order")
    for name, what in (
        ("first_bit", "when the first bit of the first packet was sent"),
        ("first_delivery", "when the first packet was delivered"),
        ("last_delivery", "when the last packet so far was delivered"),
    ):
        yield of_flow(name, _times_s(flows[name + "_ps"]), "s", what + "; NaN: never")
    for name, field_name, units, what in (
        ("completion_time", "completion_s", "s", "first bit sent to last byte delivered"),
        ("mean_goodput", "goodput_bps", "bit s-1", "payload over the completion time"),
        (
            "steady_goodput",
            "steady_goodput_bps",
            "bit s-1",
            "payload delivered after the first packet, over the time from that to the last",
        ),
    ):
        achieved = [getattr(flow, field_name) for flow in result.flows]
        yield of_flow(name, _or_nan(achieved), units, what + "; NaN: not known")
    counters = flow_counters(network)
    for name, what in FLOW_COUNTERS.items():
        yield of_flow(
            name, np.array(counters[name], dtype=np.int64), "1", what + ", all queue pairs together"
        )


def _port_variables(network: Network) -> Iterator[_Variable]:
    ports = network.tables.ports
    lanes = network.tables.lanes.reshape(-1, kt.PRIORITIES)
    drops = lanes["drops_congestion"]
    came_in = dropped_at_ingress(lanes)
    for name, values, units, what in (
        ("max_queued_bytes", ports["max_queued_bytes"], "byte", "largest amount stored to leave"),
        ("tx_packets_phy", ports["tx_packets"], "1", "data, ACK and NAK frames sent"),
        ("tx_bytes_phy", ports["tx_bytes"], "byte", "their line time, preamble and gap included"),
        ("rx_packets_phy", ports["rx_packets"], "1", "data, ACK and NAK frames received whole"),
        ("rx_crc_errors_phy", ports["rx_crc_errors"], "1", "frames lost to bit errors, PFC too"),
        (
            "rx_discards_phy",
            np.where(came_in, drops, 0).sum(axis=1),
            "1",
            "packets dropped because the ingress buffer of a lossless priority was full",
        ),
        (
            "tx_discards_phy",
            np.where(came_in, 0, drops).sum(axis=1),
            "1",
            "packets dropped because the egress queue of a lossy priority was full",
        ),
        ("tx_pfc_frames", ports["tx_pause"], "1", "PFC frames sent"),
        ("rx_pfc_frames", ports["rx_pause"], "1", "PFC frames received whole"),
        ("lost_pfc_frames", ports["lost_pause"], "1", "PFC frames lost to bit errors here"),
    ):
        yield _Variable(name, ("port",), values, units, what)


def _lane_variables(network: Network) -> Iterator[_Variable]:
    lanes = network.tables.lanes
    clock_ps = int(network.tables.run[0]["clock_ps"])
    for name, values, units, what in (
        ("tx_prio_pause", lanes["tx_pause"], "1", "PFC frames sent that say stop"),
        ("rx_prio_pause", lanes["rx_pause"], "1", "PFC frames received that say stop"),
        (
            "rx_prio_pause_duration",
            _paused_ps(lanes, clock_ps) / PS_A_MICROSECOND,
            "us",
            "time for which the port was told to stop sending this priority",
        ),
        (
            "max_ingress_bytes",
            lanes["max_ingress_bytes"],
            "byte",
            "largest amount stored that came in by this port",
        ),
        (
            "ingress_limit_bytes",
            lanes["ingress_limit_bytes"],
            "byte",
            "buffer for what comes in by this port (XOFF + headroom); 0: a lossy priority",
        ),
        (
            "missing_bytes",
            lanes["missing_bytes"],
            "byte",
            "the most that one pause dropped for want of ingress buffer",
        ),
        (
            "drops_congestion",
            lanes["drops_congestion"],
            "1",
            "packets that found a full buffer: of a lossless priority as ingress, else as egress",
        ),
        ("ecn_marked", lanes["ecn_marked"], "1", "data packets marked with ECN"),
    ):
        shaped = values.reshape(-1, kt.PRIORITIES)
        yield _Variable(name, ("port", "priority"), shaped, units, what)


def _paused_ps(lanes: Any, clock_ps: int) -> Any:
    """Give the pauses that are over and the part so far of one that is not."""
    since, until = lanes["paused_since_ps"], lanes["pause_until_ps"]
    is_paused = since != kt.NEVER_PS
    end = np.minimum(until, clock_ps)
    return lanes["paused_ps"] + np.where(is_paused, np.maximum(end - since, 0), 0)


def _operation_variables(network: Network) -> Iterator[_Variable]:
    operations = network.tables.operations
    yield _Variable(
        "operation_status",
        ("operation",),
        operations["status"].astype(np.uint8),
        "1",
        "what had become of the work when the run ended",
        {
            "flag_values": np.array(list(OPERATION_STATES), dtype=np.uint8),
            "flag_meanings": " ".join(OPERATION_STATES.values()),
        },
    )
    for name, what in (
        ("start", "when the computation began, or the messages were posted"),
        ("sent", "when the last ACK arrived at the sender, or the computation ended"),
        ("delivered", "when the last byte arrived at the receiver, or the computation ended"),
    ):
        yield _Variable(
            f"operation_{name}",
            ("operation",),
            _times_s(operations[name + "_ps"]),
            "s",
            what + "; NaN: never",
        )


def _times_s(times_ps: Any) -> Any:
    """Give seconds, and NaN for what has not happened."""
    return np.where(times_ps == kt.NOWHERE, np.nan, times_ps / PS_A_SECOND)


def _or_nan(values: list[float | None]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
