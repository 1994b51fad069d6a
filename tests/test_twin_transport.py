"""The twin's losses, restarts, rates and stalls: small runs computed by hand.

The network is that of test_twin_alone.py: packet k, sent as soon as it can be, leaves at
20 (k + 1) ns and is at the receiver 22 ns later; what the receiver says is back in 6 ns more.
"""

import math

import pytest
from reference import rate, stalls, streams
from reference.emulator import Emulator, differences, emulate, invariants
from reference.reading import read
from reference.records import Packet, Rate, Row, Stall
from reference.small import DCQCN_RATE, LINE_BPS, Small, busier, two_hosts
from twin_runs import BACK, PACKET, RTT, THERE, TIMEOUT, by_kernel, departures, lane, lose, run

from wanrdma.kernels.tables import (
    ACK,
    ACK_REQUESTED,
    BITS,
    BY_NAK,
    BY_TIMEOUT,
    CNP,
    CODEWORDS,
    DAMAGED,
    DATA,
    DCQCN,
    FIXED,
    GO_BACK,
    NAK,
    NOTICE,
    NOWHERE,
    PACKETS,
    PSN_MODULUS,
    QP_ERROR,
)
from wanrdma.kernels.tables import (
    TIMEOUT as TIMEOUT_ROW,
)

MANY = 1000  # rows of a kind
DOWN, CLEAN = -math.inf, 0.0


def one_pair(packets: int, **fields) -> tuple[Small, int]:
    small = two_hosts()
    small.log_first = MANY
    q = small.queue_pair(THERE, BACK, **{"timeout_ps": TIMEOUT} | fields)
    small.send(q, 900 * packets)
    return small, q


def starts(twin, port: int = 0) -> list[int]:
    return [ended - PACKET for ended in departures(twin, port)]


def sent_psns(twin, port: int = 0, kind: int = DATA) -> list[int]:
    return [
        row.psn for row in twin.probes if (row.port, row.kind, row.is_arrival) == (port, kind, 0)
    ]


def log_of(twin, kind: int) -> list[tuple[int, int]]:
    return [(time, about) for time, noted, _, about in twin.log if noted == kind]


# Selective repeat


@pytest.mark.parametrize("first", [0, PSN_MODULUS - 2])
def test_only_the_lost_packet_is_sent_again(first):
    small, q = one_pair(5, reorder_packets=100, first=first)
    twin = run(small, drop=lose((0, 1)))
    pair = twin.queue_pairs[q]
    # Packet 2 comes at 82 ns, its NAK is back at 88, in packet 4. Packet 1 follows at 100.
    assert [(psn - first) % PSN_MODULUS for psn in sent_psns(twin)] == [0, 1, 2, 3, 4, 1]
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000, 100_000, 120_000]
    # It comes at 142 ns and is accepted with 2, 3 and 4, which were held: one ACK for all.
    assert departures(twin, 3, NAK) == [84_000, 104_000, 124_000]
    assert departures(twin, 3, ACK) == [44_000, 144_000]
    flow, operation = twin.flows[0], twin.operations[0]
    assert (operation.delivered_ps, operation.sent_ps) == (142_000, 148_000)
    assert (flow.delivered_bytes, flow.last_delivery_ps) == (4500, 142_000)
    assert (pair.out_of_sequence, pair.duplicate_request) == (3, 0)
    assert (pair.packet_seq_err, pair.lost_by_nak, pair.rx_naks) == (1, 1, 3)
    assert (pair.tx_packets, pair.retransmitted_packets) == (6, 1)
    assert pair.resend_next == pair.resend_end == pair.oldest == pair.next == first + 5
    assert (pair.received, pair.held, pair.retries_used) == (set(), {}, 0)
    assert log_of(twin, GO_BACK) == [(88_000, first + 1)]
    assert twin.stalls == [
        # The ACK of packet 0 came at 48 ns, the next one at 148.
        Stall(148_000, q, first + 1, 48_000, 88_000, 148_000, BY_NAK, 1, 0)
    ]


def test_what_is_sent_again_asks_for_an_ack_and_passes_a_closed_window():
    # Packet 1 alone would fill what is open of the window: the others are outstanding still.
    small, _ = one_pair(6, reorder_packets=100, window_bytes=2700, ack_every=100)
    twin = run(small, drop=lose((0, 1)))
    rows = [row for row in twin.probes if (row.port, row.is_arrival, row.kind) == (0, 0, DATA)]
    asked = [(row.psn, row.time_ps) for row in rows if row.flags & ACK_REQUESTED]
    # The window is full after packet 2. The NAK at 88 ns acknowledges packet 0, so 3 fits.
    assert asked == [(2, 60_000), (1, 108_000), (3, 128_000), (5, 176_000)]
    # Packets 1 and 2 are acknowledged at 136 ns: 4 and 5 fit.
    assert [row.time_ps for row in rows] == [
        *(20_000, 40_000, 60_000),
        *(108_000, 128_000),
        *(156_000, 176_000),
    ]


def test_two_losses_in_a_row_of_naks():
    small, q = one_pair(6, reorder_packets=100)
    twin = run(small, drop=lose((0, 1), (0, 3)))
    pair = twin.queue_pairs[q]
    # NAKs of packets 2 and 4 are back at 88 and 128 ns. Each shows one loss more.
    assert sent_psns(twin) == [0, 1, 2, 3, 4, 1, 5, 3]
    assert log_of(twin, GO_BACK) == [(88_000, 1), (128_000, 3)]
    assert (pair.packet_seq_err, pair.lost_by_nak, pair.retransmitted_packets) == (2, 2, 2)
    # Packet 1 leaves at 120 ns: an ACK up to 2 at 148. Packet 3 leaves at 160, behind 5.
    assert departures(twin, 3, ACK) == [44_000, 144_000, 184_000]
    # 3, 4 and 5 are accepted together.
    assert twin.operations[0].delivered_ps == 182_000
    # The loss of packet 3 was noticed while the first stall was open; it is of packet 1.
    assert twin.stalls == [Stall(148_000, q, 1, 48_000, 88_000, 148_000, BY_NAK, 2, 0)]


