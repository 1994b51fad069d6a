"""What NICs do about losses, against what was measured on real ones and what scenarios say."""

import json

import pytest
from click.testing import CliRunner
from validation.runs import Trial

from wanrdma.cli import main
from wanrdma.kernels import tables as kt

LINE = "a.switch>b.switch"
TWO_SITES = """\
name: recovery
sites:
  a: {hosts: 1, fabric: {type: one-switch, cable: 0 m}}
  b: {like: a}
lines:
  - {between: [a, b], distance: 329 km, rate: 100 Gbps, otn: {latency: 0 s}}
nic: {rate: 100 Gbps, window: 64 MiB}
traffic:
  - {name: t, from: a.0, to: b.0, bytes: 64 KiB}
"""
DOWN = "lines.0.errors.series=[{at: 0 s, down: true}]"


def test_adaptive_retransmission_sends_each_request_five_times_at_40_ms():
    """Perftest issue 251: 40 ms of delay, sent again after 2, 4, 8 and 16 ms more each.

    A first timer of exponent 9 (2.1 ms) that doubles: at 0, 2.1, 6.3, 14.7, 31.5 ms; the next
    would come at 65 ms, and the ACK is there at 40.
    """
    trial = Trial(
        TWO_SITES,
        "lines.0.distance=4081 km",  # 40 ms there and back
        "nic.timeout=18",
        "nic.first_timeout=9",
        "nic.window=4096 B",
        "traffic.0.bytes=4096 B",
    )
    result = trial.run(probe=True)
    assert result.status == "completed"
    sent_ps = trial.departures_ps("a.0>a.switch")
    first_ps, packet_ps = 4_096_000 * 2**9, (4096 + 82 + 16) * 80
    again_ps = [k * first_ps + packet_ps for k in (1, 3, 7, 15)]
    assert [t - sent_ps[0] for t in sent_ps] == [0, *again_ps]
    assert result.losses.noticed_by_timeout == 4
    assert result.warnings[0].startswith("t: the ACK timer (2.097 ms, nic.first_timeout 9)")


@pytest.mark.parametrize(
    ("exponent", "retries", "low_s", "high_s"),
    [
        (14, 7, 3.54, 3.76),  # measured: 3.547 to 3.752 s
        (16, 7, 3.54, 3.76),
        (17, 7, 7.15, 7.6),  # 7.15
        (18, 7, 14.67, 15.2),  # 14.67
        (19, 7, 29.7, 30.2),  # 29.70
        (20, 7, 57.7, 60.3),  # 57.7 to 59.8
        (14, 3, 1.4, 1.65),  # 1.514
    ],
)
def test_a_connectx_gives_up_when_it_was_measured_to(exponent, retries, low_s, high_s):
    """A ConnectX-6 at factory settings, one WRITE to a peer that does not answer.

    The doubling of the short timers is calibrated to the same measurements (see the preset), and up
    to 6 % late at 17.
    """
    trial = Trial(
        TWO_SITES,
        "nic.preset=connectx-gbn",
        f"nic.timeout={exponent}",
        f"nic.retries={retries}",
        DOWN,
    )
    result = trial.run()
    assert result.status == "incomplete"
    assert low_s < trial.tables.requesters["error_ps"][0] / 1e12 < high_s


def test_one_ack_may_acknowledge_all_of_several_operations():
    """The ACK of x is lost; that of y, posted meanwhile, acknowledges both, and z follows them.

    What is outstanding must be counted from y's end on: z is as large as the window.
    """
    trial = Trial(
        TWO_SITES.replace(
            "  - {name: t, from: a.0, to: b.0, bytes: 64 KiB}",
            """\
  - {name: x, from: a.0, to: b.0, bytes: 100 B}
  - {name: y, from: a.0, to: b.0, bytes: 400 KiB, queue_pairs_of: x, start: 1 us}
  - {name: z, from: a.0, to: b.0, bytes: 400 KiB, queue_pairs_of: x, after: [y.sent]}""",
        ),
        "lines.0.distance=100 km",
        "nic.window=409800 B",
        "nic.ack_every=1000",
        "nic.timeout=14",
        "events=[{at: 490 us, what: down, outage: 5 us, direction: b, break_at: 100 km}]",
    )
    result = trial.run()
    assert result.status == "completed"
    assert result.totals["lost_on_line"] == 1  # an ACK


