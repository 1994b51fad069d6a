"""The twin by itself: lines that break, hold, switch and slow down, to the picosecond.

The usual network is that of test_twin_alone.py, but the link from port 2 to port 3 is a line of
100 ns: packet k of a send leaves the switch at 41 + 20 k ns, and arrives at 141 + 20 k ns.
"""

import math

import pytest
from reference import streams
from reference.emulator import differences, emulate, invariants
from reference.small import MUCH, Small, two_hosts
from reference.small_lines import add_way, break_line, busiest, lay, share
from twin_runs import BACK, THERE, by_kernel, departures, lane, run

from wanrdma.kernels.tables import (
    ACK,
    DAMAGED,
    DATA,
    DROP_LINE,
    GO,
    HINT,
    LOST,
    NOTICE,
    NOWHERE,
    PACKETS,
    PFC,
    RATE,
    STOP,
    SWITCH,
)

LONG, SHORT = 300_000, 40_000


def over_line(packets: int, last: int = 900, delay_ps: int = 100_000) -> Small:
    """Send packets over a line; `last` is the payload of the last one."""
    small = two_hosts(delay_ps=delay_ps)
    small.log_first = 10
    lay(small, 2)
    small.send(small.queue_pair(THERE, BACK), 900 * (packets - 1) + last)
    return small


def arrivals(twin) -> list[tuple[int, int]]:
    """Return (PSN, time) of the data that came over the line in one piece."""
    return [
        (row.psn, row.time_ps)
        for row in twin.probes
        if (row.port, row.kind, row.is_arrival) == (3, DATA, 1) and not row.flags & (LOST | DAMAGED)
    ]


# Lines that break


def test_what_is_on_the_fibre_is_lost_and_what_has_landed_is_not():
    small = over_line(6)
    # It breaks at 161 ns, as packet 1 lands, and is whole again at 121 ns for what is sent then.
    break_line(small, 0, (61_000, 121_000))
    twin = run(small, stop_ps=260_000)
    assert arrivals(twin) == [(0, 141_000), (1, 161_000), (5, 241_000)]
    assert [row.psn for row in twin.probes if row.flags & LOST and not row.is_arrival] == [2, 3, 4]
    assert (twin.ports[3].lost_on_line, twin.ports[3].rx_crc_errors) == (3, 0)
    rows = [row for row in twin.log if row[1] == DROP_LINE]
    assert rows == [(at, DROP_LINE, 3, 0) for at in (181_000, 201_000, 221_000)]
    assert (twin.errors[2].spell, twin.errors[2].draws) == (1, 0)


@pytest.mark.parametrize(
    ("spells", "lost"),
    [
        ([(60_999, 61_000)], [1]),
        ([(61_000, 61_001)], [2]),
        ([(40_000, 41_001), (100_000, 101_000)], [0, 1, 3]),
        ([(0, 5), (10, 20), (119_000, 10**12)], [4, 5]),
    ],
)
def test_a_frame_is_lost_if_the_line_is_down_while_it_is_in_service(spells, lost):
    small = over_line(6)
    break_line(small, 0, *spells)
    twin = run(small, stop_ps=260_000)
    assert [psn for psn, _ in arrivals(twin)] == [k for k in range(6) if k not in lost]


def test_a_frame_that_is_lost_draws_nothing():
    small = over_line(6)
    small.damage(2, PACKETS, math.log(0.5))
    break_line(small, 0, (61_000, 121_000))
    twin = run(small, stop_ps=160_000)
    # Packets 0, 1 and 5 are units of the errors.
    bad = hits(1, 2, 3)
    rows = [row for row in twin.probes if (row.port, row.is_arrival) == (2, 0)]
    flags = [bool(row.flags & DAMAGED) for row in rows[:6]]
    assert flags == [bad[0], bad[1], False, False, False, bad[2]]
    assert any(bad)
    assert not all(bad)


