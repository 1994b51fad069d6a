"""Much data, many packets, wide windows and long times: nothing overflows, nothing slows down."""

import numpy as np
import pytest
from validation.runs import Trial

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


def test_a_flow_above_4_gib() -> None:
    """5 GiB as one row without messages: cut to 2 GiB, RDMA's longest, and what remains."""
    trial = Trial(ONE_SITE.format(bytes=5 * GIB))
    result = trial.run()
    (operation,) = trial.tables.operations
    assert (operation["messages"], operation["message_bytes"]) == (3, 2 * GIB)
    packets = 5 * GIB // 4096
    assert (result.status, result.flows[0].counters["rx_packets"]) == ("completed", packets)
    assert result.flows[0].counters["delivered_bytes"] == 5 * GIB
    # Two links, so the last packet is delivered one packet time after it was sent.
    completion_ps = (packets + 1) * PACKET_PS + 2 * CABLE_PS
    assert result.flows[0].completion_s == completion_ps / 1e12
    assert result.totals["retransmitted_packets"] == 0


@pytest.mark.parametrize("sent_bytes", [2 * GIB, 4 * GIB, 5 * GIB - 40 * 4096])
def test_a_loss_beyond_2_and_4_gib_draws_one_nak(sent_bytes: int) -> None:
    """What follows is sent again once, from the lost packet on; a round trip is few packets."""
    trial = Trial(ONE_SITE.format(bytes=5 * GIB))
    lost = sent_bytes // 4096 + 5
    trial.lose_frame("a.0>a.switch", lost, [FRAME_BYTES] * lost)
    result = trial.run()
    assert result.status == "completed"
    (flow,) = result.flows
    assert (flow.counters["naks_sent"], result.totals["naks"]) == (1, 1)
    assert result.totals["drops_error"] == 1
    # The NAK is back when the frame after the lost one has passed two links, and it two more.
    nak_back_ps = 3 * PACKET_PS + 2 * ACK_BYTES * 20 + 4 * CABLE_PS
    resent = -(-nak_back_ps // PACKET_PS)  # what started before it, the lost one included
    assert result.totals["retransmitted_packets"] == resent
    clean_ps = (5 * GIB // 4096 + 1) * PACKET_PS + 2 * CABLE_PS
    assert flow.completion_s == (clean_ps + resent * PACKET_PS) / 1e12


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


@pytest.mark.slow
def test_more_packets_than_psns() -> None:
    """17 million packets of 256 B on one queue pair, over a line that loses some of them."""
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
    assert flow.completion_s * 1e12 == pytest.approx(
        sending_ps + resending_ps + 49_000_000, rel=1e-4
    )


# Wide windows


def test_a_window_times_a_rate_that_leave_64_bits() -> None:
    """1.6 Tb/s over 1000 km: 2 GB in flight. 46 MB x 400 Gb/s are 2^64 already."""
    trial = Trial(
        "perftest", "nic.rate=1.6 Tbps", "lines.0.rate=1.6 Tbps", "lines.0.distance=1000 km"
    )
    window_bytes = int(trial.tables.requesters["window_bytes"][0])
    rate_bps = 1_600_000_000_000
    in_flight_bytes = 2 * 1000 * 4.9e-6 * rate_bps / 8 * 4096 / 4178
    assert window_bytes == pytest.approx(in_flight_bytes, rel=1e-3)
    assert window_bytes * rate_bps > 2**64
    (flow,) = trial.run().flows
    assert flow.steady_goodput_bps == pytest.approx(rate_bps * 4096 / 4178, rel=1e-3)


@pytest.mark.slow
def test_no_more_than_half_the_psns_are_outstanding() -> None:
    """1.6 Tb/s in packets of 256 B over 20,000 km: 116 million would fit in the round trip.

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
    assert (pair["next"], pair["oldest"]) == (2**23, 0)


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


def test_a_day_mostly_idle() -> None:
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
    # 2^63 ps are 106 days; idle time costs no events: as many as when both are sent at once.
    alone = Trial(DAY.replace("86390 s", "0 s"))
    alone.run()
    assert tables.packet_hops() == alone.tables.packet_hops()
    assert tables.total("events") <= 1.01 * alone.tables.total("events")

    # Bins of 1 us have doubled until the day fits, and not once more.
    width_ps, bins = int(run["bin_width_ps"]), int(run["bins"])
    assert width_ps % 1_000_000 == 0
    assert (width_ps // 1_000_000).bit_count() == 1
    assert width_ps * bins > run["clock_ps"] >= width_ps * bins // 2
    sums = trial.tables.goodput_bins.sum(axis=1).tolist()
    assert sums == [64 * 2**20, 64 * 2**20]
    filled = [np.flatnonzero(row).tolist() for row in trial.tables.goodput_bins]
    assert filled == [[0], [86_390 * 10**12 // width_ps]]


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
