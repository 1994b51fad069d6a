"""Ports that wait for each other in a circle, and what only looks like it."""

import random

import pytest
from small_scenarios import ONE_SWITCH, line, scenario, transfer

from wanrdma import engine
from wanrdma.build import build


def otn_of(latency: str, xoff: str) -> dict[str, str]:
    buffers = {"buffer": "200 kB", "client_buffer": "60 kB", "xoff": xoff, "xon": "0 B"}
    return {"flow_control": "cooperative", "latency": latency} | buffers


def test_circle_of_paused_ports_is_named() -> None:
    """Five sites in a ring, all sending two hops on: each terminal waits for the next."""
    names = ["s0", "s1", "s2", "s3", "s4"]
    pfc = {"xoff": "64 KiB", "xon": "32 KiB"}
    site = {"hosts": 8, "fabric": ONE_SWITCH | {"pfc": pfc}}
    otn = {"flow_control": "cooperative", "buffer": "1 MiB", "client_buffer": "1 MiB"}
    ring = list(zip(names, names[1:] + names[:1], strict=True))
    lines = [line(a, b, distance="1 km", rate="100 Gbps", otn=otn) for a, b in ring]
    ahead = names[2:] + names[:2]
    rows = [
        transfer(f"t{k}", f"{a}.*", f"{b}.0", bytes="64 MiB")
        for k, (a, b) in enumerate(zip(names, ahead, strict=True))
    ]
    sites = dict.fromkeys(names, site)
    nic = {"rate": "100 Gbps", "timeout": 0, "window": "4 MiB"}
    network = build(scenario(sites=sites, lines=lines, nic=nic, traffic=rows))
    (warning,) = network.warnings
    assert "a circle of 15 ports of priority 3 that may wait for each other for ever" in warning
    assert "s0.switch>s0.otn0, s0.otn0>s1.otn0, s1.otn0>s1.switch" in warning
    outcome = engine.run(network)
    assert outcome.status == "incomplete"
    assert "deadlock: a circle of 15 paused ports" in outcome.reason
    assert (
        "s0.switch>s0.otn0, s0.otn0>s1.otn0, s1.otn0>s1.switch, s1.switch>s1.otn1" in outcome.reason
    )


def test_packets_behind_a_pause_frame_on_a_long_line_still_move() -> None:
    """The only packets under way are behind PFC frames, on a second of line."""
    nic = {"rate": "100 Gbps", "mtu": 1024, "window": "10 MB", "priority": 3, "timeout": 0}
    pfc = {"priorities": [3], "xoff": "9000 B", "xon": "0 B", "headroom": "auto"}
    fabric = {"type": "one-switch", "rate": "100 Gbps", "cable": "2 m", "latency": "0 ns"}
    fabric |= {"pfc": pfc}
    site = {"hosts": 2, "fabric": fabric, "gateway": {"rate": "100 Gbps"}}
    sites = dict.fromkeys("ab", site)
    # What these do afterwards gives the emulator occasion to look.
    sites |= {"c": site | {"nic": {"timeout": 16}}, "d": site | {"nic": {"timeout": 17}}}
    lines = [
        line(a, b, distance="0 km", rate="100 Gbps", otn=otn_of(latency, xoff))
        for a, b, latency, xoff in (
            ("a", "b", "500 ms", "0 B"),
            ("b", "c", "0 s", "auto"),
            ("c", "d", "0 s", "auto"),
        )
    ]
    rows = [
        transfer("over", "b.1", "a.1", bytes="9000 B"),
        transfer("c", "c.0", "c.1", bytes="1000 B", start="1100 ms"),
        transfer("d", "d.0", "d.1", bytes="1000 B", start="1100 ms"),
    ]
    network = build(scenario(sites=sites, lines=lines, nic=nic, traffic=rows))
    assert engine.run(network).status == "completed"


@pytest.mark.parametrize("seed", [66, 67, 68])
def test_a_lost_go_on_is_no_deadlock(seed: int) -> None:
    """The pause that it should have ended runs out by itself, on 20 Mb/s after 1.7 s."""
    pfc = {"priorities": [3], "xoff": "9000 B", "xon": "0 B", "headroom": "auto", "quanta": 65535}
    fabric = {"type": "one-switch", "rate": "1 Gbps", "cable": "2 m", "latency": "0 ns", "pfc": pfc}
    rates = {"a": "20 Mbps", "b": "10 Mbps"}
    sites = {
        name: {"hosts": 2, "fabric": fabric, "gateway": {"rate": rate}}
        for name, rate in rates.items()
    }
    otn = otn_of("0 s", "3000 B")
    lines = [line("a", "b", distance="100 km", rate="20 Mbps", otn=otn)]
    nic = {"rate": "1 Gbps", "mtu": 256, "window": "100 kB", "priority": 3, "timeout": 0}
    draw = random.Random(seed)
    rows = [
        transfer(f"t{k}", f"a.{k % 2}", f"b.{k % 2}", bytes=f"{draw.randint(2000, 12000)} B")
        for k in range(3)
    ]
    network = build(scenario(sites=sites, lines=lines, nic=nic, traffic=rows), seed=seed)
    port = network.tables.lines["port"][1]
    network.tables.ports["has_errors"][port] = 1
    back = network.tables.errors[port]
    back["log_survival"], back["draws"] = -1e-17, 1
    back["gap"] = 200 * seed + 5  # damages one frame, a go-on
    assert engine.run(network).status == "completed"
    assert network.tables.ports["lost_pause"].sum() == 1
