"""The reference twin by itself: small runs whose picoseconds were computed by hand.

The usual network is host 0 (port 0), a switch (ports 1 and 2), host 1 (port 3), 20 ps a
byte and 1 ns of delay. A data packet takes 20 ns a hop, an ACK 2 ns, so a packet that leaves
at t + 20 ns is delivered at t + 42 ns, and its ACK is back at t + 48 ns.
"""

import math

import numpy as np
import pytest
from reference import streams
from reference.emulator import differences, emulate, invariants
from reference.records import Row
from reference.small import Small, busy, two_hosts
from twin_runs import BACK, PACKET, RTT, THERE, TIMEOUT, by_kernel, departures, lane, lose, run

from wanrdma.kernels.tables import (
    ACK,
    ACK_REQUESTED,
    DAMAGED,
    DATA,
    DONE,
    ECN_MARKED,
    LAST_OF_MESSAGE,
    NAK,
    NOWHERE,
    PFC,
    PRIORITIES,
    PSN_MODULUS,
)

# One packet, and windows


def test_one_packet():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK)
    small.send(q, 900)
    twin = run(small)
    last = LAST_OF_MESSAGE | ACK_REQUESTED
    assert twin.probes == [
        Row(20_000, 0, q, 0, 1000, DATA, last, 0),
        Row(21_000, 1, q, 0, 1000, DATA, last, 1),
        Row(41_000, 2, q, 0, 1000, DATA, last, 0),
        Row(42_000, 3, q, 0, 1000, DATA, last, 1),
        Row(44_000, 3, q, 0, 100, ACK, 0, 0),
        Row(45_000, 2, q, 0, 100, ACK, 0, 1),
        Row(47_000, 1, q, 0, 100, ACK, 0, 0),
        Row(48_000, 0, q, 0, 100, ACK, 0, 1),
    ]
    operation, flow = twin.operations[0], twin.flows[0]
    assert (operation.start_ps, operation.delivered_ps, operation.sent_ps) == (0, 42_000, 48_000)
    assert operation.status == DONE
    assert (flow.delivered_bytes, flow.first_delivery_bytes) == (900, 900)
    assert (flow.first_bit_ps, flow.first_delivery_ps, flow.last_delivery_ps) == (0, 42_000, 42_000)
    assert (twin.clock_ps, twin.packet_hops, twin.operations_left) == (48_000, 4, 0)
    ports = twin.ports
    assert [port.tx_packets for port in ports] == [1, 1, 1, 1]
    assert [port.rx_packets for port in ports] == [1, 1, 1, 1]
    assert [port.tx_bytes for port in ports] == [1000, 100, 1000, 100]
    assert [port.max_queued_bytes for port in ports] == [0, 80, 980, 80]
    assert [lane(twin, port).max_ingress_bytes for port in range(4)] == [0, 980, 80, 0]


def test_sizes_on_the_wire():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, reth_bytes=16, ack_every=100)
    small.send(q, 4000, message=2000)  # 900 + 900 + 200, twice
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 0 and not row.is_arrival]
    assert [row.size_bytes for row in rows] == [1016, 1000, 300, 1016, 1000, 300]
    assert [row.flags for row in rows] == [0, 0, LAST_OF_MESSAGE | ACK_REQUESTED] * 2
    assert twin.queue_pairs[q].acks_sent == 2  # one a message


def test_window_limited_flow():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, window_bytes=1800)
    small.send(q, 3600)
    twin = run(small)
    # ACKs of packets 0 and 1 are back at 48 and 68 ns, and each lets one more start.
    assert departures(twin, 0) == [20_000, 40_000, 68_000, 88_000]
    assert twin.operations[0].delivered_ps == 110_000
    assert twin.operations[0].sent_ps == 116_000


def test_a_window_that_does_not_hold_one_packet_sends_none():
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK, window_bytes=899), 900)
    twin = run(small)
    assert twin.probes == []
    assert twin.operations_left == 1


def test_coalesced_acks():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, window_bytes=1800, ack_every=2)
    small.send(q, 3600)
    twin = run(small)
    assert departures(twin, 0) == [20_000, 40_000, 88_000, 108_000]
    assert [row.psn for row in twin.probes if row.kind == ACK and row.port == 3] == [1, 3]
    assert twin.queue_pairs[q].rx_acks == 2