def test_a_retransmission_that_is_lost_waits_for_the_timer():
    small, q = one_pair(4, reorder_packets=100)
    twin = run(small, drop=lose((0, 1), (0, 4)))
    pair = twin.queue_pairs[q]
    # Packet 1 leaves at 108 ns, and is lost. NAKs do not set the timer, the ACK at 48 did.
    # What the NAKs named, 2 and 3, is not sent again.
    assert departures(twin, 0)[4:] == [108_000, RTT + TIMEOUT + PACKET]
    assert twin.operations[0].sent_ps == RTT + TIMEOUT + RTT
    assert (pair.local_ack_timeout_err, pair.retransmitted_packets) == (1, 2)
    assert log_of(twin, TIMEOUT_ROW) == [(RTT + TIMEOUT, 1)]
    ended = RTT + TIMEOUT + RTT
    assert twin.stalls == [Stall(ended, q, 1, RTT, 88_000, ended, BY_NAK, 1, 1)]


def test_a_lost_nak_is_made_good_by_the_next_one():
    small, q = one_pair(4, reorder_packets=100)
    twin = run(small, drop=lose((0, 1), (3, 1)))
    pair = twin.queue_pairs[q]
    # The NAK of packet 3, at 108 ns, says nothing of 2: both are sent again.
    assert sent_psns(twin)[4:] == [1, 2]
    assert departures(twin, 0)[4:] == [128_000, 148_000]
    assert log_of(twin, GO_BACK) == [(108_000, 1)]
    # Packet 1 arrives at 150 ns; with its ACK, at 156, all is over.
    assert twin.operations[0].sent_ps == twin.clock_ps == 156_000
    assert (pair.packet_seq_err, pair.rx_naks, pair.naks_sent) == (1, 1, 2)


def test_a_packet_that_is_held_already_is_a_duplicate():
    small, q = one_pair(5, reorder_packets=100)
    # The NAK of packet 2 is lost, and so is the first copy that is sent of 1 again.
    twin = run(small, drop=lose((0, 1), (3, 1), (0, 5)))
    pair = twin.queue_pairs[q]
    # The NAK of 3, at 108 ns, draws 1 (lost) and 2, which is held: NAK about 2 once more.
    assert sent_psns(twin)[5:] == [1, 2, 1]
    assert (pair.duplicate_request, pair.out_of_sequence) == (1, 3)
    assert pair.naks_sent == 4
    assert (pair.packet_seq_err, pair.local_ack_timeout_err) == (1, 1)
    # Then the timer: what was named by a NAK (2, 3, 4) is not sent once more.
    assert twin.operations[0].sent_ps == RTT + TIMEOUT + RTT


def test_when_all_naks_are_lost_the_timer_sends_all_again():
    small, q = one_pair(4, reorder_packets=100)
    twin = run(small, drop=lose((0, 1), (3, 1), (3, 2)))
    at = RTT + TIMEOUT
    assert sent_psns(twin)[4:] == [1, 2, 3]
    assert starts(twin)[4:] == [at, at + PACKET, at + 2 * PACKET]
    assert twin.operations[0].sent_ps == at + RTT  # packet 1 closes the gap
    assert twin.stalls == [Stall(at + RTT, q, 1, RTT, at, at + RTT, BY_TIMEOUT, 0, 1)]


def test_a_window_lost_whole_waits_for_the_timer():
    small, q = one_pair(4, reorder_packets=100, window_bytes=1800)
    twin = run(small, drop=lose((0, 0), (0, 1)))
    pair = twin.queue_pairs[q]
    at = PACKET + TIMEOUT
    # Of 0, sent again at `at`, the ACK is back a round trip later: 2 may go; then 3.
    assert starts(twin) == [0, PACKET, at, at + PACKET, at + RTT, at + RTT + PACKET]
    assert (pair.local_ack_timeout_err, pair.naks_sent, pair.lost_by_nak) == (1, 0, 0)
    assert twin.stalls == [Stall(at + RTT, q, 0, 0, at, at + RTT, BY_TIMEOUT, 0, 1)]


def test_messages_that_were_held_are_delivered_one_by_one():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, reorder_packets=100, timeout_ps=TIMEOUT)
    for _ in range(3):
        small.send(q, 900)
    twin = run(small, drop=lose((0, 0)))
    # 1 and 2 come at 62 and 82 ns; 0 leaves at 88, behind nothing, and comes at 110.
    assert [o.delivered_ps for o in twin.operations] == [110_000] * 3
    assert [o.sent_ps for o in twin.operations] == [116_000] * 3
    assert [flow.first_delivery_ps for flow in twin.flows] == [110_000] * 3


@pytest.mark.parametrize(
    ("comes", "acks"),
    [
        ([(0, 0)], 0),
        ([(0, ACK_REQUESTED)], 1),
        ([(0, 0), (1, 0), (2, 0)], 1),  # three in a row, as `ack_every` says
        ([(1, 0), (0, 0)], 1),  # one was held
        ([(2, 0), (0, 0)], 1),  # and is so still
        ([(2, 0), (0, 0), (1, 0)], 2),
        ([(2, 0), (1, 0), (0, 0), (3, 0)], 1),  # for 0 to 2, not for 3
        ([(1, 0), (0, 0), (2, 0), (3, 0), (4, 0)], 2),
    ],
)
def test_when_a_receiver_that_holds_packets_acknowledges(comes, acks):
    """Whatever order they come in: on these lines only what is sent again comes late."""
    small, q = one_pair(9, reorder_packets=100, ack_every=3)
    emulator = Emulator(read(small.tables()))
    emulator.agenda(0)
    for psn, flags in comes:
        packet = Packet(DATA, 1000, 3, q, psn, payload_bytes=900, flags=flags)
        emulator.receive(packet)
    pair = emulator.queue_pairs[q]
    assert (pair.acks_sent, pair.duplicate_request) == (acks, 0)
    assert pair.naks_sent == pair.out_of_sequence


