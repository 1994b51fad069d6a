"""The twin by itself: pauses by a control channel, storms and the watchdog, to the picosecond.

The usual network is that of test_twin_alone.py. A PFC frame has 1.68 ns of line time.
"""

import math

import pytest
from reference.small import Small, two_hosts
from reference.small_lines import add_control, add_way, break_line, lay
from twin_runs import BACK, PACKET, THERE, departures, lane, run

from wanrdma.kernels.tables import (
    DATA,
    PACKETS,
    PFC,
    PRIORITIES,
    STOP,
    STORM,
    STORM_BEGINS,
    STORM_ENDS,
    SWITCH,
)

# Control channels: XOFF above 1500 B, XON at 1000 B, packets of 980 B, 40 ns each to leave


def controlled(packets: int = 4, **fields: int) -> tuple[Small, int]:
    """Give the line from port 1 back to port 0 a control channel of 5 ns."""
    small = two_hosts(ps_per_byte=40)
    small.lane(1, 3).update(xoff_bytes=1500, xon_bytes=1000, ingress_limit_bytes=100_000)
    _, back = lay(small, 0)
    control = add_control(small, back, 5_000, **fields)
    small.send(small.queue_pair(THERE, BACK), 900 * packets)
    return small, control


def arrivals_of_pfc(twin, port: int) -> list[tuple[int, int]]:
    return [
        (row.time_ps, row.psn)
        for row in twin.probes
        if (row.port, row.kind, row.is_arrival) == (port, PFC, 1)
    ]


@pytest.mark.parametrize("is_stopped", [False, True])
def test_a_control_message_is_sent_at_once_and_takes_no_line_time(is_stopped):
    small, control = controlled()
    if is_stopped:
        small.change(10_000, STOP, 1)
    twin = run(small, stop_ps=200_000)
    # Heard at 46 ns, in packet 2. Packet 1 has left at 101 ns, heard at 106. Packet 3 comes at
    # 127 ns, while 2 is in service.
    assert departures(twin, 1, PFC) == [41_000, 101_000, 127_000, 141_000]
    assert arrivals_of_pfc(twin, 0) == [
        *((46_000, 0x0808), (106_000, 0x0008)),
        *((132_000, 0x0808), (146_000, 0x0008)),
    ]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 126_000]
    assert lane(twin, 0).paused_ps == (106_000 - 46_000) + (146_000 - 132_000)
    assert (lane(twin, 0).rx_pause, lane(twin, 1).tx_pause) == (2, 2)
    assert (twin.ports[0].rx_pause, twin.ports[1].tx_pause) == (4, 4)
    assert twin.ports[1].last_control_ps == 146_000
    assert twin.ports[1].refresh_due_ps == 127_000 + 500_000_000
    assert twin.ports[control].tx_pause == 0


def test_a_pause_by_control_lasts_as_long_as_its_port_says():
    small, _ = controlled(pause_ps=30_000)
    twin = run(small, stop_ps=100_000)
    assert lane(twin, 0).pause_until_ps == 76_000
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 96_000]


def test_control_messages_of_one_time_come_one_after_the_other():
    small, _ = controlled(packets=1)
    small.change(10_000, STORM_BEGINS, 1, 1 << 2)
    small.change(10_000, STORM_BEGINS, 1, 1 << 4)
    twin = run(small)
    assert arrivals_of_pfc(twin, 0) == [(15_000, 0x0404), (15_001, 0x1414)]


@pytest.mark.parametrize(
    ("spell", "is_lost"),
    [((41_000, 41_001), True), ((40_000, 41_000), False), ((41_001, 50_000), False)],
)
def test_a_control_message_that_is_lost_with_its_line(spell, is_lost):
    small, control = controlled()
    small.ports[0]["notifies"] = 1
    break_line(small, small.ports[control]["line"], spell)
    twin = run(small, stop_ps=90_000)
    assert twin.ports[0].lost_on_line == twin.ports[0].lost_pause == is_lost
    assert lane(twin, 0).rx_pause == 1 - is_lost
    assert len(departures(twin, 0)) == 3 + is_lost
    assert twin.ports[1].last_control_ps == 46_000