def test_psns_outstanding_are_limited_too(monkeypatch):
    monkeypatch.setattr("reference.emulator.MAX_OUTSTANDING_PACKETS", 2)
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK), 3600)
    assert departures(run(small), 0) == [20_000, 40_000, 68_000, 88_000]


def test_stop_handles_the_events_of_its_own_time():
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK), 900)
    assert run(small, stop_ps=41_999).operations[0].delivered_ps == NOWHERE
    twin = run(small, stop_ps=42_000)
    assert twin.operations[0].delivered_ps == 42_000
    assert twin.clock_ps == 42_000
    assert len(departures(twin, 3, ACK)) == 1  # its service starts then, its row is made then


def test_the_run_ends_with_the_last_operation():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=25_000)
    small.send(q, 900)
    twin = run(small, stop_ps=10**9)
    # It goes back at 45 ns; the ACK comes at 48 ns, and the second copy never arrives.
    assert twin.clock_ps == twin.operations[0].sent_ps == 48_000
    assert departures(twin, 0) == [20_000, 65_000]
    assert twin.ports[1].rx_packets == 1


def test_the_clock_is_of_the_last_event_that_changed_something():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT, retries=0)
    small.send(q, 900)
    lost = lose((0, 0))
    assert run(small, drop=lost).clock_ps == PACKET + TIMEOUT  # the error
    assert run(small, stop_ps=PACKET + TIMEOUT - 1, drop=lost).clock_ps == PACKET + TIMEOUT - 1
    assert run(small, stop_ps=2 * TIMEOUT, drop=lost).clock_ps == PACKET + TIMEOUT


# Losses


def test_a_lost_last_packet_costs_a_timeout_and_a_round_trip_less_one_packet():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 2700)
    clean = run(small).operations[0]
    twin = run(small, drop=lose((0, 2)))
    lossy, pair = twin.operations[0], twin.queue_pairs[q]
    delay = TIMEOUT + RTT - PACKET
    assert lossy.delivered_ps == clean.delivered_ps + delay == 1_110_000
    assert lossy.sent_ps == clean.sent_ps + delay
    assert pair.local_ack_timeout_err == 1
    assert pair.naks_sent == 0
    assert (pair.tx_packets, pair.retransmitted_packets) == (4, 1)
    assert twin.ports[1].rx_crc_errors == 1
    assert pair.retries_used == 0  # progress cleared it


def test_a_loss_that_a_later_packet_reports():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 3600)
    twin = run(small, drop=lose((0, 1)))
    pair = twin.queue_pairs[q]
    # Packet 2 comes at 82 ns, the NAK is back at 88; packet 0 had its own ACK at 48.
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000, 108_000, 128_000, 148_000]
    assert twin.operations[0].delivered_ps == 170_000
    assert (pair.out_of_sequence, pair.naks_sent, pair.rx_naks) == (2, 1, 1)
    assert (pair.packet_seq_err, pair.local_ack_timeout_err) == (1, 0)
    assert pair.retransmitted_packets == 3


@pytest.mark.parametrize(("ack_every", "errors"), [(1, 1), (100, 0)])
def test_a_nak_spends_a_retry_only_if_it_acknowledges_nothing(ack_every, errors):
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, ack_every=ack_every, retries=0)
    small.send(q, 3600)
    pair = run(small, drop=lose((0, 1))).queue_pairs[q]
    assert pair.packet_seq_err == 1
    assert pair.retransmitted_packets == (0 if errors else 3)  # from packet 1 on
    assert pair.req_transport_retries_exceeded == errors
    assert pair.error_ps == (88_000 if errors else NOWHERE)


def test_each_gap_has_its_nak():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK)
    small.send(q, 9000)
    pair = run(small, drop=lose((0, 1), (0, 9))).queue_pairs[q]
    assert (pair.naks_sent, pair.packet_seq_err, pair.expected) == (2, 2, 10)


def test_a_lost_retransmission_waits_for_the_timer():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 3600)
    twin = run(small, drop=lose((0, 1), (0, 4)))
    pair = twin.queue_pairs[q]
    # The NAK went back at 88 ns and set the timer; the receiver has no second NAK.
    assert departures(twin, 0)[-3:] == [1_108_000, 1_128_000, 1_148_000]
    assert (pair.naks_sent, pair.out_of_sequence, pair.local_ack_timeout_err) == (1, 4, 1)


