"""What ``wanrdma plot`` draws: the numbers behind the picture, and what is written on it."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import h5py
import matplotlib
import numpy as np
import pytest
from plotted import DELAY_S, DISTANCE_KM, INCAST, run_incast, with_events

import wanrdma
from wanrdma.build import build
from wanrdma.build.topology import NO_LINE
from wanrdma.errors import TraceError
from wanrdma.plot import overview, plot, space_time, style
from wanrdma.plot.read import Event, Log, Trace, read_trace
from wanrdma.plot.route import Route, find_route
from wanrdma.scenario.load import loads

NAN = float("nan")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_incast(tmp_path_factory.mktemp("incast"))


@pytest.fixture(scope="module")
def trace(file: Path) -> Trace:
    return read_trace(file)


@pytest.fixture(scope="module")
def route(trace: Trace) -> Route:
    return find_route(trace, "write.2")


def texts(svg: Path) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.read_text())


def drawn(trace: Path, tmp_path: Path, name: str = "x.svg", **options: Any) -> list[str]:
    return texts(plot(trace, tmp_path / name, **options))


# The path


def test_the_path_goes_from_host_to_host_with_the_line_to_scale(route: Route):
    assert route.nodes == ["a.2", "a.switch", "a.otn0", "b.otn0", "b.switch", "b.0"]
    assert [hop.line for hop in route.hops] == [NO_LINE, NO_LINE, 0, NO_LINE, NO_LINE]
    near, far = route.places[2:4]
    assert (near, far) == (0.0, DISTANCE_KM)
    steps = np.diff(route.places)[[0, 1, 3, 4]]
    assert np.allclose(steps, steps[0])
    assert 0.2 < steps[0] < 1.0
    assert route.delay_s == pytest.approx(DELAY_S, rel=1e-12)


LEAF_SPINE = """\
name: leaf-spine
sites:
  a: {hosts: 4, fabric: {leaves: 2, spines: 4, rate: 2 x 400 Gbps}}
  b: {like: a}
  c: {like: a}
lines:
  - {between: [a, b], distance: 5 km, rate: 3 x 400 Gbps}
  - {between: [a, b], distance: 6 km, rate: 2 x 400 Gbps}
  - {between: [b, c], distance: 7 km, rate: 400 Gbps}
traffic:
  - {name: near, from: a.0, to: a.3, bytes: 4096 B}
  - {name: far, from: a.*, to: c.*, bytes: 64 KiB, message: 4096 B, queue_pairs: 3}
  - {name: back, from: c.1, to: a.2, bytes: 4096 B, slots: {count: 2, bytes: 2048 B}}
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_paths_are_those_of_the_run_whatever_was_drawn_or_set(tmp_path: Path, seed: int):
    (tmp_path / "x.yaml").write_text(LEAF_SPINE)
    loaded = wanrdma.load(tmp_path / "x.yaml", **{"lines.2.distance": "30 km"})
    wanrdma.run(loaded, seed=seed, trace=tmp_path / "x.h5")
    trace = read_trace(tmp_path / "x.h5")
    network = build(loaded.scenario, seed)
    for flow in trace.flows:
        route = find_route(trace, flow)
        first = network.queue_pair_flow.index(trace.flows.index(flow))
        path = network.tables.paths[network.tables.requesters["data_path"][first] :]
        assert [hop.port for hop in route.hops] == path[: path.tolist().index(-1)].tolist()
        assert [hop.name for hop in route.hops] == [trace.ports[hop.port] for hop in route.hops]
        assert len(route.queue_pairs) == (3 if flow.startswith("far") else 1)
    assert find_route(trace, "far.0").lines[-1].length_km == 30
    assert find_route(trace, "near").lines == []


def test_a_path_that_cannot_be_rebuilt_is_an_error(trace: Trace):
    with pytest.raises(TraceError, match="--kind overview"):
        find_route(replace(trace, scenario_text="name: x\nsites: 3\n"), "write.0")
    with pytest.raises(TraceError, match="other flows or ports"):
        find_route(replace(trace, ports=trace.ports[:-1]), "write.0")


# Data, pauses and losses along it


