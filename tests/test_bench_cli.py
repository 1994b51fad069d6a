"""``wanrdma bench``: what it prints. Not how fast anything is: that is the machine's."""

import json

import pytest
from click.testing import CliRunner

from wanrdma.bench import CASES, _scenario
from wanrdma.cli import main
from wanrdma.cli.bench import CASE_NAMES

KEYS = {
    *("case", "scale", "threads", "exact_events", "packets_delivered", "packet_hops"),
    *("jumped_packet_hops", "jumps", "cpu_s", "wall_s"),
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
    assert (case["case"], case["threads"], case["scale"]) == ("idle", int(threads), 1)
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


def test_scale_multiplies_the_bytes_and_not_the_computation():
    result = bench("--case", "idle", "--scale", "3", "--json")
    (case,) = json.loads(result.stdout)["cases"]
    packets = -(-150_000_000 // 4096)
    assert (case["scale"], case["packets_delivered"]) == (3, packets)
    assert (case["packet_hops"], case["simulated_s"]) == (6 * packets, 10)


@pytest.mark.parametrize("name", CASES)
def test_every_row_of_every_case_is_scaled(name):
    usual, larger = (_scenario(name, scale).traffic for scale in (1, 25))
    assert [work.bytes for work in larger] == [work.bytes and 25 * work.bytes for work in usual]


@pytest.mark.parametrize("options", [(), ("--exact-events",)])
def test_what_is_done_at_once_is_told_and_can_be_turned_off(options):
    result = bench("--case", "one-flow", *options, "--json")
    (case,) = json.loads(result.stdout)["cases"]
    assert case["exact_events"] == bool(options)
    assert case["packet_hops"] == 6 * 2**20
    if options:
        assert (case["jumps"], case["jumped_packet_hops"]) == (0, 0)
    else:
        assert 0 < case["jumps"] < case["jumped_packet_hops"] < case["packet_hops"]
    share = bench("--case", "one-flow", *options).stdout.split()[-1]
    assert (share == "0.0%") == bool(options)


@pytest.mark.parametrize("scale", ["0", "1.5", "10001"])
def test_scales_that_make_no_sense_are_refused(scale):
    assert bench("--case", "idle", "--scale", scale).exit_code == 2


def test_an_unknown_case_exits_2():
    result = bench("--case", "idel")
    assert result.exit_code == 2
    assert "one-flow" in result.stderr
