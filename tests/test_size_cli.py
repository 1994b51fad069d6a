"""``wanrdma size``: what it prints, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from wanrdma.cli import main

SCENARIO = """\
name: incast
sites:
  a: {hosts: 3, fabric: {type: one-switch, pfc: {xoff: 20 kB, xon: 10 kB}}}
nic: {rate: 100 Gbps, window: 1 MB, timeout: 0}
traffic:
  - {name: write, from: a.0-1, to: a.2, bytes: 200 kB}
"""
KEYS = [
    *("port", "rate_bps", "one_way_s", "drain_bps", "xoff_bytes", "formula_bytes"),
    *("lossless_bytes", "full_throughput_bytes"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "incast.yaml").write_text(SCENARIO)


def size(*arguments, scenario="incast.yaml"):
    result = CliRunner().invoke(main, ["size", scenario, *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_json_is_one_value_on_stdout_and_nothing_else():
    result = size("--json", "--threads", "1", "--seed", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    given = json.loads(result.stdout)
    assert list(given) == ["ports", "runs"]
    assert [list(port) for port in given["ports"]] == [KEYS, KEYS]
    first = given["ports"][0]
    assert (first["port"], first["rate_bps"], first["xoff_bytes"]) == ("a.switch>a.0", 100e9, 20000)
    assert all(isinstance(first[name], int) for name in KEYS if name.endswith("_bytes"))


def test_the_table_says_both_ends_and_ends_with_lines_for_sonic():
    result = size()
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert any(line.startswith("a.switch from a.0 ") for line in lines)
    assert "# speed cable size xon xoff threshold xon_offset" in lines
    assert lines[-1].endswith(" runs.")
    assert "\x1b" not in result.stdout


def test_sonic_alone_is_a_file_for_sonic():
    lines = size("--sonic").stdout.splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    (row,) = rows
    assert row[:2] == ["100000", "30m"]
    assert int(row[2]) == int(row[3]) + int(row[4])


def test_settings_and_port_and_tolerance():
    result = size("--set", "sites.a.fabric.pfc.xoff=30 kB", "--port", "*>a.1", "--tolerance", "0.1",
                  "--json")  # fmt: skip
    (port,) = json.loads(result.stdout)["ports"]
    assert (port["port"], port["xoff_bytes"]) == ("a.switch>a.1", 30_000)


def test_nothing_paused_is_said():
    idle = ("--set", "traffic.0.from=a.0")
    result = size(*idle)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "No port paused its peer: there is nothing to size.\n"
    assert json.loads(size(*idle, "--json").stdout) == {"ports": [], "runs": 1}
    alone = size(*idle, "--sonic")
    assert (alone.exit_code, alone.stdout) == (0, "")
    assert "nothing to size" in alone.stderr
    other = size("--port", "a.2>*")
    assert other.stdout.startswith("No port that matches paused its peer")


def test_work_left_undone_exits_1_with_the_figures():
    result = size("--set", "stop=20 us", "--json")
    assert result.exit_code == 1
    assert len(json.loads(result.stdout)["ports"]) == 2
    assert result.stderr.startswith("stopped: the stop time came")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--set", "nic.windw=1 MB"),
        ("--port", "nix"),
        ("--tolerance", "1"),
        ("--threads", "0"),
        ("--json", "--sonic"),
    ],
)
def test_bad_input_exits_2(arguments):
    result = size(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_bad_input_as_json():
    result = size("--json", "--set", "nic.windw=1 MB")
    assert (result.exit_code, result.stderr) == (2, "")
    assert json.loads(result.stdout)["valid"] is False


def test_a_seed_that_cannot_be_and_a_scenario_that_is_not():
    assert size("--seed", "-1").exit_code == 2
    assert size(scenario="incats-pfc").exit_code == 2