def test_what_is_lost_is_refreshed_and_what_is_refreshed_holds():
    small, control = controlled(packets=5, pause_ps=30_000)
    small.ports[1]["refresh_ps"] = 20_000
    break_line(small, small.ports[control]["line"], (41_000, 41_001))
    twin = run(small, stop_ps=166_001)
    # Heard first at 66 ns, in packet 3. At 141 ns a refresh comes before the end of packet 2.
    assert departures(twin, 1, PFC) == [*range(41_000, 142_000, 20_000), 141_000]
    assert arrivals_of_pfc(twin, 0)[-2:] == [(146_000, 0x0808), (146_001, 0x0008)]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000, 166_001]
    assert lane(twin, 0).paused_ps == 146_001 - 66_000


def test_no_bit_error_hits_a_control_message():
    small, control = controlled()
    small.damage(control, PACKETS, -math.inf)
    small.lines[small.ports[control]["line"]]["has_errors"] = 1
    twin = run(small, stop_ps=100_000)
    port = twin.ports[0]
    assert (port.rx_pause, port.rx_crc_errors, port.lost_pause) == (1, 0, 0)


def test_another_way_has_another_control_channel_or_none():
    small = two_hosts(ps_per_byte=40)
    lay(small, 0)
    row, back = add_way(small, 1, 1000)
    assert small.lines[back]["port"] == small.ports[small.lines[row]["port"]]["peer"]
    add_control(small, row, 9_000)
    small.send(small.queue_pair(THERE, BACK), 900)
    small.change(10_000, STORM_BEGINS, 1, 1 << 2)
    small.change(20_000, SWITCH, 1, row)
    small.change(30_000, STORM_BEGINS, 1, 1 << 2)
    small.change(40_000, SWITCH, 1, small.ports[1]["line"])
    small.change(50_000, STORM_BEGINS, 1, 1 << 2)
    assert [time for time, _ in arrivals_of_pfc(run(small), 0)] == [12_680, 39_000, 52_680]


# A storm from a broken NIC: host 1 stops port 2, heard at 2.68 ns and every 21.68 ns


def storm(end_ps: int = 100_000, packets: int = 3, at: int = 0, **watch: int) -> Small:
    small = two_hosts()
    small.log_first = 10
    small.ports[3].update(pause_ps=30_000, refresh_ps=20_000)
    small.ports[2].update(watch)
    small.change(0, STORM_BEGINS, 3, 1 << 3)
    small.change(end_ps, STORM_ENDS, 3, 1 << 3)
    small.send(small.queue_pair(THERE, BACK, timeout_ps=1_000_000), 900 * packets, at=at)
    return small


def storms(twin) -> list[int]:
    return [time for time, kind, entity, _ in twin.log if (kind, entity) == (STORM, LANE)]


LANE = 2 * PRIORITIES + 3
WATCH = {"watch_ps": 60_000, "restore_ps": 50_000}


def test_a_storm_pauses_the_peer_until_its_last_stop_runs_out():
    twin = run(storm(end_ps=50_000))
    assert departures(twin, 3, PFC) == [1_680, 23_360, 45_040]
    assert departures(twin, 2) == [96_040, 116_040, 136_040]
    assert lane(twin, 2).paused_ps == 76_040 - 2_680
    assert (lane(twin, 2).last_stop_ps, lane(twin, 2).storms) == (46_040, 0)
    assert (lane(twin, 2).pauses, lane(twin, 2).resumes) == (1, 0)
    assert twin.ports[3].pausing == 0


def test_a_storm_of_two_priorities_is_one_frame():
    small = storm()
    small.change(0, STORM_BEGINS, 3, 0x05)
    twin = run(small, stop_ps=10_000)
    assert arrivals_of_pfc(twin, 2) == [(2_680, 0x0D0D)]


def test_the_watchdog_lets_packets_go_in_a_storm():
    twin = run(storm(**WATCH))
    # Three packets wait at 62.68 ns. Of the stops the third was the last so far, at 46.04.
    assert storms(twin) == [62_680]
    assert departures(twin, 2) == [82_680, 102_680, 122_680]
    row = lane(twin, 2)
    assert (row.pauses, row.resumes, row.rx_pause, row.paused_ps) == (1, 0, 5, 60_000)
    assert (row.pause_until_ps, row.last_stop_ps) == (62_680, 89_400)
    assert twin.operations[0].delivered_ps == 123_680
    assert (row.is_storm, row.drops_watchdog) == (1, 0)


def test_a_storm_is_over_some_time_after_its_last_stop():
    small = storm(**WATCH)
    small.compute(0, at=200_000)
    assert lane(run(small, stop_ps=139_399), 2).is_storm == 1
    assert lane(run(small, stop_ps=139_400), 2).is_storm == 0
    # A look that finds a storm over is no event for the clock.
    small.operations.pop()
    small.successors.pop()
    small.agenda.pop()
    assert run(small).clock_ps == 129_680