def test_a_retry_budget_ends_a_queue_pair_though_each_loss_was_mended():
    """Fifty NAKs are survived, the next within the period is not: no timer ever ran out."""
    trial = Trial(
        TWO_SITES,
        "traffic.0.bytes=1 GB",
        "nic.retry_budget={}",
        "lines.0.distance=1 km",
        "lines.0.errors.process=packets",
        "lines.0.errors.packet_loss=1e-3",
    )
    result = trial.run()
    (flow,) = result.flows
    assert result.status == "incomplete"
    assert flow.counters["packet_seq_err"] == 51
    assert flow.counters["local_ack_timeout_err"] == 0
    assert flow.counters["req_transport_retries_exceeded"] == 1
    survived = Trial(
        *(TWO_SITES, "traffic.0.bytes=1 GB", "lines.0.distance=1 km"),
        *("lines.0.errors.process=packets", "lines.0.errors.packet_loss=1e-3"),
        "nic.retry_budget={period: 1 ms}",
    ).run()
    assert survived.status == "completed"
    assert survived.flows[0].counters["packet_seq_err"] > 51


def test_no_more_is_outstanding_than_the_receiver_can_hold():
    """Packets of 1 KiB; nine may be outstanding, over a round trip of 3.2 ms."""
    trial = Trial(
        TWO_SITES,
        "nic.retransmission=selective-repeat",
        "nic.out_of_order=9",
        "nic.mtu=1024",
        "nic.ack_every=100",
        "traffic.0.bytes=90 KiB",
        "nic.framing.reth=0 B",
    )
    trial.lose_frame(LINE, 0, [1106] * 9)
    result = trial.run(probe=True)
    (flow,) = result.flows
    assert result.status == "completed"
    assert flow.counters["retransmitted_packets"] == 1
    assert flow.counters["out_of_sequence"] == 8
    sent_ps = trial.departures_ps("a.0>a.switch")
    # Nine at once, the lost one again; then nine a round trip.
    assert len(sent_ps) == 91
    round_trip_ps = 2 * 329 * 4_900_000
    assert sent_ps[9] - sent_ps[0] == pytest.approx(round_trip_ps, rel=1e-3)
    for k in range(10, 91, 9):
        assert sent_ps[k + 8] - sent_ps[k] == 8 * 1106 * 80
        assert sent_ps[k] - sent_ps[k - 1] > 0.99 * round_trip_ps


# The built-in scenarios


def run_json(name):
    result = CliRunner().invoke(main, ["run", name, "--no-trace", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_nak_vs_timeout_says_what_each_loss_cost():
    told = run_json("nak-vs-timeout")
    # In the middle, then sent again; the last one. What else was lost there went unnoticed.
    losses = told["losses"]
    assert (losses["noticed_by_nak"], losses["noticed_by_timeout"]) == (2, 2)
    assert losses["never_noticed"] == told["totals"]["lost_on_line"] - 4
    stalls = {stall["queue_pair"]: stall for stall in told["costliest_losses"]}
    timer_s, round_trip_s = 4.096e-6 * 2**20, 2 * 329e3 * 4.9e-9
    assert stalls["middle"]["stalled_s"] == pytest.approx(round_trip_s, rel=0.01)
    for name in ("again", "last"):
        assert stalls[name]["stalled_s"] == pytest.approx(timer_s + round_trip_s, rel=1e-4)
    how = {name: (one["noticed_by"], one["naks"], one["timeouts"]) for name, one in stalls.items()}
    assert how == {"middle": ("nak", 1, 0), "again": ("nak", 1, 1), "last": ("timeout", 0, 1)}
    assert losses["stalled_s"] == pytest.approx(sum(s["stalled_s"] for s in stalls.values()))


def test_error_notification_keeps_the_rate():
    flows = {flow["name"]: flow for flow in run_json("error-notification")["flows"]}
    assert flows["told"]["goodput_bps"] > 3 * flows["not-told"]["goodput_bps"]
    assert flows["told"]["counters"]["kept_rate"] == flows["told"]["counters"]["packet_seq_err"]
    assert flows["not-told"]["counters"]["kept_rate"] == 0


def test_dcqcn_shares_a_short_line_and_wastes_a_long_one():
    told = run_json("dcqcn-long-rtt")
    goodput = {flow["name"]: flow["goodput_bps"] for flow in told["flows"]}
    line_bps = 100e9 * 4096 / 4178
    assert goodput["near.0"] == pytest.approx(goodput["near.1"], rel=0.02)
    assert goodput["near.0"] + goodput["near.1"] == pytest.approx(line_bps, rel=0.03)
    assert goodput["far.0"] + goodput["far.1"] < 0.5 * line_bps
    assert {drop["port"] for drop in told["congestion_drops"]} == {"c.switch>d.switch"}


def test_pacing_spaces_packets_by_their_rate():
    trial = Trial(
        TWO_SITES, "nic.congestion_control=pacing", "nic.pacing=10 Gbps", "nic.framing.reth=0 B"
    )
    assert trial.run(probe=True).status == "completed"
    sent_ps = trial.departures_ps("a.0>a.switch")
    gap_ps = 4178 * 800
    assert [t - sent_ps[0] for t in sent_ps] == [k * gap_ps for k in range(16)]
    assert trial.tables.rates["rate_control"][0] == kt.FIXED
