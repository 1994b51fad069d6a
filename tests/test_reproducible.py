"""The same scenario and seed: the same tables, to the last byte, wherever and however they run."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from validation.runs import Trial

from wanrdma import engine
from wanrdma.kernels import tables as kt

ERRORS = ["lines.0.errors.post_fec_ber=1e-8"]
RUNS: dict[str, list[str]] = {
    # Go-back-N; pauses and buffers; ECMP over spines and line ports, both directions.
    "perftest": [*ERRORS, "traffic.0.bytes=128 MiB"],
    "incast-pfc": [*ERRORS, "traffic.0.bytes=4 MiB"],
    "unicom-329km": [*ERRORS, "traffic.0.bytes=10 MiB", "traffic.1.bytes=10 MiB"],
}
every_scenario = pytest.mark.parametrize("name", RUNS)


def finished(name: str, seed: int, *settings: str) -> Trial:
    trial = Trial(name, *RUNS[name], *settings, seed=seed)
    trial.run()
    return trial


def digests(trial: Trial) -> dict[str, str]:
    """Return a hash of each table; where in memory the tables lie is not looked at."""
    trial.tables.run[[f"{table}_at" for table in kt.TABLE_NAMES]] = 0
    trial.tables.lines["ring_at"] = 0
    tables = trial.tables._asdict()
    named = [(name, table) for name, table in tables.items() if not isinstance(table, list)]
    named += [(f"ring {i}", ring) for i, ring in enumerate(tables["rings"])]
    for g, group in enumerate(tables["groups"]):
        named += [(f"{name} of group {g}", table) for name, table in group._asdict().items()]
    return {name: hashlib.sha256(table.tobytes()).hexdigest() for name, table in named}


@every_scenario
def test_the_same_twice_in_one_process(name: str) -> None:
    assert digests(finished(name, seed=5)) == digests(finished(name, seed=5))


@every_scenario
def test_the_same_in_two_processes(name: str) -> None:
    program = (
        "import test_reproducible as here\n"
        f"print(sorted(here.digests(here.finished({name!r}, seed=5)).items()))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        check=True,
        text=True,
    )
    assert ran.stdout.strip() == str(sorted(digests(finished(name, seed=5)).items()))


@every_scenario
def test_the_same_however_it_is_sliced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are 100 ms of this machine's time, so no two runs have the same."""
    usual = digests(finished(name, seed=5))
    monkeypatch.setattr(engine, "FIRST_SLICE_EVENTS", 1)
    monkeypatch.setattr(engine, "SLICE_S", 1e-6)
    assert digests(finished(name, seed=5)) == usual


@every_scenario
def test_another_seed_meets_other_errors(name: str) -> None:
    five, six = finished(name, seed=5), finished(name, seed=6)
    assert five.result.totals["drops_error"] > 0
    assert six.result.totals["drops_error"] > 0
    assert not np.array_equal(five.tables.ports, six.tables.ports)
    times = [trial.tables.operations["delivered_ps"].tolist() for trial in (five, six)]
    assert times[0] != times[1]


def test_another_seed_without_errors_is_the_same() -> None:
    """On one path and a clean line nothing is random but the seed itself."""
    first, second = (finished("perftest", seed, "lines.0.errors.post_fec_ber=0") for seed in (5, 6))
    assert (first.tables.run["seed"][0], second.tables.run["seed"][0]) == (5, 6)
    second.tables.run["seed"] = 5
    assert digests(first) == digests(second)
