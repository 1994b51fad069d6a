"""Events of a scenario: what may be said of them, and what they become."""

import numpy as np
import pytest
from small_scenarios import ONE_SWITCH, line, scenario, transfer
from test_scenario import PLAIN, assert_problems

from wanrdma import engine
from wanrdma.build import Network, build
from wanrdma.kernels import tables as kt
from wanrdma.scenario import loads
from wanrdma.theory import line_delay_ps

US, MS = 10**6, 10**9
OUT, BACK = "a.switch>b.switch", "b.switch>a.switch"


def built(*events: dict, seed: int = 1, **parts) -> Network:
    """Two sites 10 km apart, without flow control, and these events."""
    return build(scenario(events=list(events), **parts), seed=seed)


def event(what: str, at: str = "1 ms", **keys) -> dict:
    return {"at": at, "what": what, **keys}


def spells(network: Network, p: int) -> list[tuple[int, int]]:
    row = network.tables.errors[p]
    return network.tables.spells[row["spell"] : row["spell_end"]].tolist()


def changes(network: Network, name: str) -> list[tuple[int, int, int]]:
    """Return time, kind and value of what happens to a port."""
    p = network.port_names.index(name)
    rows = network.tables.changes
    return [
        (int(row["time_ps"]), int(row["kind"]), int(row["value"]))
        for row in rows[(rows["kind"] != kt.HINT) & (rows["entity"] == p)]
    ]


def port(network: Network, name: str) -> int:
    return network.port_names.index(name)