def test_data_is_at_the_far_end_a_delay_later(trace: Trace, route: Route):
    line = route.lines[0]
    found = space_time.stripes(trace, line)
    assert found.far_s - found.near_s == pytest.approx(np.full(len(found.near_s), DELAY_S))
    assert (found.near_place, found.far_place) == (0.0, DISTANCE_KM)
    assert trace.sent_bytes is not None
    in_a_bin = trace.length_s[0] / 20e-12  # bytes, at 400 Gb/s
    assert found.share[:-1] == pytest.approx(
        np.minimum(1.0, trace.sent_bytes[line.port][:-1] / in_a_bin)
    )
    # Eight NICs of 100 Gb/s fill the line, until the far terminal stops it.
    assert found.share.max() > 0.99
    assert found.share.min() == 0.0


def test_pauses_go_back_with_the_delay_of_the_link(trace: Trace, route: Route):
    over_line = [one for one in space_time.signals(trace, route) if one.from_place == DISTANCE_KM]
    assert len(over_line) > 4
    for signal in over_line:
        assert signal.came_s - signal.sent_s == pytest.approx(DELAY_S, rel=1e-9)
        assert signal.to_place == 0.0
    stops = [signal.stops for signal in over_line]
    assert stops == [k % 2 == 0 for k in range(len(stops))]
    everything = space_time.signals(trace, route)
    assert all(signal.from_place > signal.to_place for signal in everything)
    within_site = [one for one in everything if one.from_place <= 0]
    assert all(one.came_s - one.sent_s < 1e-6 for one in within_site)


def test_a_paused_port_begins_no_frame(trace: Trace, route: Route):
    """Each whole bin within a pause of the line port is empty, once its last frame is out."""
    logged, _ = space_time.spells(trace, route)
    own = [one for one in logged if route.hops[one.hop].line == 0]
    begins, ends = trace.edges_s[:-1], trace.edges_s[1:]
    inside = np.any([(begins > one.begin_s) & (ends <= one.end_s) for one in own], axis=0)
    assert inside.sum() > 10
    assert trace.sent_bytes is not None
    assert trace.sent_bytes[route.lines[0].port][inside].sum() == 0


def test_spells_of_log_and_bins_are_all_the_time_paused(file: Path, trace: Trace, route: Route):
    logged, binned = space_time.spells(trace, route)
    with h5py.File(file) as data:
        paused_us = data["rx_prio_pause_duration"][:, 3]
    more_than_logged = 0
    for k, hop in enumerate(route.hops):
        own = [one for one in logged + binned if one.hop == k]
        drawn_s = sum((one.end_s - one.begin_s) * one.share for one in own)
        assert drawn_s == pytest.approx(paused_us[hop.port] * 1e-6, abs=trace.length_s[0])
        more_than_logged += any(one.hop == k for one in binned)
    assert more_than_logged


def made(trace: Trace, *rows: tuple[float, str, int, int, int]) -> Trace:
    """Give a trace another log: time, kind, port, priority, queue pair."""
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return replace(trace, log=Log(*columns))


def test_a_pause_that_runs_out_lasts_as_long_as_one_does_and_on_through_paused_bins(
    trace: Trace, route: Route
):
    hop = route.hops[0]
    share = np.zeros(trace.paused_share.shape)
    edges_s = np.arange(share.shape[1] + 1) * 100e-6
    log = ((10e-6, "pause", hop.port, 3, -1), (990e-6, "pause", hop.port, 3, -1))
    own = replace(made(trace, *log), edges_s=edges_s, paused_share=share)
    pause_s = 65535 * 512 / 100e9  # quanta of 512 bit times
    first = space_time.spells(own, route)[0][0]
    assert (first.begin_s, first.end_s) == (10e-6, pytest.approx(10e-6 + pause_s))
    share[hop.port, 3:6] = 1.0  # it was said again until 600 us
    assert space_time.spells(own, route)[0][0].end_s == pytest.approx(600e-6)


def test_losses_are_where_they_happened(trace: Trace, route: Route):
    line, last = route.lines[0], route.hops[-1]
    own = route.queue_pairs[0]
    log = (
        (1e-5, "drop_error", line.peer, -1, own),
        (2e-5, "drop_error", line.port, -1, own),  # of what comes back: not on this way
        (3e-5, "drop_congestion", line.peer, 3, own),
        (4e-5, "drop_congestion", last.port, 3, own),
        (5e-5, "drop_congestion", last.port, 0, own),  # another priority
        (6e-5, "go_back", -1, -1, own),
        (7e-5, "timeout", -1, -1, own + 1),  # another queue pair
    )
    found = space_time.losses(made(trace, *log), route)
    assert {(one.kind, one.time_s, one.place) for one in found} == {
        ("drop_error", 1e-5, DISTANCE_KM),
        ("drop_congestion", 3e-5, DISTANCE_KM),
        ("drop_congestion", 4e-5, last.from_place),
        ("go_back", 6e-5, route.places[0]),
    }