def hits(seed: int, port: int, frames: int) -> list[bool]:
    """Say which frames a way damages whose packets are bad with probability 1/2."""
    found, k = [], 0
    while len(found) <= frames:
        u = streams.uniform(seed, streams.error_stream(port), k)
        found += [False] * math.floor(math.log(1 - u) / math.log(0.5)) + [True]
        k += 1
    return found[:frames]


def test_a_lost_pause_is_counted_and_told_to_nobody():
    small = two_hosts(ps_per_byte=40)
    small.lane(1, 3).update(xoff_bytes=1500, xon_bytes=1000, ingress_limit_bytes=100_000)
    small.ports[0]["notifies"] = 1
    small.log_first = 10
    _, back = lay(small, 0)
    break_line(small, back, (42_000, 42_001))  # the PFC frame is in service from 41 to 42.68 ns
    small.send(small.queue_pair(THERE, BACK), 3600)
    twin = run(small)
    port = twin.ports[0]
    assert (port.lost_on_line, port.lost_pause, port.rx_crc_errors) == (1, 1, 0)
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000]
    assert not [row for row in twin.probes if row.kind == NOTICE]
    assert (43_680, DROP_LINE, 0, -1) in twin.log


# Lines that hold


def test_a_stopped_port_holds_what_it_has():
    small = over_line(6)
    small.change(50_000, STOP, 2)
    small.change(200_000, GO, 2)
    twin = run(small)
    # Packet 1 is in service; 2 to 5 wait.
    assert departures(twin, 2) == [41_000, 61_000, 220_000, 240_000, 260_000, 280_000]
    assert twin.ports[2].max_queued_bytes == 4 * 980
    assert twin.operations[0].delivered_ps == 380_000
    assert twin.ports[2].is_stopped == 0


def test_a_stopped_port_starts_no_pfc_frame():
    small = two_hosts(ps_per_byte=40)
    small.lane(1, 3).update(xoff_bytes=1500, xon_bytes=1000, ingress_limit_bytes=100_000)
    small.change(10_000, STOP, 1)
    small.change(70_000, GO, 1)
    small.send(small.queue_pair(THERE, BACK), 3600)
    twin = run(small)
    # Requested at 41 ns; the ACK of packet 0 has waited since 67 ns.
    assert departures(twin, 1, PFC)[0] == 71_680
    assert departures(twin, 1, ACK)[0] == 73_680
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000]


def test_a_stopped_host_starts_at_go_in_the_event_order():
    small = over_line(1)
    small.change(0, STOP, 0)
    small.change(5000, GO, 0)
    assert departures(run(small), 0) == [25_000]


def test_a_stop_that_comes_to_nothing_moves_the_clock_and_a_service_in_vain_does_not():
    small = over_line(1)
    small.change(0, STOP, 2)
    twin = run(small)
    assert (twin.clock_ps, twin.operations_left) == (21_000, 1)
    small.change(30_000, STOP, 2)
    assert run(small).clock_ps == 30_000


# Ways


def test_a_shorter_way_overtakes_nothing():
    small = over_line(6, last=100)
    row, _ = add_way(small, 2, SHORT)
    small.change(70_000, SWITCH, 2, row)
    small.send(0, 900, at=300_000)
    twin = run(small)
    # Packet 2 is in service at 70 ns, by the old way. The last one has a line time of 4 ns.
    assert arrivals(twin) == [
        *((0, 141_000), (1, 161_000), (2, 181_000)),
        *((3, 201_000), (4, 221_000), (5, 225_000)),
        (6, 381_000),
    ]
    assert departures(twin, 2)[-1] == 341_000
    port = twin.ports[2]
    assert (port.line, port.way, port.delay_ps, port.last_arrival_ps) == (row, 4, SHORT, 381_000)