# ---- what may be said ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{at: 1 ms, what: ¦dwon}", "what: got 'dwon'; did you mean 'down'? allowed: "
         "down, switch, reroute, capacity, ber, wavelength-lost, pause-storm"),
        ("{at: 1 ms, what: down, line: ¦1}",
         "line: there is no line 1: lines are counted from 0, and there are 1"),
        ("{at: 1 ms, what: down, to: ¦9 km}", "to: to has no effect with 'down', which takes line, "
         "channel, outage, outage_at_least, direction, break_at, waiting, detection"),
        ("{at: 1 ms, what: ¦capacity}", "what: 'capacity' needs rate"),
        ("{at: 1 ms, what: ¦ber}", "what: 'ber' needs ratio"),
        ("{at: 1 ms, what: ¦pause-storm}", "what: 'pause-storm' needs host"),
        ("{at: 1 ms, what: ber, ratio: ¦0.7}", "ratio: must be below 0.5, got 0.7"),
        ("{at: 1 ms, what: down, channel: ¦2}",
         "channel: channels are counted from 0, and the line has 2"),
        ("{at: 1 ms, what: down, direction: ¦c}",
         "direction: 'c' is none of 'both', 'a' and 'b', the sites of the line"),
        ("{at: 1 ms, what: down, break_at: ¦330 km}",
         "break_at: is beyond the end of the line, at most 329 km"),
        ("{at: 1 ms, what: switch, detection: ¦1 ms}",
         "detection: detection has no effect unless waiting is 'held'"),
        ("{at: 1 ms, what: down, outage_at_least: ¦1 ms}",
         "outage_at_least: outage_at_least (1.000 ms) may not be above the outage, which is "
         "for ever"),
        ("{at: 1 ms, what: pause-storm, host: ¦q.0}", "host: no site 'q'; sites: a, b"),
        ("{at: 1 ms, what: pause-storm, host: ¦a.9}",
         "host: 'a.9': site 'a' has hosts 0 to 3"),
        ("{at: 1 ms, what: pause-storm, host: ¦a.*}",
         "host: 'a.*' is 4 hosts; name one, SITE.N"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_where_it_stands(row, said):
    assert_problems(PLAIN + f"events:\n  - {row}\n", [f"events.0.{said}"])


def test_a_line_keeps_one_wavelength():
    lost = "  - {at: 1 ms, what: wavelength-lost, channel: 0}\n"
    both = lost + lost.replace("what: ", "what: ¦").replace("channel: 0", "channel: 1")
    said = "events.1.what: no channel of the line is left then; write what: down"
    assert_problems(PLAIN + "events:\n" + both, [said])
    back = lost.replace("}", ", outage: 1 ms, lasts: 1 ms}")
    after = lost.replace("at: 1 ms", "at: 2 ms").replace("channel: 0", "channel: 1")
    assert len(loads(PLAIN + "events:\n" + back + after).scenario.events) == 2


def test_messages_are_not_faster_than_light():
    slow = "    otn: {flow_control: cooperative, control: channel, control_latency: ¦1 ms}\n"
    said = "lines.0.otn.control_latency: control_latency (1.000 ms) may not be below what light "
    said += "and terminals take (1.622 ms)"
    assert_problems(PLAIN.replace("    rate:", slow + "    rate:"), [said])


# ---- what it becomes -----------------------------------------------------------------------

DELAY_PS = line_delay_ps(10_000, 4900.0)


def test_all_that_is_on_the_fibre_is_lost_both_ways():
    network = built(event("down", outage="2 ms"))
    for name in (OUT, BACK):
        assert spells(network, port(network, name)) == [(MS - DELAY_PS, 3 * MS)]
        assert changes(network, name) == []  # its terminals send on


def test_one_direction_may_break_alone():
    network = built(event("down", outage="2 ms", direction="a"))
    assert spells(network, port(network, OUT))
    assert spells(network, port(network, BACK)) == []


def test_what_has_passed_a_place_is_saved_and_what_comes_to_it_later_too():
    network = built(event("down", outage="2 ms", break_at="3 km"))
    there, back = 3 * DELAY_PS // 10, 7 * DELAY_PS // 10
    assert spells(network, port(network, OUT)) == [(MS - there, 3 * MS - there)]
    assert spells(network, port(network, BACK)) == [(MS - back, 3 * MS - back)]


def test_breaks_that_touch_are_one():
    network = built(event("down", outage="2 ms"), event("down", "2 ms", outage="2 ms"))
    assert spells(network, port(network, OUT)) == [(MS - DELAY_PS, 4 * MS)]
    later = built(event("down", outage="1 ms"), event("down", "3 ms", outage="1 ms"))
    assert spells(later, port(later, OUT)) == [
        (MS - DELAY_PS, 2 * MS),
        (3 * MS - DELAY_PS, 4 * MS),
    ]


def test_a_line_that_is_held_stops_and_goes_on():
    network = built(event("down", outage="2 ms", waiting="held", detection="500 us"))
    stops = [(3 * MS // 2, kt.STOP, 0), (3 * MS, kt.GO, 0)]
    assert changes(network, OUT) == changes(network, BACK) == stops


def test_a_switch_goes_by_a_fibre_of_its_own_which_a_later_cut_does_not_touch():
    network = built(
        event("switch", to="30 km", outage="1 ms"),
        event("switch", "5 ms", to="10 km", outage="0 s"),
        event("down", "6 ms", outage="1 ms"),
    )
    p = port(network, OUT)
    (there, back) = changes(network, OUT)
    way = network.tables.lines[there[2]]
    assert there[:2] == (2 * MS, kt.SWITCH)
    assert back == (5 * MS, kt.SWITCH, network.tables.ports[p]["line"])
    assert way["delay_ps"] == 3 * DELAY_PS
    assert network.tables.ports[way["port"]]["stands_for"] == p
    assert spells(network, int(way["port"])) == []
    assert spells(network, p) == [(MS - DELAY_PS, 2 * MS), (6 * MS - DELAY_PS, 7 * MS)]


def test_a_cut_during_an_outage_hits_the_way_that_is_left():
    """The line switches at 2 ms; the second break is of the way that it leaves."""
    network = built(
        event("switch", to="30 km", outage="1 ms", waiting="held"),
        event("down", "1500 us", outage="9 ms", waiting="held"),
    )
    assert [row[:2] for row in changes(network, OUT)] == [
        (MS, kt.STOP),
        (2 * MS, kt.SWITCH),
        (2 * MS, kt.GO),
    ]


def test_capacity_and_wavelengths_share_what_is_left():
    two = [line("a", "b", rate="2 x 400 Gbps")]
    network = built(
        event("wavelength-lost", channel=1, outage="1 ms", lasts="4 ms"),
        event("capacity", "3 ms", rate="200 Gbps", lasts="1 ms"),
        lines=two,
    )
    for channel in (0, 1):
        assert changes(network, f"{OUT}#{channel}") == [
            (2 * MS, kt.RATE, 40),
            (3 * MS, kt.RATE, 80),
            (4 * MS, kt.RATE, 40),
            (5 * MS, kt.RATE, 20),
        ]
    assert spells(network, port(network, f"{OUT}#0")) == []
    assert spells(network, port(network, f"{OUT}#1")) == [(MS - DELAY_PS, 2 * MS)]


def test_a_drawn_outage_lies_within_and_comes_again_with_its_seed():
    drawn = event("switch", outage="50 ms", outage_at_least="10 ms")

    def end_ps(seed: int) -> int:
        (happening,) = built(drawn, seed=seed).happenings
        return happening.end_ps

    ends = [end_ps(seed) for seed in range(40)]
    assert min(ends) >= 11 * MS
    assert max(ends) <= 51 * MS
    assert max(ends) - min(ends) > 30 * MS
    assert end_ps(7) == ends[7]


def test_an_error_ratio_changes_on_the_way_in_use():
    network = built(
        event("switch", "1 ms", to="30 km", outage="0 s"), event("ber", "2 ms", ratio=1e-6)
    )
    row = network.tables.errors[network.tables.lines[changes(network, OUT)[0][2]]["port"]]
    own = network.tables.error_changes[row["change"] : row["change_end"]]
    assert own["time_ps"].tolist() == [2 * MS]
    first = network.tables.errors[port(network, OUT)]
    assert first["change"] == first["change_end"]


def test_hints_tell_senders_the_new_round_trip_and_window():
    hinted = [line("a", "b", otn={"latency": "0 s", "distance_hints": True})]
    switch = event("switch", to="30 km", outage="1 ms")
    network = built(switch, lines=hinted)
    rows = network.tables.changes
    (hint,) = rows[rows["kind"] == kt.HINT]
    pair = network.tables.requesters[0]
    assert hint["time_ps"] == 2 * MS
    assert hint["other"] == pair["round_trip_ps"] + 4 * DELAY_PS
    assert hint["value"] > 2.9 * pair["window_bytes"]
    assert not (built(switch).tables.changes["kind"] == kt.HINT).any()
    selective = built(switch, lines=hinted, nic={"retransmission": "selective-repeat"})
    hint_bytes = selective.tables.changes["value"].max()
    assert selective.tables.requesters[0]["reorder_packets"] * 4096 >= hint_bytes


def test_a_control_channel_goes_with_the_way():
    otn = {"flow_control": "cooperative", "control": "channel", "latency": "0 s"}
    lines = [line("a", "b", otn=otn | {"control_latency": "60 us", "control_hold": "300 us"})]
    network = built(event("switch", to="30 km", outage="1 ms"), lines=lines)
    tables = network.tables
    p = port(network, "a.otn0>b.otn0")
    control = tables.ports[tables.ports[p]["control"]]
    assert control["delay_ps"] == 60 * US
    assert (control["pause_ps"], tables.ports[p]["refresh_ps"]) == (300 * US, 100 * US)
    way = tables.lines[changes(network, "a.otn0>b.otn0")[0][2]]
    assert tables.ports[way["control"]]["delay_ps"] == 3 * DELAY_PS  # light is slower than 60 us


# ---- what comes of it ----------------------------------------------------------------------


def test_the_trace_and_the_results_leave_out_ports_that_stand_for_others():
    network = built(event("switch", to="30 km", outage="1 ms"))
    assert len(network.tables.ports) == len(network.port_names) + 2
    assert len(network.ports) == len(network.port_names)
    assert len(network.lanes) == 8 * len(network.port_names)


def test_a_line_that_stays_down_ends_in_an_error_that_names_it():
    short = {"timeout": 8, "retries": 2}
    network = built(event("down", "10 us"), nic=short)
    outcome = engine.run(network)
    assert outcome.status == "incomplete"
    assert "its retries used up" in outcome.reason
    assert "frames were lost with a line: line 0 down at 10.00 us" in outcome.reason


def test_a_line_that_is_held_for_ever_is_named():
    network = built(event("down", "10 us", waiting="held"), nic={"timeout": 0})
    outcome = engine.run(network)
    assert outcome.status == "incomplete"
    assert "line" in outcome.reason


def test_a_shorter_way_keeps_the_order_unless_it_may_not():
    """From 100 km to 10 km without a break: 441 us of packets are still on the longer way."""

    def arrivals(**keys) -> np.ndarray:
        far = [line("a", "b", distance="100 km")]
        hop = event("switch", "600 us", to="10 km", outage="0 s", **keys)
        big = [transfer("t", "a.0", "b.0", bytes="64 MiB")]
        network = built(hop, lines=far, traffic=big, nic={"window": "64 MiB"})
        assert engine.run(network, probe=True).status == "completed"
        rows = network.tables.probe_rows()
        data = (rows["port"] == port(network, BACK)) & (rows["kind"] == kt.DATA)
        return rows[data & (rows["is_arrival"] == 1)]["psn"]

    assert (np.diff(arrivals()) == 1).all()
    overtaken = np.diff(arrivals(overtake=True))
    assert (overtaken > 1).any()
    assert (overtaken < 0).any()


# ---- what a review found -------------------------------------------------------------------


def test_storms_of_one_host_that_overlap_are_one():
    storms = [
        event("pause-storm", "1 ms", host="b.0", lasts="50 ms"),
        event("pause-storm", "2 ms", host="b.*", lasts="1 ms"),
    ]
    sites = {name: {"hosts": 1, "fabric": {"type": "one-switch"}} for name in "ab"}
    network = built(*storms, sites=sites)
    rows = network.tables.changes
    assert list(zip(rows["time_ps"], rows["kind"], strict=True)) == [
        (1 * MS, kt.STORM_BEGINS),
        (51 * MS, kt.STORM_ENDS),
    ]


def test_a_switch_always_takes_another_fibre():
    """Without a length, or to the same: the one that is broken stays so."""
    for to in ({}, {"to": "10 km"}):
        network = built(event("down"), event("switch", outage="0 s", **to), nic={"timeout": 8})
        assert len(changes(network, OUT)) == 1
        assert engine.run(network).status == "completed"


def test_a_switch_at_the_very_beginning_is_hinted_too():
    hinted = [line("a", "b", otn={"latency": "0 s", "distance_hints": True})]
    network = built(event("switch", "0 s", to="30 km", outage="0 s"), lines=hinted)
    rows = network.tables.changes
    assert rows[rows["kind"] == kt.HINT]["time_ps"].tolist() == [0]


def test_times_beyond_all_runs_are_for_ever():
    network = built(event("down", "2000 h", outage="2000 h", waiting="held"))
    assert changes(network, OUT) == [(2000 * 3600 * 1000 * MS, kt.STOP, 0)]
    (happening,) = network.happenings
    assert happening.end_ps == -1


def test_a_run_does_not_wait_for_events_that_help_no_one():
    short = {"timeout": 8, "retries": 2}
    late = event("down", "2000 h", outage="1 s", waiting="held")
    network = built(event("down", "10 us"), late, nic=short)
    outcome = engine.run(network)
    assert "its retries used up" in outcome.reason
    assert network.tables.run["clock_ps"].max() < 10 * MS


def test_a_warning_of_headroom_that_an_event_outgrows():
    otn = {"flow_control": "transparent", "latency": "0 s", "buffer": "8 MiB"}
    clean = built(lines=[line("a", "b", otn=otn)])
    assert clean.warnings == []
    far = built(event("switch", to="300 km", outage="0 s"), lines=[line("a", "b", otn=otn)])
    assert len(far.warnings) == 2
    assert all("let the worst-case headroom" in warning for warning in far.warnings)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{at: 1 ms, what: down, outage: ¦0 s}",
         "outage: an outage of 0 is none; give a time, or leave it out"),
        ("{at: 1 ms, what: capacity, rate: 200 Gbps, waiting: ¦held}",
         "waiting: waiting has no effect with an outage of 0"),
        ("{at: 1 ms, what: wavelength-lost, channel: 0, lasts: ¦2 ms}",
         "lasts: lasts (2.000 ms) may not be below the outage (50.00 ms)"),
        ("{at: 1 ms, what: switch, overtake: ¦true}",
         "overtake: overtake has no effect without to, a length"),
        ("{at: 1 ms, what: down, outage: 1 ms, waiting: held, detection: ¦1 ms}",
         "detection: detection (1.000 ms) must be below the outage (1.000 ms), or nothing is held"),
        ("{at: 1 ms, what: pause-storm, host: a.0, priority: ¦5}",
         "priority: the switches of a have no PFC on priority 5: they would not obey; give one of "
         "sites.SITE.fabric.pfc.priorities"),
    ],
)  # fmt: skip
def test_what_would_change_nothing_is_refused(row, said):
    assert_problems(PLAIN + f"events:\n  - {row}\n", [f"events.0.{said}"])


