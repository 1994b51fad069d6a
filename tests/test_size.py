"""``wanrdma.size``: what it says of a port holds where the scenario's keys set the buffers so."""

import pytest

import wanrdma
from wanrdma.errors import ScenarioError
from wanrdma.results.sizes import PortSize, sonic_rows, table
from wanrdma.scenario import loads
from wanrdma.theory import headroom_bytes

INCAST = """\
name: incast
sites:
  a:
    hosts: 3
    fabric:
      type: one-switch
      cable: 30 m
      pfc: {priorities: [2, 3], xoff: 20 kB, xon: 10 kB}
nic: {rate: 100 Gbps, window: 1 MB, timeout: 0}
traffic:
  - {name: write, from: a.0-1, to: a.2, bytes: 400 kB}
"""
LONG = """\
name: long
sites:
  a: {hosts: 1, fabric: one-switch}
  b: {hosts: 1, fabric: one-switch, gateway: {rate: 50 Gbps}}
lines:
  - between: [a, b]
    distance: 10 km
    rate: 100 Gbps
    otn: {flow_control: cooperative, latency: 0 s, buffer: 64 MiB, xoff: 100 kB, xon: 0 B}
nic: {rate: 100 Gbps, window: 64 MiB, timeout: 0}
traffic:
  - {name: write, from: a.0, to: b.0, bytes: 8 MB}
"""
FAR_PORT = "b.otn0>a.otn0"
FRAME_BYTES, STORED_BYTES = 4194, 4158  # the largest on the line; one without RETH, stored


def drops(text, *settings):
    return wanrdma.run(loads(text, settings)).totals["drops_congestion"]


def completion_s(text, *settings):
    result = wanrdma.run(loads(text, settings))
    assert result.status == "completed"
    return result.simulated_s


def test_a_byte_less_headroom_than_said_drops():
    sizes = wanrdma.size(loads(INCAST))
    assert [port.port for port in sizes.ports] == ["a.switch>a.0", "a.switch>a.1"]
    most = max(port.lossless_bytes for port in sizes.ports)
    for port in sizes.ports:
        assert port.xoff_bytes == 20_000 < port.lossless_bytes <= port.formula_bytes
        assert port.formula_bytes == 20_000 + headroom_bytes(80, 2 * 147_000, FRAME_BYTES)
        assert (port.rate_bps, port.one_way_s) == (100e9, 147e-9)
    headroom = most - 20_000
    assert drops(INCAST, f"sites.a.fabric.pfc.headroom={headroom} B") == 0
    assert drops(INCAST, f"sites.a.fabric.pfc.headroom={headroom - 1} B") > 0


def test_ports_that_one_key_sets_have_one_number_for_throughput():
    one, other = wanrdma.size(loads(INCAST)).ports
    assert one.full_throughput_bytes == other.full_throughput_bytes


def test_a_long_line_needs_what_still_comes_less_what_drains():
    (port,) = wanrdma.size(loads(LONG), ports=FAR_PORT).ports
    assert port.place == "b.otn0 from a.otn0"
    assert port.drain_bps == pytest.approx(50e9, rel=0.01)
    in_flight = 2 * 49e-6 * 50e9 / 8
    assert port.in_flight_bytes == pytest.approx(in_flight, rel=0.02)
    over = port.lossless_bytes - port.xoff_bytes - in_flight * 4158 / 4178
    assert -STORED_BYTES < over < 2 * STORED_BYTES


def test_full_throughput_is_what_the_scenario_then_has():
    (port,) = wanrdma.size(loads(LONG), ports=FAR_PORT, tolerance=0.01).ports
    headroom = port.lossless_bytes - port.xoff_bytes

    def levels(xoff):
        xon = max(0, xoff - 2 * FRAME_BYTES)
        return f"lines.0.otn.xoff={xoff} B", f"lines.0.otn.xon={xon} B"

    unpaused_s = completion_s(LONG, *levels(32 * 2**20))
    whole = port.full_throughput_bytes
    enough = (*levels(whole - headroom), f"lines.0.otn.buffer={whole} B")
    assert completion_s(LONG, *enough) <= 1.01 * unpaused_s
    assert drops(LONG, *enough) == 0
    assert completion_s(LONG, *levels(whole - headroom - 2 * FRAME_BYTES)) > 1.01 * unpaused_s
    # What drains in a round trip, less what 1 % allows, and the two frames down to XON.
    assert whole - headroom == pytest.approx(98e-6 * 50e9 / 8, rel=0.05)


def test_each_run_is_told_and_counted_and_seeds_give_the_same():
    told = []
    sizes = wanrdma.size(loads(LONG), 7, on_run=told.append, threads=1)
    assert len(told) == sizes.runs > 10
    assert told[0].startswith("run 1: ")
    assert sizes == wanrdma.size(loads(LONG), 7, threads=2)


def test_nothing_pauses():
    alone = INCAST.replace("a.0-1", "a.0")
    sizes = wanrdma.size(loads(alone))
    assert sizes.to_json() == {"ports": [], "runs": 1}
    assert sizes.status == "completed"