def route_with(trace: Trace, *events: str) -> Route:
    text = trace.scenario_text + "events:\n" + "".join(f"  - {{{one}}}\n" for one in events)
    return find_route(replace(trace, scenario_text=text), "write.0")


def test_an_outage_takes_what_is_on_the_line_and_what_comes_after(trace: Trace):
    down = "at: 100 us, what: down"
    route = route_with(
        trace,
        f"{down}, outage: 200 us",
        f"{down}, outage: 200 us, direction: b",  # what goes the other way
        "at: 100 us, what: capacity, rate: 200 Gbps",  # hitless
        "at: 100 us, what: pause-storm, host: b.0, lasts: 1 us",
    )
    (outage,) = space_time.outages(trace, route)
    assert outage.corners == [
        (1e-4, 0.0),
        (3e-4, 0.0),
        (pytest.approx(3e-4 + DELAY_S), DISTANCE_KM),  # sent as it came up again
        (1e-4, DISTANCE_KM),  # what arrived before is not lost
    ]
    (endless,) = space_time.outages(trace, route_with(trace, down))
    assert endless.corners[1] == (trace.end_s, 0.0)


def test_what_has_passed_the_place_of_a_break_goes_on(trace: Trace):
    cut = "at: 100 us, what: down, outage: 200 us, break_at: 4 km"
    (outage,) = space_time.outages(trace, route_with(trace, cut))
    beyond_s = pytest.approx(1e-4 + 6 * 4.9e-6)
    assert outage.corners[0] == (1e-4, 4.0)
    assert outage.corners[3] == (beyond_s, DISTANCE_KM)


def test_a_long_run_is_shown_from_before_its_first_event(trace: Trace, route: Route):
    assert trace.end_s < 40 * DELAY_S
    assert space_time.telling_window_s(trace, route) == (0.0, trace.end_s)
    long = replace(trace, edges_s=np.array([0.0, 1.0]), events=[Event("down", 0.5, NAN, 0)])
    begin_s, end_s = space_time.telling_window_s(long, route)
    assert begin_s == pytest.approx(0.5 - 2 * DELAY_S)
    assert end_s - begin_s == pytest.approx(25 * DELAY_S)
    at_the_end = replace(long, events=[Event("down", 1.0, NAN, 0)])
    assert space_time.telling_window_s(at_the_end, route)[1] == pytest.approx(1.0)


def test_pauses_are_cut_to_the_window_and_those_too_near_to_be_seen_apart_become_one():
    Spell = space_time.Spell  # noqa: N806
    spells = [Spell(0, 0, 1), Spell(0, 1.1, 2), Spell(0, 3, 4), Spell(1, 4.05, 5, 0.5)]
    assert space_time.within(spells, (3.5, 4.5)) == [Spell(0, 3.5, 4), Spell(1, 4.05, 4.5, 0.5)]
    assert space_time.merged(spells, 0.2) == [Spell(0, 0, 2), *spells[2:]]


# The overview


def test_six_flows_have_names_and_the_rest_a_sum(trace: Trace):
    curves = overview.goodput_curves(trace, "write.7")
    assert [curve.label for curve in curves] == [
        "write.7",
        *(f"write.{k}" for k in range(5)),
        "the other 2 together",
    ]
    assert np.allclose(sum(curve.values for curve in curves), trace.goodput_bps.sum(axis=0))


def test_the_largest_port_of_each_kind_is_shown(trace: Trace):
    shown = np.ones(len(trace.length_s), bool)
    curves = overview.queue_curves(trace, shown)
    assert len(curves) <= 4
    kinds = [overview.kind_of_port(curve.label.partition("\n")[0]) for curve in curves]
    assert len(set(kinds)) == len(kinds)
    assert curves[0].values.max() == trace.queue_bytes.max()
    labels = [curve.label for curve in overview.pause_curves(trace, shown)]
    assert any(label.endswith("\n(most paused of 8 such)") for label in labels)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dc1.13>dc1.leaf0", "dc1.>dc1.leaf"),
        ("dc1.gateway>dc1.otn0#1", "dc1.gateway>dc1.otn"),
        ("a.switch>b.switch", "a.switch>b.switch"),
    ],
)
def test_a_kind_of_port_has_no_numbers_but_those_of_its_site(name: str, kind: str):
    assert overview.kind_of_port(name) == kind


