"""The Python way in: load, run, and what comes back."""

from pathlib import Path

import h5py
import pytest

import wanrdma
from wanrdma.errors import OutputError, ScenarioError

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


def test_an_interrupt_ends_the_run_with_what_there_is(tmp_path: Path, monkeypatch):
    def stop(_network: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("wanrdma.engine.FIRST_SLICE_EVENTS", 100)
    result = wanrdma.run("perftest", trace=tmp_path / "x.h5", on_slice=stop)
    assert result.status == "stopped"
    assert [one.name for one in tmp_path.iterdir()] == ["x.h5.part"]


def test_the_documentation_of_the_trace_names_all_that_is_in_it(tmp_path: Path):
    page = (Path(__file__).parents[1] / "docs" / "trace.md").read_text()
    path = tmp_path / "x.h5"
    wanrdma.run(wanrdma.load("perftest", **TINY), trace=path)
    with h5py.File(path) as file:
        assert [name for name in [*file, *file.attrs] if f"`{name}`" not in page] == []