def test_a_shorter_way_overtakes_if_the_switch_says_so():
    small = over_line(6, last=100)
    row, _ = add_way(small, 2, SHORT)
    small.change(70_000, SWITCH, 2, row, 1)
    twin = run(small, stop_ps=190_000)
    # At one time, the way whose port comes first comes first: 2, then 4.
    assert arrivals(twin) == [
        *((0, 141_000), (3, 141_000)),
        *((1, 161_000), (4, 161_000)),
        *((5, 165_000), (2, 181_000)),
    ]


def test_a_longer_way_and_back():
    small = over_line(6)
    row, _ = add_way(small, 2, LONG)
    small.change(70_000, SWITCH, 2, row)
    small.change(110_000, SWITCH, 2, 0)
    twin = run(small)
    # Packets 3 and 4 go the long way, 5 the first one again.
    assert arrivals(twin)[2:] == [(2, 181_000), (3, 401_000), (4, 421_000), (5, 441_000)]


def test_nothing_is_overtaken_on_the_same_way():
    small = over_line(6, delay_ps=LONG)
    row, _ = add_way(small, 2, SHORT)
    small.change(70_000, SWITCH, 2, row)
    small.change(90_000, SWITCH, 2, row, 1)
    twin = run(small)
    # Packet 3 waits for 2 on the long way; 4 need not, but for 3, that is before it on its way.
    assert arrivals(twin)[2:] == [(2, 381_000), (3, 401_000), (4, 421_000), (5, 441_000)]


def test_lost_frames_hold_up_nothing_on_the_new_way():
    small = over_line(6, delay_ps=LONG)
    break_line(small, 0, (0, 10**12))
    row, _ = add_way(small, 2, SHORT)
    small.change(70_000, SWITCH, 2, row)
    twin = run(small, stop_ps=400_000)
    lost = [row.time_ps for row in twin.probes if row.flags & LOST and row.is_arrival]
    assert lost == [341_000, 361_000, 381_000]
    assert arrivals(twin)[:3] == [(3, 141_000), (4, 161_000), (5, 181_000)]
    assert twin.ports[3].lost_on_line == 3


def test_a_lost_frame_waits_for_what_is_on_its_way():
    small = over_line(6, delay_ps=LONG)
    row, _ = add_way(small, 2, SHORT)
    break_line(small, row, (101_000, 121_000))  # packet 4
    small.change(70_000, SWITCH, 2, row)
    twin = run(small, stop_ps=450_000)
    # 3 waits for 2 and its own line time, 4 for 3, and 5, on the same way, for 4.
    assert arrivals(twin)[2:] == [(2, 381_000), (3, 401_000), (5, 441_000)]
    assert [row.time_ps for row in twin.probes if row.flags & LOST] == [121_000, 421_000]


def test_each_way_has_errors_and_a_stream_of_its_own():
    small = over_line(20)
    row, _ = add_way(small, 2, SHORT)
    way = small.lines[row]["port"]
    small.damage(way, PACKETS, math.log(0.5))
    small.lines[row]["has_errors"] = 1
    small.change(70_000, SWITCH, 2, row)
    twin = run(small, stop_ps=420_000)
    rows = [row for row in twin.probes if (row.port, row.is_arrival, row.kind) == (2, 0, DATA)]
    assert [bool(row.flags & DAMAGED) for row in rows[:20]] == [False] * 3 + hits(1, way, 17)
    assert twin.ports[3].rx_crc_errors == sum(
        row.is_arrival and bool(row.flags & DAMAGED) for row in twin.probes
    )
    assert twin.ports[3].rx_crc_errors > 3
    assert twin.ports[way].tx_packets == twin.ports[way].rx_packets == 0


# Rates and windows


def test_another_rate_amid_a_queue():
    small = over_line(6)
    small.change(70_000, RATE, 2, 40)
    small.change(130_000, RATE, 2, 20)
    twin = run(small)
    # Packet 2 is in service at 70 ns, 4 at 130 ns.
    assert departures(twin, 2) == [41_000, 61_000, 81_000, 121_000, 161_000, 181_000]
    assert arrivals(twin)[3:] == [(3, 221_000), (4, 261_000), (5, 281_000)]