def test_a_pattern_names_ports_or_both_ends():
    for pattern in ("a.switch>a.1", "*a.1", "a.switch from a.1"):
        (port,) = wanrdma.size(loads(INCAST), ports=pattern).ports
        assert port.port == "a.switch>a.1"
    assert wanrdma.size(loads(INCAST), ports="a.2>*").ports == ()
    with pytest.raises(ScenarioError, match="no port matches 'nix'"):
        wanrdma.size(loads(INCAST), ports="nix")


def test_a_stop_time_leaves_throughput_to_what_was_delivered():
    sizes = wanrdma.size(loads(LONG, ["stop=600 us"]), ports=FAR_PORT)
    assert sizes.status == "stopped"
    (port,) = sizes.ports
    assert port.xoff_bytes < port.full_throughput_bytes < port.formula_bytes + 1_000_000


def test_a_run_that_is_never_over_has_no_full_throughput():
    text = INCAST + "  - {name: wait, from: b.0, to: a.0, bytes: 1 MB}\n"
    text = text.replace(
        "nic:",
        "  b: {like: a}\nlines:\n  - {between: [a, b], distance: 1 km, "
        "rate: 100 Gbps, errors: {post_fec_ber: 0.4}}\nnic:",
    )
    sizes = wanrdma.size(loads(text))
    assert sizes.status == "incomplete"
    assert "ACK" in sizes.reason
    assert [port.full_throughput_bytes for port in sizes.ports] == [None, None]
    assert " -" in table(sizes).splitlines()[1]


def test_a_deadlock_is_told_with_the_buffers_so_far():
    """Five sites in a ring, all sending two hops on: each terminal waits for the next."""
    text = "name: ring\nsites:\n  s0: {hosts: 4, fabric: {type: one-switch, pfc: {xoff: 64 KiB, "
    text += "xon: 32 KiB}}}\n" + "".join(f"  s{k}: {{like: s0}}\n" for k in range(1, 5))
    text += "lines:\n"
    for k in range(5):
        text += f"  - {{between: [s{k}, s{(k + 1) % 5}], distance: 1 km, rate: 100 Gbps, "
        text += "otn: {flow_control: cooperative, buffer: 1 MiB, client_buffer: 1 MiB}}\n"
    text += "nic: {rate: 100 Gbps, timeout: 0, window: 4 MiB}\ntraffic:\n"
    for k in range(5):
        text += f"  - {{name: t{k}, from: s{k}.*, to: s{(k + 2) % 5}.0, bytes: 4 MiB}}\n"
    sizes = wanrdma.size(loads(text), ports="s1.switch>*")
    assert sizes.status == "incomplete"
    assert "deadlock" in sizes.reason
    assert all(port.lossless_bytes > port.xoff_bytes for port in sizes.ports)


def port_size(**changes):
    figures = {
        "port": "a.switch>a.0",
        "rate_bps": 100e9,
        "one_way_s": 147e-9,
        "drain_bps": 0.0,
        "xoff_bytes": 20_000,
        "xon_bytes": 12_000,
        "formula_bytes": 50_000,
        "lossless_bytes": 30_000,
        "full_throughput_bytes": 25_000,
        "cable_m": 30.0,
        "is_terminal": False,
    }
    return PortSize(**(figures | changes))


def test_sonic_has_the_headroom_as_xoff_and_a_line_for_each_speed_and_cable():
    assert sonic_rows((port_size(),)) == ["100000 30m 42000 12000 30000 0 8000"]
    larger = port_size(lossless_bytes=60_000)
    assert sonic_rows((port_size(), larger)) == ["100000 30m 52000 12000 40000 0 8000"]
    terminal = port_size(is_terminal=True, formula_bytes=99_000)
    assert sonic_rows((terminal, port_size())) == ["100000 30m 42000 12000 30000 0 8000"]
    far = port_size(is_terminal=True, rate_bps=62.5e9, cable_m=329_000.0)
    assert sonic_rows((port_size(), far)) == [
        "62500 329000m 42000 12000 30000 0 8000",
        "100000 30m 42000 12000 30000 0 8000",
    ]


def test_a_line_that_is_switched_is_sized_by_its_longest_way_and_highest_rate():
    events = "events=[{at: 0 s, what: switch, outage: 0 s, to: 1 km}, "
    events += "{at: 100 us, what: capacity, rate: 50 Gbps}]"
    (port,) = wanrdma.size(loads(LONG, [events]), ports=FAR_PORT).ports
    assert (port.rate_bps, port.one_way_s) == (100e9, 49e-6)
    assert port.lossless_bytes < port.formula_bytes


def test_ports_that_share_a_buffer_are_sized_as_if_each_had_its_own():
    shared = ["sites.a.fabric.pfc.shared=60 kB", "sites.a.fabric.pfc.alpha=0.5"]
    for port in wanrdma.size(loads(INCAST, shared)).ports:
        assert port.xoff_bytes == 20_000 < port.lossless_bytes
