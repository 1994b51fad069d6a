"""The Python way in: load a scenario, run it, look at what came of it.

>>> import wanrdma
>>> scenario = wanrdma.load("perftest", **{"lines.0.distance": "100 km"})
>>> result = wanrdma.run(scenario, seed=7)
>>> result.flows[0].steady_goodput_bps
>>> data = result.to_xarray()
"""

from __future__ import annotations

import json
import math
import operator
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OutputError, Problem, RunInterrupted, ScenarioError

if TYPE_CHECKING:
    from .build.network import Network
    from .engine import Outcome
    from .results.sizes import Sizes
    from .results.summary import RunResult
    from .scenario.load import LoadedScenario

LEAST_S_BETWEEN_FLUSHES = 1.0
FLUSH_SHARE = 0.05  # of the time may go into keeping the trace up to date


def load(path_or_name: str | os.PathLike[str], **overrides: Any) -> LoadedScenario:
    """Read and check a scenario: a YAML file, or a built-in by name.

    ``overrides`` are keys of the scenario, dots in them (``**{"nic.window": "8 MiB"}``) or two
    underscores instead (``nic__window="8 MiB"``). Raises ScenarioError with all problems.
    """
    from .scenario.load import load as load_scenario

    if not isinstance(path_or_name, str | os.PathLike):
        raise TypeError(f"load takes a scenario's name or its file's path, not {path_or_name!r}")
    given = path_or_name if isinstance(path_or_name, str) else Path(path_or_name)
    settings, problems = [], []
    for name, value in overrides.items():
        key = name.replace("__", ".")
        try:
            settings.append(f"{key}={_as_yaml(value)}")
        except (TypeError, ValueError, RecursionError) as error:
            problems.append(Problem(f"cannot be written as YAML: {error}", setting=key))
    try:
        if problems:
            raise ScenarioError(problems)
        return load_scenario(given, settings)
    except ScenarioError as error:
        told = [replace(problem, setting_by="override") for problem in error.problems]
        raise ScenarioError(told) from None


