"""From a scenario to ports, paths, windows and operations, checked by hand."""

from collections import Counter
from itertools import pairwise

import pytest
from small_scenarios import ONE_SWITCH, line, scenario, transfer

from wanrdma import engine
from wanrdma.build import Network, build
from wanrdma.kernels import tables as kt


def paths_of(network: Network, q: int = 0) -> tuple[list[str], list[str]]:
    """Return the names of the ports that data and ACKs of a queue pair leave by."""
    at = network.tables.of_queue_pairs
    return _path(network, int(at("data_path")[q])), _path(network, int(at("ack_path")[q]))


def _path(network: Network, at: int) -> list[str]:
    names = []
    while network.tables.paths[at] != kt.NOWHERE:
        names.append(network.port_names[network.tables.paths[at]])
        at += 1
    return names


def test_path_through_one_switch_a_site() -> None:
    data, acks = paths_of(build(scenario()))
    assert data == ["a.0>a.switch", "a.switch>b.switch", "b.switch>b.0"]
    assert acks == ["b.0>b.switch", "b.switch>a.switch", "a.switch>a.0"]


def test_path_through_leaf_spine_and_otn_terminals() -> None:
    fabric = {"type": "leaf-spine", "leaves": 2, "spines": 1}
    site = {"hosts": 4, "fabric": fabric}
    cooperative = {"flow_control": "cooperative"}
    network = build(
        scenario(
            sites={"a": site, "b": site},
            lines=[line("a", "b", otn=cooperative)],
            traffic=[transfer("t", "a.3", "b.0")],
        )
    )
    data, acks = paths_of(network)
    nodes = ["a.3", "a.leaf1", "a.spine0", "a.gateway", "a.otn0"]
    nodes += ["b.otn0", "b.gateway", "b.spine0", "b.leaf0", "b.0"]
    assert data == [f"{here}>{there}" for here, there in pairwise(nodes)]
    back = nodes[::-1]
    assert acks == [f"{here}>{there}" for here, there in pairwise(back)]


@pytest.mark.parametrize(
    ("target", "nodes"),
    [
        ("a.1", ["a.0", "a.leaf0", "a.1"]),
        ("a.2", ["a.0", "a.leaf0", "a.spine0", "a.leaf1", "a.2"]),
    ],
)
def test_path_inside_a_site(target: str, nodes: list[str]) -> None:
    fabric = {"type": "leaf-spine", "leaves": 2, "spines": 1}
    site = {"hosts": 4, "fabric": fabric}
    network = build(scenario(sites={"a": site}, lines=[], traffic=[transfer("t", "a.0", target)]))
    data, _ = paths_of(network)
    assert data == [f"{here}>{there}" for here, there in pairwise(nodes)]
    assert engine.run(network).status == "completed"


def test_three_sites_pass_through_the_middle_and_take_the_fewest_lines() -> None:
    sites = {name: {"hosts": 1, "fabric": ONE_SWITCH} for name in "abc"}
    row = [line("a", "b"), line("b", "c")]
    traffic = [transfer("t", "a.0", "c.0")]
    data, _ = paths_of(build(scenario(sites=sites, lines=row, traffic=traffic)))
    assert data[1:3] == ["a.switch>b.switch", "b.switch>c.switch"]
    triangle = [*row, line("a", "c")]
    data, _ = paths_of(build(scenario(sites=sites, lines=triangle, traffic=traffic)))
    assert data[1] == "a.switch>c.switch"


def test_queue_pairs_spread_over_lines_and_ports_and_stay_there() -> None:
    lines = [line("a", "b"), line("a", "b", rate="3 x 400 Gbps", distance="20 km")]
    many = [transfer("t", "a.0", "b.0", queue_pairs=400)]
    network = build(scenario(lines=lines, traffic=many))
    used = Counter(paths_of(network, q)[0][1] for q in range(400))
    # Four ports lead there, one of the first line and three of the second, all alike.
    assert used.keys() == {f"a.switch>b.switch#{k}" for k in range(4)}
    sigma = (400 * 1 / 4 * 3 / 4) ** 0.5
    assert all(abs(count - 100) < 4 * sigma for count in used.values())
    again = build(scenario(lines=lines, traffic=many))
    assert [paths_of(network, q) for q in range(400)] == [paths_of(again, q) for q in range(400)]
    other_seed = build(scenario(lines=lines, traffic=many), seed=2)
    assert [paths_of(network, q) for q in range(400)] != [
        paths_of(other_seed, q) for q in range(400)
    ]


