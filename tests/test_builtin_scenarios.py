"""The scenarios that come with the package: they load, and say where each value is from."""

import re

import pytest

from wanrdma.build.topology import automatic_xon
from wanrdma.errors import ScenarioError
from wanrdma.scenario import catalogue, load, yaml_file
from wanrdma.scenario.units import show_rate

NAMES = [
    "ason-reroute",
    "bifrost-80km",
    "burst-vs-bits",
    "capacity-drop",
    "dcqcn-long-rtt",
    "error-notification",
    "incast-pfc",
    "nak-vs-timeout",
    "pause-propagation",
    "perftest",
    "protection-50ms",
    "slots-nccl",
    "three-sites",
    "unicom-329km",
]
NEEDS_NO_SOURCE = {"name", "description", "between"}


def test_the_catalogue_lists_what_is_there():
    assert catalogue.names() == NAMES
    with pytest.raises(ScenarioError, match="did you mean 'slots-nccl'"):
        catalogue.read("slots-ncll")


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_under_its_name_and_says_what_it_shows(name):
    loaded = load(name)
    assert loaded.scenario.name == name
    assert loaded.origin == name
    assert loaded.text == catalogue.read(name)
    assert loaded.scenario.description == catalogue.describe(name)
    assert 20 < len(catalogue.describe(name)) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_every_value_has_its_source_on_its_line(name):
    values = 0
    for line in catalogue.read(name).splitlines():
        match = re.match(r"\s*(?:- )?(\w+): +([^#\s].*)", line)
        if match and match[1] not in NEEDS_NO_SOURCE:
            values += 1
            assert re.search(r" # (published|derived|assumed|chosen)\b", line), line
    assert values > 10


@pytest.mark.parametrize("name", NAMES)
def test_its_text_comes_back_as_written(name):
    text = catalogue.read(name)
    assert yaml_file.dump(yaml_file.parse(text, name)) == text


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_longer_than_a_screen(name):
    assert max(map(len, catalogue.read(name).splitlines())) <= 100


# ---- the sums in the comments --------------------------------------------------------------


def round_trip_s(line):
    return 2 * line.distance * line.delay / 1e12


def headroom_bytes(line):
    """Return what may still come to a port of a line after its far end said stop."""
    latency_s = 4 * line.otn.latency / 1e12
    return line.rate.bps / 8 * (round_trip_s(line) + latency_s) + 3 * 4194 + 84


def test_incast_pfc_has_the_headroom_that_it_says():
    (line,) = load("incast-pfc").scenario.lines
    assert headroom_bytes(line) == pytest.approx(49_012_666)
    otn = line.otn
    assert otn.xoff + headroom_bytes(line) == pytest.approx(53_206_970)
    assert otn.xoff + headroom_bytes(line) <= otn.buffer == 54_525_952


def test_incast_pfc_ends_at_a_quarter_of_the_line():
    scenario = load("incast-pfc").scenario
    assert scenario.site_nic("b").rate.bps * 4 == scenario.lines[0].rate.total_bps
    assert len(scenario.pairs(scenario.traffic[0])) == 16


def test_bifrost_lets_go_when_a_round_trips_worth_is_left():
    scenario = load("bifrost-80km").scenario
    (line,) = scenario.lines
    drain_bps = scenario.site_nic("b").rate.bps
    assert (round_trip_s(line), drain_bps) == (800e-6, 62.5e9)
    assert line.otn.xon == drain_bps / 8 * round_trip_s(line) == 6_250_000
    assert line.otn.xoff == line.otn.xon + 2 * 4194
    assert line.otn.xoff + headroom_bytes(line) < line.otn.buffer
    assert line.rate.bps / 8 * round_trip_s(line) == pytest.approx(9.54 * 2**20, rel=1e-3)


def test_unicom_carries_the_pipelines_traffic():
    scenario = load("unicom-329km").scenario
    forward, backward = scenario.traffic
    for work in (forward, backward):
        assert 16 * work.bytes == 128 * 4096 * 5120 * 2
        assert work.message == 4096 * 5120 * 2 // 4
        assert work.bytes == 32 * work.message
    assert [pair[0] for pair in scenario.pairs(forward)] == [("tianjin", i) for i in range(16)]
    assert [pair[1] for pair in scenario.pairs(backward)] == [("tianjin", i) for i in range(16)]


def test_unicom_converges_four_to_one_and_its_line_neither_loses_nor_runs_dry():
    scenario = load("unicom-329km").scenario
    assert scenario.convergence("tianjin") == scenario.convergence("langfang") == 4.0
    (line,) = scenario.lines
    assert headroom_bytes(line) == pytest.approx(162.2e6, rel=1e-3)
    assert (line.otn.xoff, line.otn.xon) == (None, None)  # automatic
    xoff = line.otn.buffer - headroom_bytes(line)
    assert headroom_bytes(line) < automatic_xon(int(xoff)) < xoff


def test_three_sites_can_buffer_what_it_says():
    for line, times in zip(load("three-sites").scenario.lines, (6, 5, 4), strict=True):
        assert headroom_bytes(line) * times < line.otn.buffer


def test_slots_nccl_allows_the_rate_that_it_says():
    scenario = load("slots-nccl").scenario
    slots = scenario.traffic[0].slots
    bps = slots.count * slots.bytes * 8 / round_trip_s(scenario.lines[0])
    assert show_rate(bps) == "10.4 Gb/s"