def test_a_shared_buffer_holds_a_frame():
    small = PLAIN.replace(
        "  a: {hosts: 4}", "  a: {hosts: 4, fabric: {pfc: {shared: ¦20 KiB, alpha: 0.125}}}"
    )
    said = "sites.a.fabric.pfc.shared: alpha x shared (2.50 KiB) must hold a frame of 4.10 KiB"
    assert_problems(small, [said])


def test_an_empty_lane_of_a_full_pool_does_not_pause_for_ever():
    """Three senders share a pool of five frames, and headroom of one, on their way to a fourth."""
    pfc = {"shared": "20 kB", "alpha": 64.0, "headroom": "4200 B", "headroom_pool": "4200 B"}
    sites = {"a": {"hosts": 4, "fabric": {"type": "one-switch", "pfc": pfc}}}
    rows = [transfer(f"t{k}", f"a.{k}", "a.3") for k in range(3)]
    network = build(scenario(sites=sites, lines=[], traffic=rows, nic={"timeout": 8}))
    assert engine.run(network).status == "completed"


def test_a_slow_control_channel_has_its_headroom():
    """2:1 over 100 km; a stop takes 2 ms, four times as long as light."""
    otn = {"flow_control": "cooperative", "latency": "0 s", "buffer": "64 MiB"}
    otn |= {"control": "channel", "control_latency": "2 ms"}
    sites = {"a": {"hosts": 2, "fabric": ONE_SWITCH}, "b": {"hosts": 1, "fabric": ONE_SWITCH}}
    rows = [transfer(f"t{k}", f"a.{k}", "b.0", bytes="64 MiB") for k in range(2)]
    network = build(
        scenario(
            sites=sites,
            lines=[line("a", "b", distance="100 km", rate="200 Gbps", otn=otn)],
            nic={"rate": "100 Gbps", "window": "128 MiB"},
            traffic=rows,
        )
    )
    far = 8 * port(network, "b.otn0>a.otn0") + 3
    room = (
        network.tables.lanes[far]["ingress_limit_bytes"] - network.tables.lanes[far]["xoff_bytes"]
    )
    assert room > 200e9 / 8 * (2e-3 + 490e-6)
    assert engine.run(network).status == "completed"
    assert network.tables.lanes["tx_pause"][far] > 0
    assert network.tables.lanes["drops_congestion"].sum() == 0