def test_a_pause_in_time_is_no_storm():
    twin = run(storm(watch_ps=73_361, restore_ps=50_000, end_ps=50_000))
    # Heard until 76.04 ns: 73.36 after the first stop.
    assert storms(twin) == []
    assert departures(twin, 2) == [96_040, 116_040, 136_040]


def test_the_watchdog_looks_again_while_there_is_nothing_to_send():
    assert storms(run(storm(at=100_000, end_ps=300_000, **WATCH))) == [122_680]
    assert storms(run(storm(at=110_000, end_ps=300_000, **WATCH))) == [182_680]


def test_the_watchdog_looks_again_at_a_pause_that_began_since():
    small = storm(end_ps=5_000, **WATCH)
    small.ports[3]["pause_ps"] = 50_000
    small.change(55_000, STORM_BEGINS, 3, 1 << 3)
    twin = run(small)
    # The first pause runs out at 52.68 ns; the second begins at 57.68, in packet 0.
    assert storms(twin) == [117_680]
    assert departures(twin, 2) == [72_680, 137_680, 157_680]
    assert lane(twin, 2).pauses == 2


def test_a_storm_comes_again():
    small = storm(**WATCH)
    small.change(200_000, STORM_BEGINS, 3, 1 << 3)
    small.send(0, 900, at=210_000)
    twin = run(small)
    assert storms(twin) == [62_680, 262_680]
    assert (lane(twin, 2).storms, lane(twin, 2).pauses) == (2, 2)
    assert twin.operations[1].delivered_ps == 262_680 + PACKET + 1000


def test_a_storm_without_restoration_is_over_at_once():
    small = storm(watch_ps=60_000, restore_ps=0)
    twin = run(small)
    # Over in the event after it, and the next stop, at 67.72 ns, begins a pause.
    assert departures(twin, 2)[0] == 82_680
    assert lane(twin, 2).pauses == 2
    assert lane(twin, 2).is_storm == 0


def test_the_watchdog_drops_what_waits_and_what_comes():
    small = storm(packets=4, watch_drops=1, **WATCH)
    twin = run(small)
    row = lane(twin, 2)
    assert storms(twin) == [62_680]
    assert (row.drops_watchdog, row.drops_congestion) == (4, 0)
    assert twin.ports[1].rx_packets == 8
    # The timer of packet 0 expires at 1020 ns: all four go again, and the storm is over.
    assert departures(twin, 2)[0] == 1_061_000
    assert twin.operations[0].delivered_ps == 1_122_000
    assert not [entry for entry in twin.log if entry[1] == 0]  # no DROP_CONGESTION
    stopped = run(small, stop_ps=62_680)
    assert (lane(stopped, 2).queued_bytes, lane(stopped, 2).drops_watchdog) == (0, 3)
    assert lane(stopped, 1).ingress_bytes == 0


def test_what_is_dropped_lets_the_ingress_side_go_on():
    small = storm(packets=4, watch_drops=1, **WATCH)
    small.lane(1, 3).update(xoff_bytes=1500, xon_bytes=1000, ingress_limit_bytes=100_000)
    twin = run(small, stop_ps=100_000)
    # Stopped by packet 1, at 41 ns. The second of three that are dropped leaves 980 B.
    assert departures(twin, 1, PFC) == [42_680, 64_360]
    assert arrivals_of_pfc(twin, 0) == [(43_680, 0x0808), (65_360, 0x0008)]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 85_360]
    assert lane(twin, 2).drops_watchdog == 4
    assert twin.ports[1].pausing == 0


def test_a_go_on_in_a_storm_is_only_counted():
    small = storm(**WATCH, end_ps=75_000)
    # What is requested when nothing is paused any more says go on.
    small.change(75_000, STORM_BEGINS, 3, 1 << 3)
    small.change(75_000, STORM_ENDS, 3, 1 << 3)
    twin = run(small)
    assert arrivals_of_pfc(twin, 2)[-1] == (77_680, 0x0008)
    row = lane(twin, 2)
    assert (row.rx_pause, row.resumes, row.last_stop_ps) == (4, 0, 67_720)
    assert (twin.ports[2].rx_pause, row.pause_until_ps) == (5, 62_680)
    assert departures(twin, 2, DATA) == [82_680, 102_680, 122_680]