def test_selective_repeat_spends_retries_on_timers_only():
    small, q = one_pair(4, reorder_packets=100, retries=0)
    assert run(small, drop=lose((0, 1))).queue_pairs[q].in_error == 0
    twin = run(small, drop=lose((0, 1), (0, 4)))
    assert twin.queue_pairs[q].error_ps == RTT + TIMEOUT
    assert log_of(twin, QP_ERROR) == [(RTT + TIMEOUT, 1)]


# Rates


@pytest.mark.parametrize("bps", [300_000_000_000, 100_000_000_000, 7])
def test_a_fixed_rate(bps):
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, rate_control=FIXED, rate_bps=bps, line_bps=LINE_BPS)
    small.send(q, 2700)
    twin = run(small)
    gap = math.ceil(8 * 10**12 * 1000 / bps)
    assert starts(twin) == [0, gap, 2 * gap]
    paced = twin.rates[q]
    assert (paced.rate_bps, paced.next_send_ps) == (bps, 3 * gap)
    assert (paced.sent_bytes, paced.timer_steps, paced.byte_steps) == (0, 0, 0)


def test_a_paced_queue_pair_lets_the_others_go_first():
    small = two_hosts()
    paced = small.queue_pair(THERE, BACK, rate_control=FIXED, rate_bps=LINE_BPS // 5)
    other = small.queue_pair(THERE, BACK)
    small.send(paced, 1800)
    small.send(other, 5400)
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 0 and row.kind == DATA and not row.is_arrival]
    # Packets of the other start from 20 ns on. At 100 both wait in the list, the other first.
    assert [row.queue_pair for row in rows] == [paced, *[other] * 5, paced, other]
    assert starts(twin) == [PACKET * k for k in range(8)]


def test_time_without_sending_is_not_made_up():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, rate_control=FIXED, rate_bps=LINE_BPS // 2, reth_bytes=16)
    small.send(q, 900)
    small.send(q, 1800, at=200_000)
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 0 and row.kind == DATA and not row.is_arrival]
    # 1016 B take 40.64 ns at half the rate of the line.
    assert [(row.time_ps, row.size_bytes) for row in rows] == [
        (20_320, 1016),
        (220_320, 1016),
        (260_640, 1000),
    ]