def test_a_lost_nak_waits_for_the_timer():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 3600)
    twin = run(small, drop=lose((1, 1)))  # the ACK of packet 1: cumulative, nobody misses it
    assert twin.queue_pairs[q].local_ack_timeout_err == 0
    twin = run(small, drop=lose((0, 1), (1, 1)))  # the NAK
    pair = twin.queue_pairs[q]
    assert (pair.naks_sent, pair.rx_naks, pair.local_ack_timeout_err) == (1, 0, 1)
    # The ACK of packet 0 at 48 ns set the timer.
    assert departures(twin, 0)[-3:] == [1_068_000, 1_088_000, 1_108_000]


def test_a_lost_last_ack_makes_a_duplicate():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 900)
    twin = run(small, drop=lose((3, 0)))
    operation, pair = twin.operations[0], twin.queue_pairs[q]
    assert operation.delivered_ps == 42_000
    assert operation.sent_ps == 20_000 + TIMEOUT + RTT
    assert (pair.duplicate_request, pair.acks_sent, pair.expected) == (1, 2, 1)
    assert twin.flows[0].delivered_bytes == 900


@pytest.mark.parametrize("retries", [0, 2, 7])
def test_a_dead_line_is_an_error_after_one_timer_more_than_retries(retries):
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT, retries=retries)
    small.send(q, 900)
    late = small.send(q, 900, at=20 * TIMEOUT)
    twin = run(small, drop=lambda port, _: port == 2)
    pair = twin.queue_pairs[q]
    assert pair.in_error == pair.req_transport_retries_exceeded == 1
    assert pair.error_ps == PACKET + (retries + 1) * TIMEOUT
    assert pair.local_ack_timeout_err == pair.tx_packets == retries + 1
    assert twin.operations_left == 2
    assert twin.operations[late].packets == 0  # a queue pair in error takes nothing


def test_retries_count_from_the_last_progress():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT, retries=2)
    small.send(q, 1800)
    twin = run(small, drop=lambda port, k: port == 2 and k > 0)
    assert twin.queue_pairs[q].error_ps == RTT + 3 * TIMEOUT


def test_replies_to_a_queue_pair_in_error_are_counted_only():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=25_000, retries=0)
    small.send(q, 900)
    twin = run(small)
    pair, operation = twin.queue_pairs[q], twin.operations[0]
    assert pair.error_ps == 45_000  # before the ACK, at 48 ns
    assert (pair.rx_acks, pair.oldest) == (1, 0)
    assert (operation.delivered_ps, operation.sent_ps) == (42_000, NOWHERE)


def test_a_queue_pair_that_is_not_ready_any_more_leaves_the_list():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=25_000)
    other = small.queue_pair(THERE, BACK)
    small.send(q, 900)
    small.send(other, 2700)
    twin = run(small)
    pair = twin.queue_pairs[q]
    # It goes back at 45 ns, while the other one sends; its ACK comes at 48, its turn at 60.
    assert (pair.local_ack_timeout_err, pair.tx_packets, pair.next) == (1, 1, 1)
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000]


@pytest.mark.parametrize("drop", [None, lose((0, 2)), lose((0, 4)), lose((0, 1), (0, 3))])
def test_psn_wrap(drop):
    twins = []
    for first in (0, PSN_MODULUS - 2, 3 * PSN_MODULUS - 2):
        small = two_hosts()
        q = small.queue_pair(THERE, BACK, first=first, timeout_ps=TIMEOUT)
        small.send(q, 4500)
        twins.append(run(small, drop=drop))
        pair = twins[-1].queue_pairs[q]
        assert pair.oldest == pair.expected == pair.posted == first + 5
        rows = twins[-1].probes
        unwrapped = [row._replace(psn=(row.psn - first) % PSN_MODULUS) for row in rows]
        assert unwrapped == twins[0].probes
    assert {row.psn for row in twins[1].probes if row.kind == DATA} == {
        PSN_MODULUS - 2,
        PSN_MODULUS - 1,
        0,
        1,
        2,
    }


# Lanes and their order


def test_queue_pairs_of_a_lane_take_turns():
    small = two_hosts()
    for _ in range(2):
        small.send(small.queue_pair(THERE, BACK), 2700)
    small.send(small.queue_pair(THERE, BACK, priority=4), 1800)
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 0 and not row.is_arrival]
    assert [row.queue_pair for row in rows] == [2, 2, 0, 1, 0, 1, 0, 1]


