"""The Python way in: load, run, and what comes back."""

import signal
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import wanrdma
import wanrdma.engine
from wanrdma.errors import OutputError, RunInterrupted, ScenarioError
from wanrdma.scenario import loads

TINY = {"traffic.0.bytes": "1 MiB", "lines.0.distance": "10 km"}


def test_overrides_reach_the_scenario_by_dots_or_underscores():
    dotted = wanrdma.load("perftest", **TINY, **{"nic.window": "8 MiB"})
    underscored = wanrdma.load("perftest", **TINY, nic__window="8 MiB")
    assert dotted.scenario == underscored.scenario
    assert dotted.scenario.nic.window == 8 * 2**20


def test_a_text_that_looks_like_a_number_stays_a_text():
    with pytest.raises(ScenarioError, match="has no unit"):
        wanrdma.load("perftest", nic__window="8")


def test_a_result_has_typed_fields_and_a_dataset():
    result = wanrdma.run(wanrdma.load("perftest", **TINY))
    assert isinstance(result, wanrdma.RunResult)
    (flow,) = result.flows
    assert (result.status, flow.bytes) == ("completed", 2**20)
    data = result.to_xarray()
    bits = float((data["goodput"] * data["time_width"]).sum())
    assert bits == pytest.approx(8 * 2**20)
    assert data["goodput"].attrs["units"] == "bit s-1"


def test_the_seed_takes_the_place_of_the_scenarios():
    lossy = wanrdma.load("perftest", **TINY, **{"lines.0.errors.post_fec_ber": 1e-6})
    once, again, other = (wanrdma.run(lossy, seed=seed) for seed in (5, 5, 6))
    assert once.flows == again.flows != other.flows
    assert once.to_xarray().equals(again.to_xarray())


def test_exact_events_gives_the_same_without_cycles():
    scenario = wanrdma.load("perftest")
    quick, exact = (wanrdma.run(scenario, exact_events=exact) for exact in (False, True))
    assert quick.flows == exact.flows
    assert quick.to_xarray().equals(exact.to_xarray())
    assert quick.cycles.jumps > 0
    assert 0 < quick.cycles.jumped_packet_hops < quick.packet_hops
    assert 0 < quick.cycles.share_of_events < 1
    assert exact.cycles.exact_events
    assert (exact.cycles.jumps, exact.cycles.jumped_events) == (0, 0)


def test_a_trace_is_written_where_it_is_wanted_and_not_over_another(tmp_path: Path):
    scenario = wanrdma.load("perftest", **TINY)
    path = tmp_path / "x.h5"
    assert wanrdma.run(scenario, trace=path, command="a test").trace == str(path)
    with h5py.File(path) as file:
        assert (file.attrs["complete"], file.attrs["command"]) == (1, "a test")
    with pytest.raises(OutputError, match="will not overwrite"):
        wanrdma.run(scenario, trace=path)
    assert wanrdma.run(scenario, trace=path, force=True).trace == str(path)
    assert [one.name for one in tmp_path.iterdir()] == ["x.h5"]


def test_a_run_ends_with_what_there_is_when_on_slice_asks(tmp_path: Path):
    result = wanrdma.run("perftest", trace=tmp_path / "x.h5", on_slice=lambda _network: True)
    assert result.status == "stopped"
    assert [one.name for one in tmp_path.iterdir()] == ["x.h5.part"]


@pytest.mark.parametrize("trace", [None, "x.h5"])
def test_ctrl_c_keeps_what_there_is_and_goes_on_to_whoever_called(trace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt) as stop:
        wanrdma.run("perftest", trace=trace, on_slice=lambda _: signal.raise_signal(signal.SIGINT))
    assert isinstance(stop.value, RunInterrupted)
    assert stop.value.result.status == "stopped"
    assert [one.name for one in tmp_path.iterdir()] == (["x.h5.part"] if trace else [])
    assert ("x.h5.part" in str(stop.value)) == bool(trace)


def test_ctrl_c_that_comes_with_the_end_keeps_all_and_is_not_swallowed(tmp_path, monkeypatch):
    real = wanrdma.engine._Windows.run

    def pressed(*arguments: object) -> int:
        code = real(*arguments)
        signal.raise_signal(signal.SIGINT)
        return code

    monkeypatch.setattr("wanrdma.engine._Windows.run", pressed)
    with pytest.raises(RunInterrupted) as stop:
        wanrdma.run(wanrdma.load("perftest", **TINY), trace=tmp_path / "x.h5")
    assert stop.value.result.status == "completed"
    assert [one.name for one in tmp_path.iterdir()] == ["x.h5"]