def test_what_is_sent_again_is_paced_too():
    small, _ = one_pair(4, reorder_packets=100, rate_control=FIXED, rate_bps=LINE_BPS // 2)
    twin = run(small, drop=lose((0, 1)))
    # Packet 2 starts at 80 ns, comes at 122; its NAK is back at 128, packet 3 starts at 120.
    assert sent_psns(twin) == [0, 1, 2, 3, 1]
    assert starts(twin) == [0, 40_000, 80_000, 120_000, 160_000]


def test_a_pace_is_no_change_of_the_clock():
    small = two_hosts()
    # Goes into error at 45 ns. The pace event at 800 ns finds nothing to do.
    fields = {"timeout_ps": 25_000, "retries": 0, "rate_control": FIXED}
    q = small.queue_pair(THERE, BACK, rate_bps=LINE_BPS // 40, **fields)
    small.send(q, 1800)
    twin = run(small, drop=lose((0, 0)))
    assert (twin.clock_ps, twin.queue_pairs[q].error_ps) == (45_000, 45_000)


def dcqcn(**fields) -> Rate:
    """Return a rate that was cut at time 0 and has stood at it since."""
    state = {"alpha_since_ps": 0, "rate_since_ps": 0, "next_send_ps": 0}
    state |= dict.fromkeys(("timer_steps", "byte_steps", "sent_bytes"), 0)
    return Rate(**DCQCN_RATE | state | fields)


G = 10**9
PERIOD = DCQCN_RATE["increase_ps"]
FRESH = DCQCN_RATE["alpha_ps"]
GAIN = DCQCN_RATE["gain"]


def test_a_cnp_halves_a_rate_whose_alpha_is_one():
    paced = dcqcn()
    rate.cnp_comes(paced, 54 * 10**6)
    assert (paced.rate_bps, paced.target_bps, paced.alpha) == (200 * G, 400 * G, 1.0)
    rate.cnp_comes(paced, 54 * 10**6 + 1)
    assert (paced.rate_bps, paced.target_bps, paced.alpha) == (100 * G, 200 * G, 1.0)
    assert paced.alpha_since_ps == paced.rate_since_ps == 54 * 10**6 + 1


@pytest.mark.parametrize("alpha", [1.0, 0.25])
@pytest.mark.parametrize(("waits", "periods"), [(FRESH - 1, 0), (FRESH, 1), (3 * FRESH + 7, 3)])
def test_alpha_decays_by_whole_periods_and_grows_by_a_cnp(waits, periods, alpha):
    paced = dcqcn(alpha_since_ps=1000, alpha=alpha)
    rate.cnp_comes(paced, 1000 + waits)
    old = alpha * (1 - GAIN) ** periods
    assert paced.alpha == pytest.approx((1 - GAIN) * old + GAIN, rel=1e-15)
    assert paced.rate_bps == pytest.approx(400 * G * (1 - old / 2), abs=1)
    assert paced.alpha_since_ps == 1000 + waits


def test_a_rate_does_not_fall_below_the_least():
    paced = dcqcn(rate_bps=150, target_bps=150, least_bps=100)
    rate.cnp_comes(paced, 1)
    assert (paced.rate_bps, paced.target_bps) == (100, 150)


def test_fast_recovery_halves_the_way_back():
    paced = dcqcn()
    rate.cnp_comes(paced, 0)
    rate.bring_up_to_date(paced, PERIOD - 1)
    assert (paced.rate_bps, paced.timer_steps) == (200 * G, 0)
    found = []
    for k in range(1, 5):
        rate.bring_up_to_date(paced, k * PERIOD)
        found.append(paced.rate_bps)
    assert found == [300 * G, 350 * G, 375 * G, 387.5 * G]
    assert (paced.target_bps, paced.timer_steps, paced.rate_since_ps) == (400 * G, 4, 4 * PERIOD)
    late = dcqcn()
    rate.cnp_comes(late, 0)
    rate.bring_up_to_date(late, 5 * PERIOD - 1)  # four at once
    assert late == paced


def test_then_the_target_grows():
    paced = dcqcn(rate_bps=100 * G, target_bps=200 * G)
    rate.bring_up_to_date(paced, 4 * PERIOD)
    assert (paced.rate_bps, paced.target_bps) == (193.75 * G, 200 * G)
    rate.bring_up_to_date(paced, 5 * PERIOD)
    assert (paced.rate_bps, paced.target_bps) == ((193.75 + 205) / 2 * G, 205 * G)
    rate.bring_up_to_date(paced, 7 * PERIOD)
    assert paced.target_bps == 215 * G


@pytest.mark.parametrize(
    ("timer_steps", "byte_steps", "grows"),
    [(3, 3, 0), (4, 0, 5), (9, 4, 5), (5, 5, 5), (5, 6, 50), (6, 7, 100), (0, 5, 5)],
)
def test_how_much_the_target_grows(timer_steps, byte_steps, grows):
    # A period more, so one timer step more than these.
    steps = {"timer_steps": timer_steps, "byte_steps": byte_steps}
    paced = dcqcn(rate_bps=100 * G, target_bps=100 * G, **steps)
    rate.bring_up_to_date(paced, PERIOD)
    assert paced.target_bps == (100 + grows) * G
    assert paced.rate_bps == (100 + grows / 2) * G


def test_target_and_rate_stop_at_the_line():
    paced = dcqcn(rate_bps=398 * G, target_bps=398 * G, timer_steps=30, byte_steps=30)
    rate.bring_up_to_date(paced, PERIOD)
    assert (paced.rate_bps, paced.target_bps) == (399 * G, 400 * G)
    # Halving 10^9 takes 30 steps; then no period counts any more.
    rate.bring_up_to_date(paced, 1000 * PERIOD)
    assert (paced.rate_bps, paced.timer_steps) == (400 * G, 31 + math.ceil(math.log2(G)))


def test_bytes_increase_the_rate_too():
    paced = dcqcn(rate_bps=200 * G, increase_bytes=2500, increase_ps=10**15)
    rate.data_starts(paced, 1000, 0)
    rate.data_starts(paced, 1000, 50_000)
    assert (paced.byte_steps, paced.sent_bytes, paced.next_send_ps) == (0, 2000, 90_000)
    # The step comes after the time of the next packet is set: 8000 bit at 200 Gbit/s.
    rate.data_starts(paced, 1000, 100_000)
    assert (paced.byte_steps, paced.sent_bytes, paced.next_send_ps) == (1, 500, 140_000)
    assert paced.rate_bps == 300 * G
    rate.data_starts(paced, 5000, 200_000)
    assert (paced.byte_steps, paced.sent_bytes, paced.rate_bps) == (3, 500, 375 * G)


def test_bytes_do_not_count_at_the_rate_of_the_line():
    paced = dcqcn(increase_bytes=1000)
    rate.data_starts(paced, 999_000, 0)
    assert (paced.byte_steps, paced.sent_bytes) == (0, 0)
    # One that brings it there lets the others of the same packet pass.
    paced = dcqcn(rate_bps=LINE_BPS - 1, increase_bytes=1000, increase_ps=10**15)
    rate.data_starts(paced, 3000, 0)
    assert (paced.rate_bps, paced.byte_steps) == (LINE_BPS, 3)


def test_the_rate_is_brought_up_to_date_before_a_packet_is_paced():
    paced = dcqcn(rate_bps=200 * G)
    rate.data_starts(paced, 1000, PERIOD)
    assert (paced.rate_bps, paced.next_send_ps) == (300 * G, PERIOD + 26_667)


def slow_right(**fields) -> tuple[Small, int]:
    """Let the second link have half the rate, and mark every packet that waits there."""
    small = two_hosts(ps_per_byte=40)
    small.lane(2, 3).update(ecn_min_bytes=0, ecn_max_bytes=1)
    return small, small.queue_pair(THERE, BACK, **fields)


def test_a_mark_slows_down_its_sender():
    small, q = slow_right(**DCQCN_RATE, cnp_ps=50_000_000)
    small.send(q, 9000)
    twin = run(small)
    pair = twin.queue_pairs[q]
    # Packet 1 waits, from 41 to 61 ns, comes at 102. The CNP takes 3.36 and 1.68 ns on the
    # links, and is there at 109.04 ns. Packet 5 is in service, 6 may go at 120, 7 at 160.
    (left,) = [row for row in twin.probes if (row.port, row.kind) == (3, CNP)]
    assert left == Row(105_360, 3, q, 0, 84, CNP, 0, 0)
    heard = [row.time_ps for row in twin.probes if (row.port, row.kind) == (0, CNP)]
    assert heard == [102_000 + 3_360 + 1_000 + 1_680 + 1_000]
    fast, slow = range(0, 140_000, 20_000), range(160_000, 280_000, 40_000)
    assert starts(twin) == [*fast, *slow]
    assert (pair.np_cnp_sent, pair.rp_cnp_handled, pair.np_ecn_marked_roce_packets) == (1, 1, 9)
    paced = twin.rates[q]
    assert (paced.rate_bps, paced.target_bps) == (200 * G, 400 * G)
    assert (paced.rate_since_ps, paced.sent_bytes) == (heard[0], 4000)
    assert lane(twin, 3, 6).queued_bytes == 0
    assert twin.ports[3].tx_packets == 10 + 1


@pytest.mark.parametrize(("apart_ps", "k"), [(1, 1), (40_000, 1), (40_001, 2), (80_000, 2)])
def test_cnps_are_sent_some_time_apart(apart_ps, k):
    small, q = slow_right(cnp_ps=apart_ps)
    small.send(q, 9000)
    twin = run(small)
    # Packets 1 to 9 are marked, and come 40 ns after each other from 102 ns on. The CNP
    # takes 3.36 ns and goes before the ACK, by its higher priority or by its age.
    sent = [102_000 + 40_000 * n for n in range(0, 9, k)]
    assert departures(twin, 3, CNP) == [time + 3_360 for time in sent]
    pair = twin.queue_pairs[q]
    assert pair.np_cnp_sent == pair.rp_cnp_handled == len(sent)
    assert starts(twin) == [PACKET * n for n in range(10)]  # it has no rate to cut


def test_a_cnp_is_drawn_before_the_ack():
    small, q = slow_right(cnp_ps=10**9, cnp_priority=3)
    small.send(q, 1800)
    twin = run(small)
    rows = [row for row in twin.probes if row.port == 3 and not row.is_arrival]
    assert [(row.kind, row.time_ps) for row in rows] == [
        (ACK, 66_000),
        (CNP, 105_360),
        (ACK, 109_360),
    ]
    assert twin.ports[3].max_queued_bytes == 64 + 80


def test_a_queue_pair_in_error_counts_its_cnps():
    small, q = slow_right(**DCQCN_RATE, cnp_ps=1, timeout_ps=49_000, retries=0)
    small.send(q, 1800)
    # The first ACK comes at 70 ns, the timer is over at 69; the CNP comes at 109.04.
    twin = run(small)
    pair = twin.queue_pairs[q]
    assert (pair.error_ps, pair.rp_cnp_handled) == (69_000, 1)
    assert twin.rates[q].rate_bps == LINE_BPS


# Notices, and slow restart


def test_a_notice_tells_the_sender_of_a_damaged_frame():
    small, _ = one_pair(4)
    small.ports[3]["notifies"] = 1
    twin = run(small, drop=lose((2, 1)))
    # The frame comes at 62 ns, the notice takes 1.68, and 1 on the way.
    assert departures(twin, 3, NOTICE) == [63_680]
    assert twin.ports[2].error_told_ps == 64_680
    assert [port.error_told_ps for port in twin.ports].count(NOWHERE) == 3
    acks = len(departures(twin, 3, ACK)) + len(departures(twin, 3, NAK))
    assert twin.ports[3].tx_packets == acks == twin.ports[2].rx_packets
    assert (twin.ports[3].tx_pause, twin.ports[2].rx_pause) == (0, 0)


def test_nobody_tells_of_a_damaged_notice():
    small, _ = one_pair(4)
    for port in small.ports:
        port["notifies"] = 1
    # Port 3 has sent the ACK of packet 0; the notice is its second frame.
    twin = run(small, drop=lose((2, 1), (3, 1)))
    assert twin.ports[2].rx_crc_errors == 1
    assert twin.ports[2].error_told_ps == NOWHERE
    assert departures(twin, 2, NOTICE) == []


def test_a_notice_goes_before_all_packets_and_once():
    small = two_hosts(ps_per_byte=20)
    small.ports[3]["notifies"] = 1
    back = small.queue_pair(BACK, THERE, priority=7)
    small.send(back, 2700)  # 0 to 20 to 40 to 60 ns
    small.send(small.queue_pair(THERE, BACK), 1800)
    twin = run(small, drop=lose((2, 0), (2, 1)), stop_ps=100_000)
    # Damaged frames come at 42 and 62 ns: a notice at 60 ns, another at 62, behind the first.
    assert departures(twin, 3, NOTICE) == [61_680, 63_680]
    assert departures(twin, 3) == [20_000, 40_000, 60_000]
    assert twin.ports[2].error_told_ps == 64_680


def test_a_slow_restart_lets_out_more_with_each_ack():
    small, q = one_pair(8, restart_packets=1)
    twin = run(small, drop=lose((0, 0)))
    # The NAK of packet 1 is back at 68 ns, in packet 3. From 80 on one packet may be out,
    # with its ACK at 128 two, at 176 three, at 196 four: from then on all is on its way.
    assert starts(twin)[4:6] == [80_000, 80_000 + RTT]
    assert starts(twin)[6:8] == [80_000 + RTT + PACKET, 80_000 + 2 * RTT]
    assert starts(twin)[8:] == [176_000 + PACKET * k for k in range(1, 5)]
    assert sent_psns(twin)[4:] == list(range(8))
    assert twin.queue_pairs[q].allowed_packets == 1 + 8


@pytest.mark.parametrize(("window", "left"), [(8101, 9), (8100, 0), (2000, 0)])
def test_a_slow_restart_is_over_with_the_window(window, left):
    small, q = one_pair(8, restart_packets=1, window_bytes=window)
    twin = run(small, drop=lose((0, 0)))
    # 1 + 8 packets are allowed in the end: 8100 B.
    assert twin.queue_pairs[q].allowed_packets == left


def test_a_slow_restart_asks_for_its_acks():
    small, q = one_pair(4, restart_packets=2, ack_every=100)
    twin = run(small, drop=lose((0, 0)))
    rows = [row for row in twin.probes if (row.port, row.is_arrival, row.kind) == (0, 0, DATA)]
    flags = [(row.psn, bool(row.flags & ACK_REQUESTED)) for row in rows]
    # Back at 80 ns with two allowed: the second one asks. Both come with its ACK: four.
    assert flags[:4] == [(0, False), (1, False), (2, False), (3, True)]
    assert flags[4:] == [(0, False), (1, True), (2, False), (3, True)]
    assert starts(twin)[4:] == [80_000, 100_000, 100_000 + RTT, 120_000 + RTT]
    assert twin.queue_pairs[q].local_ack_timeout_err == 0


def test_a_timer_restarts_slowly_too():
    small, _ = one_pair(3, restart_packets=1, window_bytes=2700)
    twin = run(small, drop=lose((0, 0), (0, 1), (0, 2)))
    at = PACKET + TIMEOUT
    # Two are allowed with the ACK of 0.
    assert starts(twin)[3:] == [at, at + RTT, at + RTT + PACKET]


def test_selective_repeat_restarts_slowly_with_what_is_new():
    small, q = one_pair(8, reorder_packets=100, restart_packets=1)
    twin = run(small, drop=lose((0, 1)))
    # The NAK is back at 88 ns, in packet 4: what is lost goes at 100, whatever is allowed.
    # 1 to 4 are outstanding until the ACK at 148: then 1 + 4 are allowed, so 5 and on.
    assert sent_psns(twin) == [0, 1, 2, 3, 4, 1, 5, 6, 7]
    assert starts(twin)[5:] == [100_000, 148_000, 168_000, 188_000]
    assert twin.queue_pairs[q].allowed_packets == 1 + 7


def told(notice_ps: int, round_trip_ps: int, line_port: int = 2, **fields) -> tuple[int, int]:
    """Lose a packet after a notice at this time; return what was kept and what is allowed."""
    fields |= {"round_trip_ps": round_trip_ps, "line_port": line_port, "restart_packets": 1}
    small, q = one_pair(4, **fields)
    small.ports[2]["error_told_ps"] = notice_ps
    pair = run(small, drop=lose((0, 1)), stop_ps=88_000).queue_pairs[q]
    return pair.kept_rate, pair.allowed_packets


@pytest.mark.parametrize("reorder_packets", [0, 100])
def test_a_notice_that_explains_the_loss_keeps_the_rate(reorder_packets):
    kind = {"reorder_packets": reorder_packets}
    # The last progress was the ACK at 48 ns; the NAK is there at 88.
    assert told(48_000, 0, **kind) == (1, 0)
    assert told(47_999, 0, **kind) == (0, 1)
    assert told(5_000, 43_000, **kind) == (1, 0)
    assert told(5_000, 42_999, **kind) == (0, 1)
    assert told(0, 48_000, **kind) == (1, 0)
    assert told(NOWHERE, 10**9, **kind) == (0, 1)
    assert told(48_000, 0, line_port=NOWHERE, **kind) == (0, 1)
    assert told(48_000, 0, line_port=0, **kind) == (0, 1)


def test_a_nak_that_acknowledges_moves_what_the_notice_must_be_newer_than():
    # Packet 0 is acknowledged by the NAK itself, at 88 ns.
    assert told(87_999, 0, ack_every=100) == (0, 1)
    assert told(88_000, 0, ack_every=100) == (1, 0)


def test_a_notice_on_its_way_in_time_keeps_the_rate():
    fields = {"restart_packets": 1, "line_port": 2}
    small, q = one_pair(4, **fields)
    small.ports[3]["notifies"] = 1
    twin = run(small, drop=lose((2, 1)))
    assert twin.queue_pairs[q].kept_rate == 1
    assert starts(twin)[4:] == [88_000, 108_000, 128_000]
    small, q = one_pair(4, **fields)
    twin = run(small, drop=lose((2, 1)))
    assert twin.queue_pairs[q].kept_rate == 0
    assert starts(twin)[4:] == [88_000, 88_000 + RTT, 108_000 + RTT]


# Timers, and the budget


def test_timers_double_up_to_the_longest():
    small, q = one_pair(1, first_timeout_ps=150_000)
    twin = run(small, drop=lambda port, _: port == 0)
    times, at = [], PACKET
    for wait in (150_000, 300_000, 600_000, *[TIMEOUT] * 7):
        at += wait
        times.append((at, 0))
    assert log_of(twin, TIMEOUT_ROW) == times
    pair = twin.queue_pairs[q]
    assert pair.error_ps == at
    assert (pair.timeouts_in_a_row, pair.retries_used) == (10, 8)


def test_timers_are_short_again_after_progress():
    small, q = one_pair(2, first_timeout_ps=150_000, window_bytes=900)
    twin = run(small, drop=lose((0, 0), (0, 1), (0, 3)))
    # 20 + 150, + 300; the ACK comes a round trip later. Then packet 1: 20 + 150.
    again = 20_000 + 150_000 + 300_000
    third = again + RTT
    assert starts(twin) == [0, 170_000, again, third, third + 170_000]
    assert twin.queue_pairs[q].timeouts_in_a_row == 0


def test_no_timer_is_none_whatever_the_first_is():
    small, q = one_pair(1, first_timeout_ps=150_000, timeout_ps=0)
    twin = run(small, drop=lose((0, 0)))
    assert (twin.clock_ps, twin.queue_pairs[q].local_ack_timeout_err) == (21_000, 0)


@pytest.mark.parametrize(
    ("budget_ps", "expiries"), [(10_000_000, 3), (2_000_001, 3), (2_000_000, 8), (1_500_000, 8)]
)
def test_a_budget_of_two_in_a_period(budget_ps, expiries):
    small, q = one_pair(1, budget_retries=2, budget_ps=budget_ps)
    pair = run(small, drop=lambda port, _: port == 0).queue_pairs[q]
    # Expiries a TIMEOUT apart. The third is out of budget, or of the next period.
    assert pair.error_ps == PACKET + expiries * TIMEOUT
    assert pair.retries_used == (2 if expiries == 3 else 8)
    assert pair.req_transport_retries_exceeded == 1
    began = pair.period_end_ps - budget_ps
    assert pair.period_retries == (pair.error_ps - began) // TIMEOUT + 1


@pytest.mark.parametrize("reorder_packets", [0, 100])
def test_naks_spend_the_budget(reorder_packets):
    kind = {"reorder_packets": reorder_packets, "budget_ps": 10**9}
    small, q = one_pair(10, budget_retries=1, **kind)
    # Go-back-N: packet 1 at 100 ns, frame 5; then frame 9 is packet 5 at 180, 6 is NAKed.
    # Selective repeat: frame 5 is 1 again, 9 is packet 8; 9 is NAKed.
    twin = run(small, drop=lose((0, 1), (0, 9)))
    pair = twin.queue_pairs[q]
    assert (pair.packet_seq_err, pair.in_error) == (2, 1)
    assert pair.error_ps == 200_000 + RTT  # of frame 10
    assert (pair.retries_used, pair.period_retries) == (0, 2)
    lost = 8 if reorder_packets else 5
    assert log_of(twin, GO_BACK) == [(88_000, 1), (248_000, lost)]
    small, q = one_pair(10, budget_retries=2, **kind)
    assert run(small, drop=lose((0, 1), (0, 9))).operations_left == 0


# Series of errors


@pytest.mark.parametrize("process", [BITS, PACKETS, CODEWORDS])
def test_a_line_that_is_down_for_a_while(process):
    small, _ = one_pair(6, timeout_ps=0)
    small.damage(0, process, CLEAN, ((40_000, DOWN), (80_000, CLEAN), (10**9, DOWN)))
    small.errors[0]["block_ps"] = 7_000
    twin = run(small, stop_ps=99_999)
    rows = [row for row in twin.probes if (row.port, row.is_arrival) == (0, 0)]
    # Frames start at 0, 20, 40, 60, 80 ns.
    assert [bool(row.flags & DAMAGED) for row in rows] == [False] * 2 + [True] * 2 + [False]
    errors = twin.errors[0]
    assert (errors.draws, errors.change, errors.change_end) == (0, 2, 3)
    units = {BITS: 8 * 980, PACKETS: 1, CODEWORDS: 0}[process]
    assert errors.gap == streams.LARGEST_GAP - units


def test_a_line_that_is_down_from_the_first_draws_nothing():
    small, _ = one_pair(3, timeout_ps=0)
    small.damage(0, PACKETS, DOWN)
    twin = run(small)
    assert twin.ports[1].rx_crc_errors == 3
    assert (twin.errors[0].draws, twin.errors[0].gap) == (0, -1)


def test_several_changes_at_once_count_as_the_last():
    small, _ = one_pair(3, timeout_ps=0)
    small.damage(2, PACKETS, DOWN)  # so that rows of another port come before
    small.damage(0, PACKETS, DOWN, ((10_000, CLEAN), (20_000, DOWN), (20_001, CLEAN)))
    twin = run(small, stop_ps=50_000)
    flags = [row.flags & DAMAGED for row in twin.probes if (row.port, row.is_arrival) == (0, 0)]
    assert [bool(flag) for flag in flags] == [True, True, False]
    assert twin.errors[0].change == 3


def test_a_series_of_ratios_draws_anew_at_each():
    changes = ((400_000, math.log1p(-0.5)), (800_000, DOWN), (1_000_000, math.log1p(-0.1)))
    small, _ = one_pair(2000, timeout_ps=0)
    small.damage(0, PACKETS, math.log1p(-0.2), changes)
    twin = run(small, stop_ps=1_999_999)
    # Frames start every 20 ns: 0 to 19, 20 to 39, 40 to 49 (down), 50 to 99.
    bad, draws = set(range(40, 50)), 0
    for first, end, survival in (
        (0, 20, math.log1p(-0.2)),
        (20, 40, math.log1p(-0.5)),
        (50, 100, math.log1p(-0.1)),
    ):
        frame = first - 1
        while frame < end:
            u = streams.uniform(1, streams.error_stream(0), draws)
            draws += 1
            frame += 1 + math.floor(math.log(1 - u) / survival)
            if frame < end:
                bad.add(frame)
    rows = [row for row in twin.probes if (row.port, row.is_arrival) == (0, 0)]
    assert len(rows) == 100
    assert {k for k, row in enumerate(rows) if row.flags & DAMAGED} == bad
    assert twin.errors[0].draws == draws
    assert twin.errors[0].gap == frame - 100


# Stalls


def test_a_nak_that_acknowledges_ends_one_stall_and_opens_another():
    small, q = one_pair(4, ack_every=100)
    twin = run(small, drop=lose((0, 1)))
    # At 88 ns: it moved just then. Packets 1 to 3 follow until 148, their ACK is back at 176.
    assert twin.stalls == [Stall(176_000, q, 1, 88_000, 88_000, 176_000, BY_NAK, 1, 0)]
    pair = twin.queue_pairs[q]
    assert (pair.stalls, pair.stalled_ps, pair.lost_by_nak) == (1, 88_000, 1)
    assert (pair.stall_by, pair.moved_ps) == (NOWHERE, 176_000)


def test_naks_of_one_loss_are_one_stall():
    small, q = one_pair(6, nak_again_ps=30_000)
    twin = run(small, drop=lose((0, 1), (0, 5)))
    pair = twin.queue_pairs[q]
    # NAKs at 82, 122 (packet 4) and 162 ns (2 again, frame 6); the first copy of 1 to arrive
    # leaves at 160 ns, behind 2, so its ACK is back at 188.
    assert departures(twin, 3, NAK) == [84_000, 124_000, 164_000]
    assert twin.stalls[0] == Stall(188_000, q, 1, 48_000, 88_000, 188_000, BY_NAK, 3, 0)
    assert (pair.lost_by_nak, pair.packet_seq_err) == (1, 3)


def test_a_stall_that_ends_in_error_never_ends():
    small, q = one_pair(1, retries=2)
    small.log_first = 0
    twin = run(small, drop=lambda port, _: port == 0)
    error_ps = PACKET + 3 * TIMEOUT
    noticed = PACKET + TIMEOUT
    assert twin.stalls == [Stall(error_ps, q, 0, 0, noticed, NOWHERE, BY_TIMEOUT, 0, 3)]
    pair = twin.queue_pairs[q]
    assert (pair.stalls, pair.stalled_ps, pair.lost_by_nak) == (1, error_ps, 0)


def test_a_stall_begins_with_the_first_packet_that_is_outstanding():
    small = two_hosts()
    q = small.queue_pair(THERE, BACK, timeout_ps=TIMEOUT)
    small.send(q, 900)
    small.send(q, 900, at=500_000)
    twin = run(small, drop=lose((0, 1)))
    noticed = 500_000 + PACKET + TIMEOUT
    row = Stall(noticed + RTT, q, 1, 500_000, noticed, noticed + RTT, BY_TIMEOUT, 0, 1)
    assert twin.stalls == [row]


def test_a_stall_that_is_open_at_the_end_is_no_row():
    small, q = one_pair(4)
    twin = run(small, drop=lose((0, 1)), stop_ps=100_000)
    pair = twin.queue_pairs[q]
    assert twin.stalls == []
    assert (pair.stalls, pair.stalled_ps, pair.lost_by_nak) == (0, 0, 1)
    assert (pair.stall_by, pair.stall_packet, pair.stall_noticed_ps) == (BY_NAK, 1, 88_000)


def test_the_first_and_the_longest_stalls_become_rows():
    def rows(lengths: list[int], log_first: int) -> list[int]:
        small, _ = one_pair(1)
        (pair,) = read(small.tables()).queue_pairs
        kept = []
        for k, length in enumerate(lengths):
            stalls.learn(pair, pair.moved_ps, BY_NAK)
            if stalls.end(pair, 0, pair.moved_ps + length, log_first) is not None:
                kept.append(k)
            pair.moved_ps += length
        assert (pair.stalls, pair.stalled_ps) == (len(lengths), sum(lengths))
        return kept

    assert rows([5, 9, 1, 3, 4, 4, 2, 10], log_first=0) == [0, 1, 2, 3, 4, 7]
    assert rows([1, 2, 3, 1, 2, 2], log_first=0) == [0, 1, 2, 4]
    assert rows([0, 7, 0, 7, 7, 7], log_first=0) == [1, 3, 4]
    assert rows([0, 7, 0, 7, 7, 7], log_first=3) == [0, 1, 2, 3, 4]


def test_an_error_is_a_row_however_short():
    small, _ = one_pair(1)
    (pair,) = read(small.tables()).queue_pairs
    pair.longest, pair.in_error, pair.stalls = [9, 9, 9], 1, 3
    stalls.learn(pair, 5, BY_NAK)
    assert stalls.end(pair, 0, 5, 0) == Stall(5, 0, 0, 0, 5, NOWHERE, BY_NAK, 1, 0)


# All together


@pytest.mark.parametrize("seed", range(40))
def test_busier_networks_keep_the_invariants(seed):
    small = busier(seed)
    twin = run(small)
    tables = by_kernel(small, twin)
    assert differences(tables, twin) == []
    assert invariants(tables) == []
    stopped = run(small, stop_ps=twin.clock_ps // 3)
    assert stopped.probes == twin.probes[: len(stopped.probes)]


def test_busier_networks_meet_everything():
    twins = [emulate(busier(seed).tables()) for seed in range(40)]
    pairs = [row for twin in twins for row in twin.queue_pairs]
    selective = [row for row in pairs if row.reorder_packets]
    rates = [row for twin in twins for row in twin.rates]
    assert any(row.held_packets for row in selective)
    assert any(row.in_error for row in selective)
    assert any(row.expected == row.posted and row.retransmitted_packets for row in selective)
    assert any(row.kept_rate for row in pairs)
    assert any(row.allowed_packets for row in pairs)
    assert any(row.in_error and row.retries_used <= row.retries for row in pairs)
    assert any(row.rp_cnp_handled < row.np_cnp_sent for row in pairs)
    assert any(row.lost_by_nak < row.packet_seq_err for row in pairs)
    assert any(row.stalls for row in pairs)
    assert any(row.timer_steps and row.byte_steps for row in rates)
    assert any(0 < row.alpha < 1 for row in rates if row.rate_control == DCQCN)
    rows = [row for twin in twins for row in twin.stalls]
    assert {row.by for row in rows} == {BY_NAK, BY_TIMEOUT}
    assert any(row.ended_ps == NOWHERE for row in rows)
    assert any(row.error_told_ps != NOWHERE for twin in twins for row in twin.ports)
    assert any(row.kind == NOTICE and row.flags & DAMAGED for twin in twins for row in twin.probes)


def test_differences_of_rates_and_stalls_are_told():
    small, q = one_pair(4, **DCQCN_RATE, reorder_packets=100)
    twin = run(small, drop=lose((0, 1)))
    tables = by_kernel(small, twin)
    assert differences(tables, twin) == []
    tables.groups[0].stalls["naks"][0] += 1
    tables.requesters["kept_rate"][q] += 1
    tables.requesters["resend_end"][q] += 1
    tables.rates["alpha"][q] = 0.5
    tables.ports["error_told_ps"][2] = 5
    stall = twin.stalls[0]
    assert differences(tables, twin) == [
        f"stalls: row 0 is {stall._replace(naks=2)} in the kernel, {stall} in the twin",
        "port 2: error_told_ps is 5 in the kernel, -1 in the twin",
        "queue pair 0: kept_rate is 1 in the kernel, 0 in the twin",
        "queue pair 0: resend_end is 5 in the kernel, 4 in the twin",
        "queue pair 0: alpha is 0.5 in the kernel, 1.0 in the twin",
    ]


def test_broken_invariants_of_the_transport_are_told():
    small, q = one_pair(4, **DCQCN_RATE, reorder_packets=2)
    twin = run(small, drop=lose((0, 1)))
    pair = twin.queue_pairs[q]
    pair.resend_next, pair.kept_rate = 5, 9
    pair.rp_cnp_handled, pair.stalled_ps = 1, 0
    pair.held = {5: None, 6: None}
    twin.rates[q].rate_bps = LINE_BPS + 1
    said = " / ".join(invariants(twin))
    for part in (
        "resend_next 5 is above resend_end 4",
        "holds 2 of 2 packets",
        "kept its rate at more losses",
        "more CNPs arrived than were sent",
        "rows of more stalls than it counted",
        "400000000001 bit/s to 400000000000",
        "1 CNP packets came, 0 rows",
    ):
        assert part in said