def test_automatic_window_is_rate_times_round_trip_and_what_it_needs() -> None:
    network = build(scenario(lines=[line("a", "b", distance="329 km")]))
    # Light there and back 2 x 329 km x 4.9 us; data stored thrice, the ACK thrice.
    round_trip_ps = 2 * 329 * 4_900_000 + 3 * 4178 * 20 + 3 * 86 * 20
    packets = -(-round_trip_ps // (4178 * 20)) + 2 * 1 + 2
    assert network.tables.requesters[0]["window_bytes"] == packets * 4096


def test_line_delay_is_light_and_two_terminals() -> None:
    network = build(scenario(lines=[line("a", "b", otn={"latency": "5 us"})]))
    ports = network.tables.ports
    there = network.port_names.index("a.switch>b.switch")
    assert ports[there]["delay_ps"] == 10 * 4_900_000 + 2 * 5_000_000
    assert ports[ports[there]["peer"]]["delay_ps"] == ports[there]["delay_ps"]


def test_bytes_are_shared_over_queue_pairs_by_messages() -> None:
    row = transfer("t", "a.0", "b.0", bytes="1000 kB", message="300 kB", queue_pairs=3)
    operations = build(scenario(traffic=[row])).tables.operations
    assert operations["bytes"].tolist() == [300_000, 300_000, 400_000]
    assert operations["messages"].tolist() == [1, 1, 2]
    one_message = transfer("t", "a.0", "b.0", bytes="10 B", queue_pairs=3)
    operations = build(scenario(traffic=[one_message])).tables.operations
    assert operations["bytes"].tolist() == [3, 3, 4]


def test_long_messages_are_cut_at_two_gib() -> None:
    row = transfer("t", "a.0", "b.0", bytes="5 GiB")
    operation = build(scenario(traffic=[row])).tables.operations[0]
    assert operation["message_bytes"] == 2**31
    assert operation["messages"] == 3


def test_slots_hold_back_what_has_no_credit() -> None:
    slots = {"count": 2, "bytes": "64 KiB", "credit": "64 B"}
    network = build(scenario(traffic=[transfer("t", "a.0", "b.0", slots=slots)]))
    assert network.operation_names == ["t", "t/credits"]
    assert engine.run(network).status == "completed"
    # Each round trip moves two slots: 16 slots need 8, of which the last ends half way.
    light_ps = 10 * 4_900_000
    delivered_ps = int(network.tables.operations[0]["delivered_ps"])
    assert 15 * light_ps < delivered_ps < 15 * light_ps * 1.1


def test_row_on_the_queue_pairs_of_another_follows_it() -> None:
    rows = [transfer("t", "a.0", "b.0"), transfer("u", "a.0", "b.0", queue_pairs_of="t")]
    network = build(scenario(traffic=rows))
    assert len(network.tables.requesters) == 1
    assert engine.run(network).status == "completed"
    first, second = network.tables.operations
    assert second["first_packet"] == first["packets"] == 256
    assert first["delivered_ps"] < second["delivered_ps"]


def test_rows_wait_for_others() -> None:
    rows = [
        transfer("t", "a.0", "b.0"),
        {"name": "think", "compute": "7 us", "at": "b.0", "after": ["t"]},
        transfer("answer", "b.0", "a.0", after=["think"]),
        transfer("next", "a.0", "b.0", after=["t.sent"]),
    ]
    network = build(scenario(traffic=rows))
    assert engine.run(network).status == "completed"
    t, think, answer, after_sent = network.tables.operations
    assert think["start_ps"] == t["delivered_ps"]
    assert think["delivered_ps"] == answer["start_ps"] == t["delivered_ps"] + 7_000_000
    assert after_sent["start_ps"] == t["sent_ps"]


def test_flow_control_that_cannot_work_is_warned_of() -> None:
    small = {"flow_control": "cooperative", "buffer": "200 kB", "client_buffer": "10 kB"}
    network = build(scenario(lines=[line("a", "b", otn=small)]))
    assert [text.split(" (")[0] for text in network.warnings] == [
        "lines.0.otn.client_buffer",
        "lines.0.otn.buffer",
    ]


def test_timer_shorter_than_the_round_trip_is_warned_of() -> None:
    network = build(scenario(nic={"timeout": 4}))
    assert network.warnings == [
        "t: the ACK timer (65.54 us, nic.timeout 4) is no longer than the round trip (98.26 us): "
        "all is sent again"
    ]
    assert build(scenario(nic={"timeout": 5})).warnings == []


def test_client_channel_and_client_are_one_choice() -> None:
    cooperative = {"flow_control": "cooperative"}
    lines = [line("a", "b", rate="3 x 400 Gbps", otn=cooperative)]
    many = [transfer("t", "a.0", "b.0", queue_pairs=30)]
    network = build(scenario(lines=lines, traffic=many))
    for q in range(30):
        data, acks = paths_of(network, q)
        assert {name[-2:] for name in data[1:4]} == {data[1][-2:]}
        assert {name[-2:] for name in acks[1:4]} == {data[1][-2:]}


def test_headroom_covers_acks_larger_than_packets() -> None:
    nic = {"mtu": 256, "framing": {"ack": "4096 B"}, "window": "64 KiB"}
    slow = {"hosts": 3, "fabric": ONE_SWITCH | {"pfc": {"xoff": "4 KiB", "xon": "1 KiB"}}}
    rows = [transfer("t", "a.0", "a.2"), transfer("u", "a.1", "a.2")]
    network = build(scenario(sites={"a": slow}, lines=[], nic=nic, traffic=rows))
    assert engine.run(network).status == "completed"
    assert network.tables.lanes["drops_congestion"].sum() == 0


def test_times_beyond_a_hundred_days_stop_the_run() -> None:
    rows = [
        {"name": "one", "compute": "2400 h", "at": "a.0"},
        {"name": "two", "compute": "2400 h", "at": "a.0", "after": ["one"]},
    ]
    network = build(scenario(traffic=rows))
    assert engine.run(network).status == "stopped"
    assert network.tables.run["clock_ps"][0] == kt.LAST_PS