def test_a_host_at_another_rate_has_its_timer_run_from_the_departure():
    small = two_hosts()
    small.change(0, RATE, 0, 50)
    q = small.queue_pair(THERE, BACK, timeout_ps=1_000_000)
    small.send(q, 900)
    assert run(small, stop_ps=30_000).queue_pairs[q].deadline_ps == 1_050_000


def test_a_hint_opens_a_window():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, window_bytes=899)
    small.send(q, 2700)
    assert departures(run(small), 0) == []
    small.change(50_000, HINT, q, 900, 7)
    assert departures(run(small), 0) == [70_000, 118_000, 166_000]
    small.change(80_000, HINT, q, MUCH, 8)
    twin = run(small)
    assert departures(twin, 0) == [70_000, 100_000, 120_000]
    assert (twin.queue_pairs[q].window_bytes, twin.queue_pairs[q].round_trip_ps) == (MUCH, 8)


def test_a_hint_does_nothing_to_a_queue_pair_in_error():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, window_bytes=900, timeout_ps=25_000, retries=0)
    small.send(q, 1800)
    small.change(60_000, HINT, q, MUCH)
    twin = run(small)
    assert twin.queue_pairs[q].error_ps == 45_000
    assert departures(twin, 0) == [20_000]


def test_a_line_leaves_other_lanes_alone():
    twin = run(over_line(3))
    assert lane(twin, 2).last_stop_ps == 0
    assert twin.ports[2].last_arrival_ps == 181_000
    assert twin.ports[0].last_arrival_ps == 0  # a cable


# The twin as an instrument


@pytest.mark.parametrize("seed", range(25))
def test_the_busiest_networks_keep_the_invariants(seed):
    small = busiest(seed)
    twin = run(small, stop_ps=20_000_000)
    tables = by_kernel(small, twin)
    assert differences(tables, twin) == []
    assert invariants(tables) == []
    stopped = run(small, stop_ps=twin.clock_ps // 3)
    assert stopped.probes == twin.probes[: len(stopped.probes)]


def test_the_busiest_networks_meet_everything():
    twins = [emulate(busiest(seed).tables(), stop_ps=20_000_000) for seed in range(25)]
    ports = [row for twin in twins for row in twin.ports]
    lanes = [row for twin in twins for row in twin.lanes]
    pools = [row for twin in twins for row in twin.pools]
    assert any(row.lost_on_line for row in ports)
    assert any(row.last_control_ps for row in ports)
    assert any(row.lost_pause and row.lost_on_line for row in ports)
    assert any(row.drops_watchdog for row in lanes)
    assert any(row.storms > 1 for row in lanes)
    assert any(row.missing_bytes for row in lanes if row.pool != NOWHERE)
    assert any(row.max_headroom_used_bytes for row in pools)
    assert any(invariants_but_switches(twin) for twin in twins)


def invariants_but_switches(twin) -> list[str]:
    """Tell what the invariants would if no switch might overtake."""
    twin.changes = []
    return [fault for fault in invariants(twin) if "overtook" in fault]


def test_broken_invariants_of_lines_are_told():
    small = over_line(3)
    break_line(small, 0, (0, 41_000))
    share(small, [(1, 3)], 3000, alpha=1.0)
    twin = run(small, stop_ps=130_000)
    twin.ports[3].lost_on_line += 1
    twin.pools[0].shared_used_bytes += 1
    lane(twin, 2).drops_watchdog += 1
    lane(twin, 1).missing_bytes += 1
    told = " / ".join(invariants(twin, [11]))
    assert "port 3: 1 lost, 0 damaged; rows differ" in told
    assert "pool 0: what it holds is not the sum" in told
    assert "lane 19: drops of no storm" in told
    assert "lane 11: lacked 1 B and dropped nothing" in told
    assert "though lossless" not in told  # it shares a pool