def test_arrivals_of_one_time_are_ordered_by_the_port_that_sent_them():
    small = Small()
    middle = small.switch()
    hosts = [small.host() for _ in range(3)]
    for host in hosts:
        small.link(host, middle)  # ports 0, 2, 4 at the hosts, 1, 3, 5 at the switch
    small.send(small.queue_pair([2, 5], [4, 3]), 900)
    small.send(small.queue_pair([0, 5], [4, 1]), 900)
    twin = run(small)
    assert [row.port for row in twin.probes if row.time_ps == 21_000] == [1, 3]
    assert departures(twin, 5) == [41_000, 61_000]
    assert [row.queue_pair for row in twin.probes if row.port == 5 and row.kind == DATA] == [1, 0]


def test_a_lossy_lane_drops_what_does_not_fit():
    small = two_hosts(ps_per_byte=100)
    small.lane(2, 3)["queue_limit_bytes"] = 1960
    q = small.queue_pair(THERE, BACK)
    small.send(q, 2700)
    twin = run(small)
    assert lane(twin, 2).drops_congestion == 1
    assert twin.queue_pairs[q].expected == 2
    assert twin.ports[2].max_queued_bytes == 1960
    assert twin.ports[1].rx_packets == 3


# PFC: XOFF above 1500 B, XON at 1000 B, packets of 980 B stored


def lossless(small: Small, limit: int = 100_000, **pause) -> int:
    small.lane(1, 3).update(xoff_bytes=1500, xon_bytes=1000, ingress_limit_bytes=limit)
    small.ports[1].update(pause)
    return small.queue_pair(THERE, BACK)


def test_stop_and_go_on():
    small = two_hosts(ps_per_byte=40)
    small.send(lossless(small), 3600)
    twin = run(small, lossless=[PRIORITIES + 3])
    # Packet 1 comes at 41 ns: 1960 B. The frame lasts 1.68 ns and is heard at 43.68.
    # Packet 2 was in service. Packet 1 has left at 101 ns, heard at 103.68.
    assert departures(twin, 1, PFC) == [42_680, 102_680, 126_360, 142_680]
    assert [row.psn for row in twin.probes if row.kind == PFC and not row.is_arrival] == [
        0x0808,
        0x0008,
        0x0808,
        0x0008,
    ]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 123_680]
    host, ingress = lane(twin, 0), lane(twin, 1)
    assert host.paused_ps == (103_680 - 43_680) + (143_680 - 127_360)
    assert (host.rx_pause, ingress.tx_pause) == (2, 2)
    assert (twin.ports[0].rx_pause, twin.ports[1].tx_pause) == (4, 4)
    assert ingress.max_ingress_bytes == 2940
    assert twin.ports[1].pausing == 0


def test_xoff_is_exceeded_and_xon_is_reached():
    small = two_hosts(ps_per_byte=100)
    small.send(lossless(small), 4500)
    small.lane(1, 3).update(xoff_bytes=1960, xon_bytes=980)
    twin = run(small)
    # Stopped by the third packet, at 61 ns; one of four is left at 321 ns.
    assert departures(twin, 1, PFC) == [62_680, 322_680]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000, 343_680]


def test_other_priorities_go_on_in_a_pause():
    small = two_hosts(ps_per_byte=40)
    small.send(lossless(small), 3600)
    small.send(small.queue_pair(THERE, BACK, priority=2), 1800)
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 0 and not row.is_arrival]
    # The pause is heard at 43.68 ns and ends at 103.68, while a low packet is in service.
    data = [(row.time_ps, row.queue_pair) for row in rows if row.kind == DATA]
    assert data == [
        (20_000, 0),
        (40_000, 0),
        (60_000, 0),
        (80_000, 1),
        (100_000, 1),
        (123_680, 0),
    ]


def test_a_pause_that_is_not_refreshed_runs_out():
    small = two_hosts(ps_per_byte=1000)
    small.send(lossless(small, 4900, pause_ps=30_000, refresh_ps=10**12), 5400)
    twin = run(small)
    # Heard at 43.68 ns, over at 73.68. The switch is still pausing and says nothing more.
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 93_680, 113_680, 133_680]
    assert departures(twin, 1, PFC)[0] == 42_680
    ingress = lane(twin, 1)
    assert (ingress.drops_congestion, ingress.missing_bytes) == (1, 980)
    assert ingress.episode_drop_bytes == 0  # XON came since
    assert lane(twin, 0).paused_ps == 30_000
    assert invariants(twin, [PRIORITIES + 3]) == ["lane 11: lacked 980 B though lossless"]


