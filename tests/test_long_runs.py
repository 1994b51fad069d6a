"""Much data, many packets, wide windows and long times: nothing overflows, nothing slows down."""

from functools import cache

import numpy as np
import pytest
from validation.compared import Row, disagreeing
from validation.runs import Trial

from wanrdma.kernels import tables as kt

GIB = 2**30
FRAME_BYTES, ACK_BYTES = 4096 + 82, 86

ONE_SITE = """\
name: one-site
sites:
  a: {{hosts: 2, fabric: {{type: one-switch, cable: 2 m}}}}
nic: {{rate: 400 Gbps, ack_every: 1000, framing: {{reth: 0 B}}}}
traffic:
  - {{name: write, from: a.0, to: a.1, bytes: {bytes} B}}
"""
CABLE_PS = 2 * 4_900
PACKET_PS = FRAME_BYTES * 20


# More than 4 GiB


@cache
def flow_above_4_gib() -> Row:
    """Send 5 GiB as one row without messages: cut to 2 GiB, RDMA's longest, and what remains."""
    trial = Trial(ONE_SITE.format(bytes=5 * GIB))
    result = trial.run()
    (operation,) = trial.tables.operations
    assert (operation["messages"], operation["message_bytes"]) == (3, 2 * GIB)
    packets = 5 * GIB // 4096
    assert result.flows[0].counters["rx_packets"] == packets
    assert result.flows[0].counters["delivered_bytes"] == 5 * GIB
    assert result.totals["retransmitted_packets"] == 0
    # Two links, so the last packet is delivered one packet time after it was sent.
    completion_ps = (packets + 1) * PACKET_PS + 2 * CABLE_PS
    where = "5 GiB in one row: 3 messages"
    return Row("completion time", where, trial.completion_ps(), completion_ps, "by hand", "ps")


def test_a_flow_above_4_gib() -> None:
    assert disagreeing([flow_above_4_gib()]) == ""


BEYOND = {2 * GIB: "2 GiB", 4 * GIB: "4 GiB", 5 * GIB - 40 * 4096: "nearly 5 GiB"}