def test_what_waits_for_its_own_fibre_keeps_its_distance():
    """Back on a fibre that still holds back what it has for the longer way."""
    hops = [
        event("switch", "266 ns", to="0 m", outage="0 s"),
        event("switch", "8901 ns", outage="0 s"),
        event("switch", "9221 ns", to="0 m", outage="0 s", overtake=True),
    ]
    near = [line("a", "b", distance="900 m", rate="1 Gbps")]
    small = [transfer("t", "a.0", "b.0", bytes="2560 B", message="256 B")]
    nic = {"mtu": 256, "rate": "40 Gbps", "timeout": 0}
    network = built(*hops, lines=near, traffic=small, nic=nic)
    assert engine.run(network, probe=True).status == "completed"
    rows = network.tables.probe_rows()
    came = rows[(rows["port"] == port(network, BACK)) & (rows["is_arrival"] == 1)]
    took_ps = came["size_bytes"].astype(np.int64) * 8000
    assert (np.diff(came["time_ps"]) == took_ps[1:]).all()


def test_a_pause_does_not_land_with_what_went_before_it_by_its_fibre():
    """A frame of PFC that the longer way holds back, behind data: it would be handled first."""
    hops = [
        event("switch", "81 ns", to="0 m", outage="0 s"),
        event("down", "9920 ns", outage="1 ns"),
    ]
    otn = {"flow_control": "transparent", "buffer": "20000 B", "xoff": "0 B", "xon": "0 B"}
    near = [line("a", "b", distance="900 m", rate="1 Gbps", otn=otn | {"latency": "0 s"})]
    both = [
        transfer("t0", "a.0", "b.0", bytes="2560 B", message="256 B"),
        transfer("t1", "b.0", "a.0", bytes="2560 B", message="256 B", start="1 ns"),
    ]
    nic = {"mtu": 256, "rate": "40 Gbps", "timeout": 0}
    network = built(*hops, lines=near, traffic=both, nic=nic)
    assert engine.run(network, probe=True).status == "completed"
    rows = network.tables.probe_rows()
    assert (rows["kind"] == kt.PFC).sum() > 0
    for end in network.tables.lines["port"]:
        peer = network.tables.ports["peer"][end]
        came = rows[(rows["port"] == peer) & (rows["is_arrival"] == 1)]
        assert (np.diff(came["time_ps"]) >= came["size_bytes"].astype(np.int64)[1:] * 8000).all()