def test_a_pause_that_is_refreshed_holds():
    small = two_hosts(ps_per_byte=100)
    small.send(lossless(small, pause_ps=30_000, refresh_ps=20_000), 3600)
    twin = run(small)
    # A repetition 20 ns after the end of each, so every 21.68 ns, until XON at 221 ns.
    first = [42_680 + 21_680 * k for k in range(9)]
    assert departures(twin, 1, PFC)[:10] == [*first, 222_680]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 243_680]
    # Packet 3 stops it anew: XOFF ends at 246.36 ns; XON is asked at 321, heard at 323.68.
    again = [246_360 + 21_680 * k for k in range(4)]
    assert departures(twin, 1, PFC)[10:] == [*again, 322_680]
    assert lane(twin, 0).paused_ps == (223_680 - 43_680) + (323_680 - 247_360)
    assert lane(twin, 0).rx_pause == 13


def test_a_lost_pause_is_made_good_by_the_refresh():
    small = two_hosts(ps_per_byte=100)
    small.send(lossless(small, pause_ps=30_000, refresh_ps=20_000), 9000)
    twin = run(small, drop=lose((1, 0)))
    assert (twin.ports[0].lost_pause, twin.ports[0].rx_crc_errors) == (1, 1)
    # The repetition leaves at 64.36 ns, is heard at 65.36, in packet 3.
    assert departures(twin, 0)[:4] == [20_000, 40_000, 60_000, 80_000]
    assert departures(twin, 0)[4] > 300_000
    assert twin.operations_left == 0


def test_a_pause_counts_with_nothing_to_send():
    small = two_hosts(ps_per_byte=1000)
    small.send(lossless(small, pause_ps=30_000, refresh_ps=10**12), 1800)
    twin = run(small)
    assert lane(twin, 0).paused_ps == 30_000
    twin = run(small, stop_ps=73_679)
    assert lane(twin, 0).paused_ps == 0
    assert (lane(twin, 0).paused_since_ps, lane(twin, 0).pause_until_ps) == (43_680, 73_680)


def test_pauses_spread_back_over_two_switches():
    """Buffers of XOFF + rate x RTT + 2 frames + the PFC frames lose nothing."""
    small = Small()
    nodes = [small.host(), small.switch(), small.switch(), small.host()]
    small.link(nodes[0], nodes[1])
    small.link(nodes[1], nodes[2], delay_ps=400_000)
    small.link(nodes[2], nodes[3], ps_per_byte=80)
    for port, delay in ((1, 1000), (3, 400_000)):
        limit = 30_000 + 2 * delay // 20 + 2 * 1000 + 2 * 84
        small.lane(port, 3).update(xoff_bytes=30_000, xon_bytes=20_000, ingress_limit_bytes=limit)
    small.send(small.queue_pair([0, 2, 4], [5, 3, 1], timeout_ps=10**9), 900_000)
    twin = run(small, lossless=[1 * 8 + 3, 3 * 8 + 3])
    assert lane(twin, 0).rx_pause > 0
    assert lane(twin, 2).rx_pause > 0
    assert lane(twin, 3).max_ingress_bytes > 60_000
    assert twin.queue_pairs[0].retransmitted_packets == 0
    assert twin.operations_left == 0
    # The slow last link never falls idle once the first packet is there.
    assert np.all(np.diff(departures(twin, 4)) == 80_000)


# Operations


def test_dependencies():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK)
    first = small.compute(5000, at=1000)
    send = small.send(q, 900, at=None, after_sent=(first,))
    there = small.compute(100, at=None, after_delivered=(send,))
    here = small.compute(100, at=None, after_sent=(send,))
    both = small.compute(0, at=90_000, after_sent=(here,), after_delivered=(there,))
    late = small.compute(7, at=10, after_sent=(both,))
    twin = run(small)
    times = [(o.start_ps, o.sent_ps, o.delivered_ps) for o in twin.operations]
    assert times[first] == (1000, 6000, 6000)
    assert times[send] == (6000, 54_000, 48_000)
    assert times[there] == (48_000, 48_100, 48_100)
    assert times[here] == (54_000, 54_100, 54_100)
    assert times[both] == (90_000, 90_000, 90_000)
    assert times[late] == (90_000, 90_007, 90_007)
    assert twin.operations_left == 0


