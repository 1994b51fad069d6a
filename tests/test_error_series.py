"""Error ratios over time: as given or from a CSV file, thresholds, and a line that is down."""

import math

import numpy as np
import pytest
from small_scenarios import line, scenario

from wanrdma import engine
from wanrdma.build import build
from wanrdma.build.errors import error_process, ratios_over_time
from wanrdma.errors import ScenarioError
from wanrdma.kernels import tables as kt
from wanrdma.scenario import load, loads
from wanrdma.scenario.schema import Errors

MS, S = 10**9, 10**12

TEXT = """
name: series
sites:
  a: {hosts: 1, fabric: one-switch}
  b: {like: a}
lines:
  - between: [a, b]
    distance: 10 km
    rate: 100 Gbps
    errors:
      series: line.csv
traffic:
  - {name: t, from: a.0, to: b.0, bytes: 1 MiB}
"""


def over_time(**keys):
    return ratios_over_time(Errors.model_validate(keys))


def at(ms, ratio):
    return {"at": f"{ms} ms"} | ({"down": True} if ratio is None else {"ratio": ratio})


def test_the_ratio_is_the_one_given_until_the_series_begins():
    series = [at(2, 1e-8), at(3, None), at(5, 0.0)]
    assert over_time(post_fec_ber=1e-9, series=series) == [
        (0, 1e-9),
        (2 * MS, 1e-8),
        (3 * MS, None),
        (5 * MS, 0.0),
    ]


def test_a_threshold_takes_the_line_down_once_it_has_held_for_its_time():
    series = [at(10, 1e-4), at(30, 2e-4), at(50, 1e-9), at(60, 1e-4), at(65, 0.0)]
    found = over_time(series=series, signal_fail=1e-4, signal_fail_time="10 ms")
    assert found == [
        (0, 0.0),
        (10 * MS, 1e-4),
        (20 * MS, None),
        (50 * MS, 1e-9),
        (60 * MS, 1e-4),  # for 5 ms: not long enough
        (65 * MS, 0.0),
    ]


def test_degrade_and_fail_each_have_a_time():
    series = [at(0, 1e-6), at(9000, 1e-3), at(9100, 1e-6)]
    found = over_time(series=series, signal_degrade=1e-6, signal_fail=1e-3)
    assert found == [(0, 1e-6), (7 * S, None)]
    assert over_time(series=series, signal_fail=1e-3)[-2:] == [(9010 * MS, None), (9100 * MS, 1e-6)]


def test_a_ratio_above_a_threshold_from_the_start():
    assert over_time(post_fec_ber=1e-5, signal_fail=1e-5) == [(0, 1e-5), (10 * MS, None)]


def test_what_is_on_a_line_that_goes_down_or_is_sent_then_is_lost():
    """1 MiB in 256 packets of 335 ns; the line is down from 20 us to 40 us, and takes 10 us."""
    broken = line("a", "b", rate="100 Gbps", distance="0 km")
    broken["otn"] = {"latency": "5 us"}
    broken["errors"] = {"series": [at(0.02, None), at(0.04, 0.0)]}
    network = build(scenario(lines=[broken], nic={"rate": "100 Gbps", "timeout": 8}))
    outcome = engine.run(network, probe=True)
    assert outcome.status == "completed"
    rows = network.tables.probe_rows()
    port = network.port_names.index("a.switch>b.switch")
    sent = rows[(rows["port"] == port) & (rows["is_arrival"] == 0)]
    began_ps = sent["time_ps"] - sent["size_bytes"].astype(np.int64) * 80
    lost = (sent["flags"] & kt.LOST) != 0
    assert lost.sum() > 30
    assert np.array_equal(lost, (sent["time_ps"] > 10_000_000) & (began_ps < 40_000_000))
    # A clean line, and one that is down, draw nothing.
    assert network.tables.errors["draws"].max() == 0


def test_a_line_comes_back_with_the_ratio_that_it_has_then():
    loud, quiet = 1e-4, 0.0
    broken = line("a", "b", rate="100 Gbps")
    broken["errors"] = {"process": "packets", "series": [at(1, 0.5), at(2, quiet)]}
    broken["errors"]["packet_loss"] = loud
    network = build(scenario(lines=[broken]))
    port = network.port_names.index("a.switch>b.switch")
    changes = network.tables.error_changes
    row = network.tables.errors[port]
    assert row["log_survival"] == math.log1p(-loud)
    own = changes[row["change"] : row["change_end"]]
    assert own.tolist() == [(1 * MS, math.log1p(-0.5)), (2 * MS, 0.0)]


def test_ofec_corrects_all_up_to_its_threshold_and_nothing_above():
    """Open ROADM's oFEC: 2.0e-2 before it leave less than 1e-15."""
    for ratio, log_survival in ((2.0e-2, None), (2.01e-2, -math.inf)):
        errors = {"process": "pre-fec", "fec": "ofec", "pre_fec_ber": ratio}
        process = error_process(Errors.model_validate(errors), 20)
        assert (process and process.log_survival) == log_survival
    series = [at(1, 2.5e-2), at(2, 1e-3)]
    drifting = {"process": "pre-fec", "fec": "ofec", "pre_fec_ber": 1e-3, "series": series}
    process = error_process(Errors.model_validate(drifting), 20)
    assert process.changes == [(1 * MS, -math.inf), (2 * MS, 0.0)]


# A CSV file beside the scenario


def test_a_csv_file_beside_the_scenario(tmp_path):
    (tmp_path / "line.csv").write_text("time_s,ratio\n0.001,1e-8\n\n0.002,down\n0.0035, 0\n")
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    loaded = load(path)
    series = loaded.scenario.lines[0].errors.series
    assert [(change.at, change.ratio) for change in series] == [
        (1 * MS, 1e-8),
        (2 * MS, None),
        (3500 * 10**6, 0.0),
    ]
    assert "line.csv" not in loaded.text  # what the trace keeps is whole
    assert loads(loaded.text).scenario == loaded.scenario
    changed = load(path, ["lines.0.distance=20 km"])
    assert changed.scenario.lines[0].errors.series == series


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "line.csv: error: cannot be read: no such file"),
        ("0.001,1e-8\n0.002,much\n", "line.csv:2:1: error: got '0.002,much'"),
        ("0.001\n", "line.csv:1:1: error: got '0.001'"),
        ("time,ratio\n", "has no rows"),
        ("0.002,1e-8\n0.001,1e-9\n", "its time must come after the one before it"),
        ("0.001,2\n", "ratio"),
        ('0.001,"1e-8\n', "is no CSV file"),
    ],
)
def test_a_csv_file_that_cannot_be_used(tmp_path, text, said):
    if text is not None:
        (tmp_path / "line.csv").write_text(text)
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    with pytest.raises(ScenarioError) as refused:
        load(path)
    assert said in str(refused.value)
    assert "mine.yaml:11:" in str(refused.value)


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ("series: [{at: 1 ms}]", "give a ratio, or down: true"),
        ("series: [{at: 1 ms, ratio: 0.1, down: true}]", "give a ratio, or down: true"),
        ("series: [{at: 1 ms, ratio: 0.6}]", "must be below 0.5"),
        ("process: gilbert-elliott\n      signal_fail: 1e-3", "no effect with gilbert-elliott"),
        ("interleaved: true", "interleaved: got true; allowed: auto, 1, 2, 4, 8"),
        ("fec: ofec", "fec has no effect with process 'bits'"),
    ],
)
def test_what_does_not_fit_is_refused(errors, said):
    with pytest.raises(ScenarioError, match=said):
        loads(TEXT.replace("series: line.csv", errors))
