"""A run's course over time as one HDF5 file, which netCDF-4 readers take for their own.

Every axis is a named dimension scale, every variable has ``units`` and ``long_name``, and
there are no types that netCDF lacks, so xarray, ncdump and h5py read the same. The file is
written as ``X.h5.part`` and renamed when complete: a ``.part`` is of a run that goes on, or was
cut short.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..errors import OutputError
from .variables import Variable, variables

if TYPE_CHECKING:
    from ..scenario.load import LoadedScenario
    from .summary import RunResult

LARGEST_CHUNK = 16_384  # values: small enough to read a part, large enough to compress
LONGEST_STEM = 80  # characters of a scenario's name that go into a file's name
BEING_WRITTEN = "another run is writing it, or was cut short"


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
        if not force and not _made(part_path(path)):  # just now, by another run
            raise _taken(part_path(path), BEING_WRITTEN)
    try:
        _store(part_path(path), _image((), attributes))
    except OutputError:
        if not force:  # else it may be an earlier run's
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


def flush_trace(path: Path, loaded: LoadedScenario, result: RunResult, command: str) -> None:
    """Put what there is of a run that goes on into its ``.part``. Raises OutputError."""
    attributes = _all_attributes(loaded, result, command) | {
        "status": "running",
        "complete": np.uint8(0),
    }
    _store(part_path(path), _image(tuple(variables(result)), attributes))


def write_trace(
    path: Path,
    loaded: LoadedScenario,
    result: RunResult,
    command: str,
    complete: bool = True,
    force: bool = False,
) -> Path:
    """Write the trace of a run and return where it lies.

    ``complete`` is false when the user cut the run short: the file then keeps the name ``.part``
    and says so. ``force`` lets it replace a file. The same scenario and seed give equal datasets;
    what differs from run to run (wall time, command, what was left out as cycles) is in the root
    attributes only. Raises OutputError, and leaves the last ``.part`` that could be written.
    """
    attributes = _all_attributes(loaded, result, command) | {"complete": np.uint8(complete)}
    part = part_path(path)
    try:
        _store(part, _image(tuple(variables(result)), attributes))
        if not complete:
            return part
        if force:
            part.replace(path)
        else:
            _publish(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def to_xarray(result: RunResult) -> Any:
    """Return the datasets of a run's trace as an ``xarray.Dataset``, without a file."""
    for package in ("xarray", "h5netcdf"):
        if importlib.util.find_spec(package) is None:
            text = f"to_xarray needs {package}, of the extra: pip install -e '.[analysis]'"
            raise ModuleNotFoundError(text, name=package)
    import xarray

    image = io.BytesIO(_image(tuple(variables(result)), {}))
    return xarray.load_dataset(image, engine="h5netcdf")


def _claim(name: str, seed: int) -> Path:
    """Find a free name in the current folder, and make its ``.part`` so that it stays ours."""
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST_STEM] or "run"
    for number in itertools.count(1):
        suffix = f"-{number}" if number > 1 else ""
        path = Path(f"{stem}-{seed}{suffix}.h5")
        if os.path.lexists(path) or not _made(part_path(path)):
            continue
        if os.path.lexists(path):  # another run ended between the two looks
            drop_reserved(path)
            continue
        return path
    raise AssertionError("there is always another number")


def _made(path: Path) -> bool:
    """Make an empty file, and tell whether that was done: not where something is already."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def _publish(part: Path, path: Path) -> None:
    """Give a finished ``.part`` its name, unless something has come to bear it meanwhile."""
    try:
        os.link(part, path)  # unlike a rename, never in the place of another file
    except OSError:
        if os.path.lexists(path):
            text = f"will not overwrite {path}: it was made while the run went on"
            raise OutputError(f"{text}; the trace is in {part}") from None
        part.rename(path)  # a file system without links
    else:
        part.unlink()


def _check(path: Path, force: bool) -> None:
    """Refuse a path that cannot be written, or that holds something already."""
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except ValueError:
        raise OutputError(f"cannot write {str(path)!r}: a file's name has no zero byte") from None
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
            raise _taken(taken, "it exists" if taken == path else BEING_WRITTEN)


def _taken(path: Path, why: str) -> OutputError:
    return OutputError(f"will not overwrite {path}: {why} (--force overwrites it)")


def _store(path: Path, image: bytes) -> None:
    # The HDF5 file is made in memory and written here, because the HDF5 library cannot close a
    # file that it failed to write. It takes the place of the last one when it is whole: whoever
    # kills this process or fills the disk finds one or the other.
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)  # half of one, left by a kill; or a link, not to be followed
        new.write_bytes(image)
        new.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")


def _image(variables: tuple[Variable, ...], attributes: Mapping[str, Any]) -> bytes:
    """Give the bytes of an HDF5 file."""
    with h5py.File("trace", "w", libver="earliest", driver="core", backing_store=False) as file:
        for name, value in attributes.items():
            file.attrs[name] = value
        for variable in variables:
            _add(file, variable)
        file.flush()
        return bytes(file.id.get_file_image())


def _add(file: Any, variable: Variable) -> None:
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


def _all_attributes(loaded: LoadedScenario, result: RunResult, command: str) -> dict[str, Any]:
    return _attributes(loaded, result.seed, command) | {
        "status": result.status,
        "reason": result.reason,
        "simulated_s": result.simulated_s,
        "packet_hops": result.packet_hops,
        "wall_s": result.wall_s,
        "cpu_s": result.cpu_s,
        "exact_events": np.uint8(result.cycles.exact_events),
        "jumps": result.cycles.jumps,
        "jumped_packet_hops": result.cycles.jumped_packet_hops,
        "handled_events": result.cycles.handled_events,
        "jumped_events": result.cycles.jumped_events,
    }


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
