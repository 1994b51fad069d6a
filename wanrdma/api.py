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
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OutputError

if TYPE_CHECKING:
    from .build.network import Network
    from .engine import Outcome
    from .results.summary import RunResult
    from .scenario.load import LoadedScenario

LEAST_S_BETWEEN_FLUSHES = 1.0
FLUSH_SHARE = 0.05  # of the time may go into keeping the trace up to date


def load(path_or_name: str | Path, **overrides: Any) -> LoadedScenario:
    """Read and check a scenario: a YAML file, or a built-in by name.

    ``overrides`` are keys of the scenario, dots in them (``**{"nic.window": "8 MiB"}``) or two
    underscores instead (``nic__window="8 MiB"``). Raises ScenarioError with all problems.
    """
    from .scenario.load import load as load_scenario

    # JSON is YAML: a string stays one, whatever it looks like.
    settings = [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in overrides.items()]
    return load_scenario(path_or_name, settings)


def run(
    scenario: LoadedScenario | str | Path,
    seed: int | None = None,
    *,
    trace: str | Path | None = None,
    numbered_trace: bool = False,
    force: bool = False,
    on_slice: Callable[[Network], None] | None = None,
    command: str = "",
) -> RunResult:
    """Run a scenario to its end and return what came of it.

    ``seed`` takes the place of the scenario's. ``trace`` names an HDF5 file to write, and
    ``force`` lets it replace one; with ``numbered_trace`` it is NAME-SEED.h5 in the current folder,
    numbered if taken. While the run goes on, what there is so far is in ``X.h5.part``.
    ``on_slice`` is called about every 100 ms, and may raise KeyboardInterrupt to end the run.
    ``command`` is kept in the trace.

    Raises ScenarioError or RunError for a scenario that cannot be used, OutputError if the trace
    cannot be written; its ``result`` is then what the run came to, if it was over.
    """
    loaded = load(scenario) if isinstance(scenario, str | Path) else scenario
    number = loaded.scenario.seed if seed is None else seed
    if trace is None and not numbered_trace:
        return _emulate(loaded, number, on_slice)[0]

    from .results import trace as traces

    path = traces.reserve_trace(
        None if trace is None else Path(trace), loaded, number, command, force
    )
    writer = _Flushes(path, loaded, number, command)

    def after_slice(network: Network) -> None:
        writer(network)
        if on_slice:
            on_slice(network)

    try:
        result, outcome = _emulate(loaded, number, after_slice)
    except BaseException:
        traces.drop_reserved(path)
        raise
    try:
        written = traces.write_trace(path, loaded, result, command, not outcome.interrupted)
    except OutputError as error:
        error.result = result  # the answer is not lost with its trace
        raise
    return replace(result, trace=str(written))


def _emulate(
    loaded: LoadedScenario, seed: int, on_slice: Callable[[Network], None] | None
) -> tuple[RunResult, Outcome]:
    from . import engine
    from .build import build
    from .results.summary import summarise

    network = build(loaded.scenario, seed)
    outcome = engine.run(network, stop_ps=loaded.scenario.stop, on_slice=on_slice)
    return summarise(loaded.scenario, network, outcome, seed), outcome


class _Flushes:
    """Keeps the ``.part`` of a run up to date, as often as costs little of its time."""

    def __init__(self, path: Path, loaded: LoadedScenario, seed: int, command: str) -> None:
        self.path, self.loaded, self.seed, self.command = path, loaded, seed, command
        self.began = time.perf_counter()
        self.next = self.began + LEAST_S_BETWEEN_FLUSHES

    def __call__(self, network: Network) -> None:
        """Write what there is, if it is time."""
        from . import engine
        from .results.summary import summarise
        from .results.trace import flush_trace

        now = time.perf_counter()
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