def test_sends_of_a_queue_pair_follow_each_other():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK)
    small.send(q, 1800, at=10)
    small.send(q, 900, at=0)
    twin = run(small)
    assert [o.first_packet for o in twin.operations] == [1, 0]
    assert [o.delivered_ps for o in twin.operations] == [82_000, 42_000]
    assert [o.sent_ps for o in twin.operations] == [88_000, 48_000]


def test_slots_with_credits():
    small = two_hosts()
    there = small.queue_pair(THERE, BACK)
    back = small.queue_pair(BACK, THERE)
    small.send(there, 1800, message=900, credit=1, feeds=1)
    small.send(back, 200, message=100, credit=0, feeds=0)
    twin = run(small)
    # The slot is full at 42 ns: ACK to 44, return to 48, heard at 54; ACK to 56, data to 76.
    assert departures(twin, 0) == [20_000, 76_000]
    assert departures(twin, 3) == [48_000, 104_000]
    assert [o.credits for o in twin.operations] == [3, 2]
    assert [o.messages_delivered for o in twin.operations] == [2, 2]
    assert twin.operations[0].delivered_ps == 98_000
    assert twin.operations_left == 0


# Random numbers


def test_mix_is_the_finaliser_of_splitmix64():
    # The first words of SplitMix64 from seed 0, as its author's program prints them.
    assert [streams.mix((k + 1) * streams.GOLDEN % streams.MODULUS) for k in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_streams_look_uniform():
    draws = [streams.uniform(seed, s, k) for seed in (0, 9) for s in range(50) for k in range(50)]
    assert min(draws) >= 0
    assert max(draws) < 1
    assert np.mean(draws) == pytest.approx(0.5, abs=0.02)
    assert len(set(draws)) == len(draws)


def test_bit_errors_hit_the_frames_that_hold_a_bad_bit():
    survival, bits = math.log1p(-1e-4), 8 * 980
    small = two_hosts(seed=5)
    small.ports[0]["has_errors"] = 1
    small.errors[0]["log_survival"] = survival
    small.send(small.queue_pair(THERE, BACK), 40 * 900)
    twin = run(small, stop_ps=40 * PACKET)
    port = twin.ports[0]
    hit, bit, draws = set(), -1, 0
    while bit < bits * port.frames_sent:
        u = streams.uniform(5, streams.error_stream(0), draws)
        bit += 1 + math.floor(math.log(1 - u) / survival)
        hit.add(bit // bits)
        draws += 1
    hit.remove(bit // bits)
    rows = [row for row in twin.probes if row.port == 0 and not row.is_arrival]
    assert {n for n, row in enumerate(rows) if row.flags & DAMAGED} == hit
    assert 5 < len(hit) < len(rows)
    assert (twin.errors[0].draws, twin.errors[0].gap) == (draws, bit - bits * port.frames_sent)


def test_gaps_are_bounded():
    assert streams.gap(0.5, -1e-300) == 1 << 62
    assert streams.gap(0.0, -1e-9) == 0
    assert streams.gap(1 - 2**-53, -math.inf) == 0


def test_ecn_marks():
    small = two_hosts(ps_per_byte=40)
    small.lane(2, 3).update(ecn_min_bytes=1500, ecn_max_bytes=2900, ecn_probability=0.9)
    q = small.queue_pair(THERE, BACK)
    small.send(q, 4500)
    twin = run(small)
    # Before packets 0 to 4 the lane holds 0, 980, 1960, 1960, 2940 B.
    drawn = [streams.uniform(1, streams.ecn_stream(2), k) < 0.9 * 460 / 1400 for k in range(2)]
    rows = [row for row in twin.probes if row.port == 2 and row.kind == DATA]
    assert [bool(row.flags & ECN_MARKED) for row in rows] == [False, False, *drawn, True]
    assert twin.ports[2].ecn_draws == 2
    assert lane(twin, 2).ecn_marked == 1 + sum(drawn)
    assert twin.queue_pairs[q].np_ecn_marked_roce_packets == 1 + sum(drawn)


@pytest.mark.parametrize(("most", "marks", "draws"), [(2940, 1, 2), (0, 0, 0), (980, 3, 0)])
def test_ecn_bounds(most, marks, draws):
    small = two_hosts(ps_per_byte=40)
    small.lane(2, 3).update(ecn_min_bytes=980 if most else 0, ecn_max_bytes=most)
    small.send(small.queue_pair(THERE, BACK), 4500)
    twin = run(small)
    assert (lane(twin, 2).ecn_marked, twin.ports[2].ecn_draws) == (marks, draws)


# The twin as an instrument


@pytest.mark.parametrize("seed", range(20))
def test_busy_networks_keep_the_invariants(seed):
    small = busy(seed)
    twin = run(small)
    assert len(twin.probes) > 300
    tables = by_kernel(small, twin)
    assert differences(tables, twin) == []
    assert invariants(tables) == []
    stopped = run(small, stop_ps=twin.clock_ps // 3)
    assert stopped.probes == twin.probes[: len(stopped.probes)]


def test_busy_networks_meet_everything():
    twins = [emulate(busy(seed).tables()) for seed in range(20)]
    lanes = [row for twin in twins for row in twin.lanes]
    pairs = [row for twin in twins for row in twin.queue_pairs]
    assert any(row.drops_congestion for row in lanes if row.is_lossless)
    assert any(row.drops_congestion for row in lanes if not row.is_lossless)
    assert any(row.ecn_marked for row in lanes)
    assert any(row.paused_ps for row in lanes)
    assert any(row.lost_pause for twin in twins for row in twin.ports)
    assert any(row.rx_naks < row.naks_sent for row in pairs)
    assert any(row.in_error for row in pairs)
    assert any(row.duplicate_request for row in pairs)
    assert any(row.kind == NAK for twin in twins for row in twin.probes)


def test_the_tables_stay_as_they_are():
    tables = busy(0).tables()
    before = [part.tobytes() for part in (*flat(tables), *tables.groups[0])]
    emulate(tables)
    assert [part.tobytes() for part in (*flat(tables), *tables.groups[0])] == before


def flat(tables):
    return [part for part in tables if not isinstance(part, list)]


def test_differences_are_told():
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK), 900)
    twin = run(small)
    tables = by_kernel(small, twin)
    tables.ports["tx_bytes"][2] += 1
    tables.groups[0].probes["time_ps"][3] += 5
    tables.operations["delivered_ps"][0] += 5
    assert differences(tables, twin) == [
        "probes: only the kernel has 1 rows, first 42005 ps arrival port 3 data queue pair 0"
        " psn 0 1000 B flags 9",
        "probes: only the twin has 1 rows, first 42000 ps arrival port 3 data queue pair 0"
        " psn 0 1000 B flags 9",
        "port 2: tx_bytes is 1001 in the kernel, 1000 in the twin",
        "operation 0: delivered_ps is 42005 in the kernel, 42000 in the twin",
    ]


def test_another_order_of_the_same_rows_is_told():
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK), 900)
    twin = run(small)
    tables = by_kernel(small, twin)
    probes = tables.groups[0].probes
    probes[[2, 3]] = probes[[3, 2]]
    (told,) = differences(tables, twin)
    assert told.startswith("probes: same rows, other order from row 2 on")