def test_a_file_made_while_the_run_goes_on_is_not_overwritten(tmp_path: Path):
    path = tmp_path / "x.h5"

    def another(_network: object) -> None:
        path.write_text("mine")

    scenario = wanrdma.load("perftest", **TINY)
    with pytest.raises(OutputError, match=r"made while the run went on; .*x\.h5\.part") as error:
        wanrdma.run(scenario, trace=path, on_slice=another)
    assert error.value.result.status == "completed"
    assert path.read_text() == "mine"
    with h5py.File(tmp_path / "x.h5.part") as file:
        assert file.attrs["complete"] == 1
    assert wanrdma.run(scenario, trace=path, on_slice=another, force=True).trace == str(path)
    assert h5py.is_hdf5(path)


@pytest.mark.parametrize("seed", [np.int64(3), np.uint8(3)])
def test_a_seed_is_any_whole_number(seed):
    assert wanrdma.run(wanrdma.load("perftest", **TINY), seed).seed == 3


@pytest.mark.parametrize("seed", [-1, 2**63, "3", True, 3.0, pytest.param(10**5000, id="huge")])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ScenarioError, match=r"error: seed: must be a whole number from 0 to 9223"):
        wanrdma.run("perftest", seed)


def test_the_largest_seed_is_that_of_the_file():
    largest = {**TINY, "seed": 2**63 - 1}
    assert wanrdma.run(wanrdma.load("perftest", **largest)).seed == 2**63 - 1
    with pytest.raises(ScenarioError, match="seed"):
        wanrdma.load("perftest", seed=2**63)


def test_overrides_may_be_of_numpy_and_paths():
    numbers = {"nic.mtu": np.int64(1024), "lines.0.errors.post_fec_ber": np.float32(0.25)}
    loaded = wanrdma.load("perftest", **TINY, **numbers, description=Path("x"))
    assert loaded.scenario.nic.mtu == 1024
    assert loaded.scenario.lines[0].errors.post_fec_ber == 0.25
    assert loaded.scenario.description == "x"


@pytest.mark.parametrize(
    "text", ["\U0001f600 \u5929", "a\nb\tc", "\x00\x7f\x85\u2028\ufeff", '"\\']
)
def test_text_reaches_the_scenario_as_it_is(text):
    loaded = wanrdma.load("perftest", description=text)
    assert loaded.scenario.description == text
    assert loads(loaded.text).scenario.description == text


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, pytest.param(10**5000, id="huge"), {(1, 2): 3}, b"x"]
)
def test_what_cannot_be_written_is_refused_with_its_key(value):
    with pytest.raises(ScenarioError, match=r"^override nic\.mtu: error: cannot be written"):
        wanrdma.load("perftest", nic__mtu=value)


def test_errors_in_overrides_do_not_speak_of_the_command_line():
    with pytest.raises(ScenarioError) as error:
        wanrdma.load("perftest", nic__mtu=9000)
    assert str(error.value).startswith("override nic.mtu: error: got 9000; ")
    assert error.value.problems[0].setting == "nic.mtu"


def test_what_is_no_scenario_is_refused_in_words():
    with pytest.raises(TypeError, match="run takes what load returned"):
        wanrdma.run(None)
    with pytest.raises(TypeError, match="not an object of type Scenario"):
        wanrdma.run(wanrdma.load("perftest").scenario)
    with pytest.raises(TypeError, match="load takes a scenario's name"):
        wanrdma.load(None)


def test_a_folder_or_a_zero_byte_is_no_name_of_a_trace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, said in (("new/", "it names a folder"), ("x\0.h5", "zero byte"), ("", "a folder")):
        with pytest.raises(OutputError, match=said):
            wanrdma.run("perftest", trace=name)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_xarray_names_the_extra(monkeypatch):
    result = wanrdma.run(wanrdma.load("perftest", **TINY))
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"needs xarray, .*\.\[analysis\]"):
        result.to_xarray()


def test_the_package_lists_what_it_has():
    assert {"load", "run", "RunResult"} <= set(dir(wanrdma))


def test_the_documentation_of_the_trace_names_all_that_is_in_it(tmp_path: Path):
    page = (Path(__file__).parents[1] / "docs" / "trace.md").read_text()
    path = tmp_path / "x.h5"
    wanrdma.run(wanrdma.load("perftest", **TINY), trace=path)
    with h5py.File(path) as file:
        assert [name for name in [*file, *file.attrs] if f"`{name}`" not in page] == []
