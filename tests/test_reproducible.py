"""The same scenario and seed: the same datasets, to the last byte, however they are run."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from validation.runs import Groups, Trial

from wanrdma import engine
from wanrdma.results.variables import variables

ERRORS = ["lines.0.errors.post_fec_ber=1e-8"]
RUNS: dict[str, list[str]] = {
    # Go-back-N; pauses and buffers; ECMP over spines and line ports, both directions.
    "perftest": [*ERRORS, "traffic.0.bytes=128 MiB"],
    "incast-pfc": [*ERRORS, "traffic.0.bytes=4 MiB"],
    "unicom-329km": [*ERRORS, "traffic.0.bytes=10 MiB", "traffic.1.bytes=10 MiB"],
}
every_scenario = pytest.mark.parametrize("name", RUNS)


def finished(
    name: str, seed: int, *settings: str, groups: Groups = None, threads: int | None = None
) -> Trial:
    trial = Trial(name, *RUNS[name], *settings, seed=seed, groups=groups)
    trial.run(threads=threads)
    return trial


def digests(trial: Trial) -> dict[str, str]:
    """Return a hash of each dataset of the trace."""
    assert trial.result is not None
    return {
        one.name: hashlib.sha256(pickle.dumps(np.asarray(one.values).tolist())).hexdigest()
        for one in variables(trial.result)
    }


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
    monkeypatch.setattr(engine, "SLICE_S", 1e-6)
    monkeypatch.setattr(engine, "SLICE_EVENTS", 997)
    for groups in (None, [["a", "b", "tianjin", "langfang"]]):
        assert digests(finished(name, seed=5, groups=groups)) == usual


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
    assert digests(first) == digests(second)


APART = {
    "100 m": ["lines.0.distance=0.1 km", "traffic.0.bytes=1 MiB"],
    "10,000 km": ["lines.0.distance=10000 km", "traffic.0.bytes=64 MiB"],
}


def test_short_lines_are_right_however_slow_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that took too long makes the next one shorter, and never longer than the line."""
    settings = [*APART["100 m"], "lines.0.otn.latency=0 s"]
    usual = digests(finished("unicom-329km", 5, *settings, groups=[["tianjin", "langfang"]]))
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    assert digests(finished("unicom-329km", 5, *settings, groups=[])) == usual


@pytest.mark.parametrize("settings", [[], *APART.values()], ids=["as it is", *APART])
@every_scenario
def test_the_same_for_any_groups_and_threads(
    name: str, settings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = finished(name, 5, *settings, groups=[["a", "b", "tianjin", "langfang"]])
    assert len(together.tables.groups) == 1
    for threads, least_work_s in ((1, None), (2, None), (2, -1.0), (3, -1.0)):
        if least_work_s is not None:  # so little work is usually not done on threads
            monkeypatch.setattr(engine, "LEAST_WORK_S", least_work_s)
        apart = finished(name, 5, *settings, groups=[], threads=threads)
        assert len(apart.tables.groups) == 2
        assert digests(apart) == digests(together)


def test_a_run_that_ends_in_error_has_one_time_axis() -> None:
    """A timer that was turned off lies far beyond the last packet, in one of the groups."""
    settings = ["lines.0.errors.post_fec_ber=1e-6", "nic.retries=0"]
    trials = [finished("perftest", 5, *settings, groups=groups) for groups in (None, [["a", "b"]])]
    assert digests(trials[0]) == digests(trials[1])
    for trial in trials:
        assert trial.result is not None
        assert trial.result.status == "incomplete"
        widths = next(one for one in variables(trial.result) if one.name == "time_width").values
        assert np.all(np.asarray(widths) > 0)
        starts = next(one for one in variables(trial.result) if one.name == "time").values
        assert starts[-1] <= trial.result.simulated_s
        assert starts[-1] > 0.9 * trial.result.simulated_s


def test_a_stop_after_the_last_packet_is_not_why_it_ended() -> None:
    trial = finished(
        "perftest", 5, "lines.0.errors.post_fec_ber=1e-6", "nic.retries=0", "stop=10 ms"
    )
    assert trial.result is not None
    assert trial.result.status == "incomplete"
    assert "error" in trial.result.reason
