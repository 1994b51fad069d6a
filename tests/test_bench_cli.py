"""``wanrdma bench``: what it prints. Not how fast anything is: that is the machine's."""

import json

import pytest
from click.testing import CliRunner

from wanrdma.bench import CASES
from wanrdma.cli import main
from wanrdma.cli.bench import CASE_NAMES

KEYS = {
    *("case", "threads", "packets_delivered", "packet_hops", "cpu_s", "wall_s"),
    *("packet_hops_per_cpu_s", "packets_per_cpu_s", "simulated_s", "peak_bytes"),
    *("calibration_events_per_s", "ratio_to_calibration"),
}


def bench(*arguments):
    return CliRunner().invoke(main, ["bench", *arguments])


def test_the_command_knows_the_cases_without_loading_them():
    assert list(CASE_NAMES) == list(CASES)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_case_as_json(threads):
    result = bench("--case", "idle", "--threads", threads, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (case,) = json.loads(result.stdout)["cases"]
    assert set(case) == KEYS
    assert (case["case"], case["threads"]) == ("idle", int(threads))
    packets = -(-50_000_000 // 4096)
    assert case["packets_delivered"] == packets
    assert case["packet_hops"] == 6 * packets  # 3 links there, and its ACK 3 back
    assert case["simulated_s"] == 10
    assert case["packet_hops_per_cpu_s"] == case["packet_hops"] / case["cpu_s"]


def test_a_case_as_a_table():
    result = bench("--case", "idle")
    head, line = result.stdout.splitlines()
    assert head.split()[0] == "case"
    assert line.split()[:2] == ["idle", "73,248"]


def test_an_unknown_case_exits_2():
    result = bench("--case", "idel")
    assert result.exit_code == 2
    assert "one-flow" in result.stderr