def test_joined_bins_keep_sums_and_the_largest(trace: Trace):
    bins = 1001
    lengths_s = np.full(bins, 2.0)
    lengths_s[-1] = 0.5
    long = replace(trace, edges_s=np.append(0.0, np.cumsum(lengths_s)))
    values = np.random.default_rng(1).random(bins)
    shown = np.ones(bins, bool)
    shown[:5] = False
    together, places = overview.joined(shown)
    assert (together, places[0], places[-1]) == (3, 5, bins)
    means = overview.joined_values(long, overview.Curve("", values), shown)
    assert means @ np.diff(long.edges_s[places]) == pytest.approx(values[5:] @ lengths_s[5:])
    largest = overview.joined_values(long, overview.Curve("", values, is_largest=True), shown)
    assert largest[0] == values[5:8].max()
    assert largest.max() == values[5:].max()


# What is on the page


def test_lines_and_fills_differ_without_colours():
    assert len(style.LINES) >= overview.MOST_FLOWS
    dashes = [str(dash) for _, dash in (*style.LINES, style.SUM_LINE)]
    assert len(set(dashes)) == len(dashes)
    assert style.STOP_LINE[1] != style.GO_ON_LINE[1]
    assert len({style.PAUSED_HATCH, style.BINNED_HATCH, style.LOST_HATCH}) == 3
    markers = [marker for _, marker in style.LOSSES.values()]
    assert len(set(markers)) == len(markers)
    assert {kind: mark[1] for kind, mark in style.MARKERS.items()}.items() <= {
        kind: mark[1] for kind, mark in style.LOSSES.items()
    }.items()


def test_colours_are_told_apart_by_their_lightness_or_dashes():
    fills = [style.PAUSED_FILL, style.BINNED_FILL]
    for one, other in combinations([*style.LINES, style.SUM_LINE], 2):
        assert one[0] != other[0]
    assert len(set(fills)) == 2


@pytest.mark.parametrize(
    ("choose", "largest", "name", "size"),
    [
        (style.time_unit, 0.09, "ms", 1e-3),
        (style.time_unit, 1.0, "s", 1.0),
        (style.time_unit, 0.0, "ns", 1e-9),
        (style.rate_unit, 400e9, "Gb/s", 1e9),
        (style.rate_unit, 0.0, "b/s", 1.0),
        (style.size_unit, 2.0**20, "MiB", 2.0**20),
        (style.size_unit, 1000.0, "B", 1.0),
    ],
)
def test_units_fit(choose: Any, largest: float, name: str, size: float):
    assert (choose(largest).name, choose(largest).size) == (name, size)


def test_axes_have_units_and_titles_the_scenario_and_seed(file: Path, tmp_path: Path):
    found = drawn(file, tmp_path, flow="write.3")
    assert "small-incast, seed 5" in found
    for label in (
        "goodput (Gb/s)",
        "stored (MiB)",
        "paused (% of time)",
        "simulated time (ms)",
        "km along the lines",
        "the other 2 together",
        "Path of write.3, priority 3: 10 km of line, 49 us one way",
        "a.3",
        "b.otn0",
        "stop (PFC) on its way back, the first 32 of a port",
        "the node's port is paused",
    ):
        assert label in found
    (bar,) = [text for text in found if text.startswith("sent on the line")]
    assert "% of 400 Gb/s" in bar
    assert not [text for text in found if text.startswith("grey: means over")]


def test_bins_too_long_to_see_the_way_are_told(file: Path, tmp_path: Path):
    stretched = tmp_path / "long.h5"
    stretched.write_bytes(file.read_bytes())
    with h5py.File(stretched, "r+") as data:
        for name in ("time", "time_width"):
            data[name][:] *= 100
    found = drawn(stretched, tmp_path, kind="space-time")
    assert "grey: means over 200 us, longer than the way takes" in found


def test_the_bar_of_greys_ends_where_the_data_does(file: Path, tmp_path: Path):
    thin = tmp_path / "thin.h5"
    thin.write_bytes(file.read_bytes())
    with h5py.File(thin, "r+") as data:
        data["sent"][:] //= 30
    found = drawn(thin, tmp_path, kind="space-time")
    assert [text for text in found if text == "5"]
    assert not [text for text in found if text == "100"]