def _as_yaml(value: object) -> str:
    """Write a value as JSON, which is YAML: a string stays one, whatever it looks like."""
    text = json.dumps(value, ensure_ascii=False, default=_plain)
    # YAML takes some of these for ends of lines, and others not at all.
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _plain(value: Any) -> Any:
    """Give what JSON can hold of a path, or of a NumPy scalar or array."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"it is of type {type(value).__name__}")


def run(
    scenario: LoadedScenario | str | os.PathLike[str],
    seed: int | None = None,
    *,
    trace: str | os.PathLike[str] | None = None,
    numbered_trace: bool = False,
    force: bool = False,
    threads: int | None = None,
    bins: int = 1024,
    exact_events: bool = False,
    on_slice: Callable[[Network], object] | None = None,
    command: str = "",
) -> RunResult:
    """Run a scenario to its end and return what came of it.

    ``seed`` takes the place of the scenario's. ``trace`` names an HDF5 file to write, and
    ``force`` lets it replace one; with ``numbered_trace`` it is NAME-SEED.h5 in the current folder,
    numbered if taken. While the run goes on, what there is so far is in ``X.h5.part``.
    ``threads`` (default: the cores there are) may work at the same time, one a site at most; that
    changes no result. ``bins``: how many time bins the trace may have, an even number; two become
    one where a run outgrows them. With ``exact_events`` every event is handled, also those of
    cycles that could be left out: the same result, later. ``on_slice`` is called once the
    emulator is compiled and then about every 100 ms; if it returns true the run ends, as stopped.
    ``command`` is kept in the trace.

    Raises ScenarioError for a scenario that cannot be used, OutputError if the trace cannot be
    written; its ``result`` is then what the run came to, if it was over. Ctrl-C raises
    RunInterrupted, a KeyboardInterrupt, with the ``result`` so far, after writing the ``.part``.
    """
    loaded = _loaded(scenario, "run")
    number = _seed(loaded.scenario.seed if seed is None else seed)
    slices = _Slices(on_slice)

    def emulate() -> tuple[RunResult, Outcome]:
        return _emulate(loaded, number, slices, threads, bins, exact_events)

    if trace is None and not numbered_trace:
        result, outcome = emulate()
        if outcome.interrupted and not slices.asked_to_stop:
            raise RunInterrupted(result)
        return result

    from .results import trace as traces

    if trace is not None and os.fspath(trace).endswith("/"):
        raise OutputError(f"cannot write {trace}: it names a folder; name a file in it")
    path = traces.reserve_trace(
        None if trace is None else Path(trace), loaded, number, command, force
    )
    slices.flushes = _Flushes(path, loaded, number, command)
    try:
        result, outcome = emulate()
    except BaseException:
        traces.drop_reserved(path)
        raise
    whole = not outcome.interrupted or result.status != "stopped"
    try:
        written = traces.write_trace(path, loaded, result, command, whole, force)
    except OutputError as error:
        error.result = result  # the answer is not lost with its trace
        raise
    except KeyboardInterrupt:
        raise RunInterrupted(replace(result, trace=str(traces.part_path(path)))) from None
    result = replace(result, trace=str(written))
    if outcome.interrupted and not slices.asked_to_stop:
        raise RunInterrupted(result)
    return result


def size(
    scenario: LoadedScenario | str | os.PathLike[str],
    seed: int | None = None,
    *,
    ports: str = "*",
    tolerance: float = 0.001,
    threads: int | None = None,
    on_run: Callable[[str], object] | None = None,
) -> Sizes:
    """Say how large the buffers have to be of every port that pauses its peer (docs/size.md).

    Runs the scenario some dozens of times. ``ports``: a pattern for the names of ports, as in
    fnmatch. ``tolerance``: how much later, as a share, a run may be over and still have full
    throughput. ``on_run`` is called before each run, with what it is for. Raises ScenarioError
    for a scenario that cannot be used, or if no port matches.
    """
    from .sizing import size as size_ports

    loaded = _loaded(scenario, "size")
    number = _seed(loaded.scenario.seed if seed is None else seed)
    return size_ports(
        loaded, number, ports=ports, tolerance=tolerance, threads=threads, on_run=on_run
    )


def _loaded(scenario: object, taker: str) -> LoadedScenario:
    from .scenario.load import LoadedScenario

    if isinstance(scenario, str | os.PathLike):
        return load(scenario)
    if not isinstance(scenario, LoadedScenario):
        raise TypeError(
            f"{taker} takes what load returned, a scenario's name or its file's path, "
            f"not an object of type {type(scenario).__name__}"
        )
    return scenario


def _seed(given: object) -> int:
    from .scenario.limits import MOST_SEED
    from .scenario.units import shorten

    try:
        if isinstance(given, bool):
            raise TypeError
        seed = operator.index(given)  # type: ignore[arg-type]
        if 0 <= seed <= MOST_SEED:
            return seed
    except TypeError:
        pass
    text = f"must be a whole number from 0 to {MOST_SEED}, got {shorten(given)}"
    raise ScenarioError([Problem(text, key="seed")])


def _emulate(
    loaded: LoadedScenario,
    seed: int,
    slices: _Slices,
    threads: int | None,
    bins: int,
    exact_events: bool,
) -> tuple[RunResult, Outcome]:
    from . import engine
    from .build import build
    from .results.summary import summarise

    network = build(loaded.scenario, seed, bins=bins)
    outcome = engine.run(
        network,
        stop_ps=loaded.scenario.stop,
        on_slice=slices,
        threads=threads,
        exact_events=exact_events,
    )
    return summarise(loaded.scenario, network, outcome, seed), outcome


class _Slices:
    """What is done between two slices of a run, and whether it was that which ended the run."""

    def __init__(self, on_slice: Callable[[Network], object] | None) -> None:
        self.on_slice = on_slice
        self.flushes: _Flushes | None = None
        self.asked_to_stop = False

    def __call__(self, network: Network) -> None:
        if self.flushes:
            self.flushes(network)
        if self.on_slice and self.on_slice(network):
            self.asked_to_stop = True
            raise KeyboardInterrupt  # the engine ends the run as stopped


class _Flushes:
    """Keeps the ``.part`` of a run up to date, as often as costs little of its time."""

    def __init__(self, path: Path, loaded: LoadedScenario, seed: int, command: str) -> None:
        self.path, self.loaded, self.seed, self.command = path, loaded, seed, command
        self.began: float | None = None  # of the emulation: what is before it, compiling, is not it
        self.next = 0.0

    def __call__(self, network: Network) -> None:
        """Write what there is, if it is time."""
        from . import engine
        from .results.summary import summarise
        from .results.trace import flush_trace

        now = time.perf_counter()
        if self.began is None:
            self.began, self.next = now, now + LEAST_S_BETWEEN_FLUSHES
        if now < self.next:
            return
        result = summarise(
            self.loaded.scenario, network, engine.so_far(network, now - self.began), self.seed
        )
        try:
            flush_trace(self.path, self.loaded, result, self.command)
        except OutputError:
            self.next = math.inf  # the run goes on; its end will say what is wrong
            return
        took = time.perf_counter() - now
        self.next = now + max(LEAST_S_BETWEEN_FLUSHES, took / FLUSH_SHARE)