def test_when_a_pause_was_closed_does_not_matter():
    small = two_hosts(ps_per_byte=1000)
    small.send(lossless(small, pause_ps=30_000, refresh_ps=10**12), 1800)
    twin = run(small)
    tables = by_kernel(small, twin)
    tables.lanes["paused_ps"][3] = 0
    tables.lanes["paused_since_ps"][3] = 2_000_000_000_000
    assert differences(tables, twin) != []
    tables.lanes["paused_since_ps"][3] = tables.lanes["pause_until_ps"][3] - 30_000
    assert differences(tables, twin) == []


def test_broken_invariants_are_told():
    small = two_hosts()
    small.send(small.queue_pair(THERE, BACK), 1800)
    twin = run(small)
    twin.flows[0].delivered_bytes -= 1
    twin.queue_pairs[0].expected = 3
    twin.ports[2].queued_bytes = 1
    twin.probes = [row for row in twin.probes if row.port != 0 or row.is_arrival]
    told = " / ".join(invariants(twin))
    assert "expected 3 is above newest 2" in told
    assert "flow 0: 1799 B delivered, 1800 B accepted" in told
    assert "port 2: its queued bytes" in told
    assert "port 0: frames come from it that never left it" in told


def test_a_window_smaller_than_the_coalescing_asks_for_its_ack():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, window_bytes=900, ack_every=5)
    small.send(q, 1800)
    twin = run(small)
    assert twin.operations_left == 0
    assert twin.queue_pairs[q].acks_sent == 2