def test_a_kind_of_picture_has_its_panels_only(file: Path, tmp_path: Path):
    over = drawn(file, tmp_path, "o.svg", kind="overview")
    assert "goodput (Gb/s)" in over
    assert "km along the lines" not in over
    below = drawn(file, tmp_path, "s.svg", kind="space-time")
    assert "goodput (Gb/s)" not in below
    assert "km along the lines" in below


def test_events_are_named_and_what_they_lose_is_hatched(file: Path, tmp_path: Path):
    two = (("line 0 slow", 3e-4, 5e-4, 0), ("cost $1$", 5.1e-4, NAN, -1))
    found = drawn(with_events(file, tmp_path / "e.h5", *two), tmp_path, to_ps=900_000_000)
    for name in ("line 0 slow", "cost $1$"):
        assert found.count(name) == 2  # above the overview and above the diagram
    assert "lost: the line was down" not in found
    events = "events: [{at: 300 us, what: switch, outage: 200 us, to: 12 km, waiting: held}]\n"
    (tmp_path / "cut.yaml").write_text(INCAST + events)
    wanrdma.run(tmp_path / "cut.yaml", trace=tmp_path / "cut.h5")
    found = drawn(tmp_path / "cut.h5", tmp_path, "c.svg", to_ps=900_000_000)
    assert found.count("line 0 switched to 12 km") == 2
    assert "lost: the line was down" in found
    later = drawn(tmp_path / "cut.h5", tmp_path, "l.svg", kind="space-time", from_ps=700_000_000)
    assert not {"line 0 switched to 12 km", "lost: the line was down"} & set(later)
    assert read_trace(file).events == []  # the log's events are none of the scenario's


def test_losses_are_marked(tmp_path: Path):
    text = INCAST.replace("rate: 400 Gbps", "rate: 400 Gbps\n    errors: {post_fec_ber: 1.0e-7}")
    (tmp_path / "lossy.yaml").write_text(text)
    result = wanrdma.run(tmp_path / "lossy.yaml", trace=tmp_path / "lossy.h5")
    assert result.totals["naks"]
    found = drawn(tmp_path / "lossy.h5", tmp_path, to_ps=2_000_000_000)
    assert {"go-back", "frame lost to an error", "sender goes back"} <= set(found)


def test_an_incomplete_trace_says_so(file: Path, tmp_path: Path):
    part = tmp_path / "x.h5.part"
    part.write_bytes(file.read_bytes())
    with h5py.File(part, "r+") as data:
        data.attrs["complete"] = np.uint8(0)
    (title,) = [
        text for text in drawn(part, tmp_path, kind="overview") if text.startswith("small-incast")
    ]
    assert "incomplete" in title


def test_a_trace_without_what_was_sent_has_an_overview(file: Path, tmp_path: Path):
    old = tmp_path / "old.h5"
    old.write_bytes(file.read_bytes())
    with h5py.File(old, "r+") as data:
        del data["sent"]
    with pytest.raises(TraceError, match="no variable 'sent'"):
        plot(old, tmp_path / "x.png")
    assert plot(old, tmp_path / "x.png", kind="overview").exists()


def test_a_run_without_a_flow_or_without_time(tmp_path: Path):
    rows = "traffic:\n  - {name: think, at: a.0, compute: 0 s}\n"
    (tmp_path / "x.yaml").write_text(INCAST[: INCAST.index("traffic:")] + rows)
    wanrdma.run(tmp_path / "x.yaml", trace=tmp_path / "x.h5")
    with pytest.raises(TraceError, match="has no flow"):
        plot(tmp_path / "x.h5", tmp_path / "x.png")
    found = drawn(tmp_path / "x.h5", tmp_path, kind="overview")
    assert "simulated time (ns)" in found


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_trace_gives_the_same_bytes(
    file: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
):
    kind = "both" if suffix == "svg" else "space-time"
    first = plot(file, tmp_path / f"1.{suffix}", kind=kind).read_bytes()
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 20.0)  # as a matplotlibrc may say
    assert plot(file, tmp_path / f"2.{suffix}", kind=kind).read_bytes() == first
    assert matplotlib.rcParams["font.size"] == 20.0


def test_scenarios_that_the_trace_holds_load_alone(trace: Trace):
    assert loads(trace.scenario_text).scenario.name == "small-incast"