@cache
def loss_beyond(sent_bytes: int) -> Row:
    """Lose a packet that draws one NAK.

    What follows is sent again once, from the lost packet on; a round trip is few packets.
    """
    trial = Trial(ONE_SITE.format(bytes=5 * GIB))
    lost = sent_bytes // 4096 + 5
    trial.lose_frame("a.0>a.switch", lost, [FRAME_BYTES] * lost)
    result = trial.run()
    (flow,) = result.flows
    assert (flow.counters["naks_sent"], result.totals["naks"]) == (1, 1)
    assert result.totals["drops_error"] == 1
    # The NAK is back when the frame after the lost one has passed two links, and it two more.
    nak_back_ps = 3 * PACKET_PS + 2 * ACK_BYTES * 20 + 4 * CABLE_PS
    resent = -(-nak_back_ps // PACKET_PS)  # what started before it, the lost one included
    assert result.totals["retransmitted_packets"] == resent
    clean_ps = (5 * GIB // 4096 + 1) * PACKET_PS + 2 * CABLE_PS
    where = f"a loss beyond {BEYOND[sent_bytes]}: one NAK"
    completion_ps = clean_ps + resent * PACKET_PS
    return Row("completion time", where, trial.completion_ps(), completion_ps, "by hand", "ps")


@pytest.mark.parametrize("sent_bytes", BEYOND)
def test_a_loss_beyond_2_and_4_gib_draws_one_nak(sent_bytes: int) -> None:
    assert disagreeing([loss_beyond(sent_bytes)]) == ""


# PSNs wrap at 2^24, their signed difference at 2^23

WRAP = """\
name: wrap
sites:
  a: {hosts: 1, fabric: {type: one-switch, cable: 2 m}}
  b: {like: a}
lines:
  - between: [a, b]
    distance: 100 m
    rate: 400 Gbps
    otn: {latency: 0 s}
    errors: {post_fec_ber: 1e-5}
nic: {rate: 400 Gbps, mtu: 256, ack_every: 3, timeout: 2}
traffic:
  - {name: write, from: a.0, to: b.0, bytes: 4 MB, message: 10 kB}
"""
NUMBERS = ("oldest", "next", "newest", "posted", "expected")


@pytest.mark.parametrize("start", [2**23 - 5000, 2**24 - 5000, 2**31 - 5000, 2**32 - 5000])
def test_a_queue_pair_that_begins_elsewhere_does_the_same(start: int) -> None:
    """Some 16,000 packets, from just before a wrap on, with some 400 losses.

    Packets are numbered without end and only the wire has the number mod 2^24; so a queue pair
    that has sent `start` packets before must do the same at the same times.
    """
    runs = []
    for offset in (0, start):
        trial = Trial(WRAP)
        for name in NUMBERS:
            trial.tables.of_queue_pairs(name)[:] = offset
        result = trial.run(probe=True)
        assert result.status == "completed"
        assert result.flows[0].counters["tx_packets"] > 16_000
        assert min(result.totals["naks"], result.totals["timeouts"]) > 0
        runs.append(trial)
    plain, moved = runs
    for name in NUMBERS:
        numbers = moved.tables.of_queue_pairs(name)
        assert numbers == plain.tables.of_queue_pairs(name) + start
        numbers -= start
    moved.tables.operations["first_packet"] -= start
    moved.tables.requesters["stall_packet"] -= start
    assert np.array_equal(moved.tables.requesters, plain.tables.requesters)
    assert np.array_equal(moved.tables.responders, plain.tables.responders)
    assert np.array_equal(moved.tables.operations, plain.tables.operations)
    assert np.array_equal(moved.tables.flows, plain.tables.flows)
    assert np.array_equal(moved.tables.ports, plain.tables.ports)
    rows = plain.probes.copy()
    rows["psn"] = (rows["psn"].astype(np.int64) + start) % 2**24
    assert np.array_equal(rows, moved.probes)


@cache
def more_packets_than_psns() -> Row:
    """Send 17 million packets of 256 B on one queue pair, over a line that loses some of them."""
    packets = 17_000_000
    trial = Trial(
        "perftest",
        "nic.mtu=256",
        "nic.ack_every=64",
        "lines.0.distance=10 km",
        "lines.0.errors.post_fec_ber=1e-9",
        f"traffic.0.bytes={256 * packets} B",
    )
    result = trial.run()
    assert packets > 2**24
    (flow,) = result.flows
    assert result.status == "completed"
    assert flow.counters["delivered_bytes"] == 256 * packets
    assert trial.tables.responders["expected"][0] == packets
    assert result.totals["naks"] > 0
    resent = result.totals["retransmitted_packets"]
    assert flow.counters["tx_packets"] == packets + resent
    # A message of 64 KiB: 256 packets of 338 B and a RETH of 16 B, and what was sent again.
    # A NAK costs a round trip (98 us, 6.8 ns a packet) and up to three packets; no timer is due.
    assert result.totals["timeouts"] == 0
    sending_ps = (packets * 338 + packets / 256 * 16) * 20
    resending_ps = result.totals["naks"] * (2 * 49_000_000 + 2 * 338 * 20)
    expected_ps = round(sending_ps + resending_ps + 49_000_000)
    where = f"{packets:,} packets on one queue pair, {result.totals['naks']} losses"
    row = Row("completion time", where, trial.completion_ps(), expected_ps, "by hand", "ps")
    return row.within(expected_ps * 1e-4, "frames in service")


@pytest.mark.slow
def test_more_packets_than_psns() -> None:
    assert disagreeing([more_packets_than_psns()]) == ""


# Wide windows


@cache
def half_the_psns() -> Row:
    """Send 1.6 Tb/s in packets of 256 B over 20,000 km: 116 million would fit in the round trip.

    InfiniBand allows 2^23, and that is what the host has sent when the first ACK, 196 ms
    after, has not come yet. (A gigabyte of memory.)
    """
    trial = Trial(
        "perftest",
        "nic.rate=1.6 Tbps",
        "lines.0.rate=1.6 Tbps",
        "lines.0.distance=20000 km",
        "nic.mtu=256",
        "nic.window=100 GB",
        "nic.timeout=20",
        "traffic.0.bytes=8 GiB",
        "stop=150 ms",
    )
    assert trial.run().status == "stopped"
    (pair,) = trial.tables.requesters
    assert pair["oldest"] == 0
    where = "256 B, 1.6 Tb/s, 20,000 km, before the first ACK"
    return Row("packets outstanding", where, int(pair["next"]), 2**23, "DOMAIN 3")


@pytest.mark.slow
def test_no_more_than_half_the_psns_are_outstanding() -> None:
    assert disagreeing([half_the_psns()]) == ""


# A day

DAY_S = 86_400
DAY = """\
name: day
sites:
  a: {hosts: 1, fabric: {type: one-switch, cable: 2 m}}
  b: {like: a}
lines:
  - {between: [a, b], distance: 329 km, rate: 400 Gbps}
nic: {rate: 400 Gbps}
traffic:
  - {name: early, from: a.0, to: b.0, bytes: 64 MiB, message: 1 MiB}
  - {name: late, from: a.0, to: b.0, bytes: 64 MiB, message: 1 MiB, start: 86390 s}
"""


def handled_or_left_out(tables: kt.Tables) -> int:
    """Return how many events were handled, or done at once."""
    return tables.total("events") + tables.total("jumped_events")


@cache
def day_mostly_idle() -> list[Row]:
    """Compare two transfers a day apart with two at once: idle time costs no events.

    2^63 ps are 106 days. Bins of 1 us have doubled until the day fits, and not once more.
    """
    trial = Trial(DAY)
    result = trial.run()
    assert result.status == "completed"
    early, late = result.flows
    assert late.completion_s == early.completion_s
    began_ps = trial.tables.flows["first_bit_ps"].tolist()
    assert began_ps == [0, 86_390 * 10**12]
    assert 86_390 < result.simulated_s < DAY_S

    tables = trial.tables
    run = tables.run[0]
    width_ps, bins = int(run["bin_width_ps"]), int(run["bins"])
    assert width_ps % 1_000_000 == 0
    assert (width_ps // 1_000_000).bit_count() == 1
    assert width_ps * bins > run["clock_ps"] >= width_ps * bins // 2
    filled = [np.flatnonzero(row).tolist() for row in tables.goodput_bins]
    assert filled == [[0], [86_390 * 10**12 // width_ps]]

    alone = Trial(DAY.replace("86390 s", "0 s"))
    alone.run()
    hops = tables.packet_hops(), alone.tables.packet_hops()
    events = handled_or_left_out(tables) / handled_or_left_out(alone.tables)
    where, both = "two transfers, 24 h apart", "both at once"
    sums = tables.goodput_bins.sum(axis=1).tolist()
    return [
        *(Row("bytes in the bins", where, n, 64 * 2**20, "what is sent", "B") for n in sums),
        Row("packet-hops", where, *hops, both),
        Row("events, times", where, round(events, 3), 1.0, both).within(0.01, "chosen"),
    ]


def test_a_day_mostly_idle() -> None:
    assert disagreeing(day_mostly_idle()) == ""


def test_a_timer_of_hours() -> None:
    """Exponent 31 is 2.4 hours; seven retries of it on a dead line are 19.5."""
    trial = Trial(
        DAY,
        "nic.timeout=31",
        "lines.0.errors.post_fec_ber=0.4",
        "traffic.0.bytes=4 KiB",
        "traffic.1.bytes=4 KiB",
    )
    result = trial.run()
    assert result.status == "incomplete"
    first_departure_ps = (4096 + 82 + 16) * 20
    timers_ps = 8 * 4_096_000 * 2**31
    errors_ps = trial.tables.requesters["error_ps"].tolist()
    assert errors_ps[0] == first_departure_ps + timers_ps
    assert errors_ps[1] - errors_ps[0] == 86_390 * 10**12
