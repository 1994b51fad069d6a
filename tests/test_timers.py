"""Losses of one frame, and of all: when the work ends and when a queue pair gives up, exactly.

Every time is worked out here by hand and must be met to the picosecond. The path is host,
switch, line, switch, host, all links of one rate, every frame stored and forwarded. Without
RETH all packets are alike, so packet k starts at k packet times and nothing ever queues. The
timer's rules are DOMAIN 3's: it starts at the first unacknowledged packet's departure, and
again when the oldest unacknowledged PSN advances and at a go-back.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log1p
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from validation.runs import Trial

from wanrdma.cli import main
from wanrdma.kernels.tables import ACK, DATA, NAK, PFC

CABLE_PS = 2 * 4_900  # 2 m at 4.9 ns/m
LIGHT_PS_PER_KM = 4_900_000
FRAME_BYTES = 4096 + 82
ACK_BYTES = 86
PAUSE_BYTES = 84

LINE = "a.switch>b.switch"
LINE_BACK = "b.switch>a.switch"
LAST_LINK = "b.switch>b.0"


@dataclass(frozen=True)
class Case:
    """A path, a timer and a transfer, and the times that follow from them."""

    distance_km: int
    rate_gbps: int
    exponent: int
    detection: float
    packets: int
    ack_every: int = 1
    retries: int = 7

    @property
    def scenario(self) -> str:
        return f"""\
name: timers
sites:
  a: {{hosts: 1, fabric: {{type: one-switch, cable: 2 m, pfc: none}}}}
  b: {{like: a}}
lines:
  - between: [a, b]
    distance: {self.distance_km} km
    delay: 4.9 us/km
    rate: {self.rate_gbps} Gbps
    otn: {{flow_control: none, latency: 0 s}}
nic:
  rate: {self.rate_gbps} Gbps
  timeout: {self.exponent}
  timeout_detection: {self.detection}
  retries: {self.retries}
  ack_every: {self.ack_every}
  framing: {{reth: 0 B}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {4096 * self.packets} B}}
"""

    @property
    def ps_per_byte(self) -> int:
        return 8000 // self.rate_gbps

    @property
    def packet_ps(self) -> int:
        return FRAME_BYTES * self.ps_per_byte

    @property
    def light_and_cables_ps(self) -> int:
        return self.distance_km * LIGHT_PS_PER_KM + 2 * CABLE_PS

    @property
    def one_way_ps(self) -> int:
        """From the start of a packet's first bit to its delivery: three links."""
        return 3 * self.packet_ps + self.light_and_cables_ps

    @property
    def round_trip_ps(self) -> int:
        """From the start of a packet's first bit to the arrival of its ACK."""
        return self.one_way_ps + 3 * ACK_BYTES * self.ps_per_byte + self.light_and_cables_ps

    @property
    def timer_ps(self) -> int:
        return round(self.detection * 4_096_000 * 2**self.exponent)

    @property
    def middle(self) -> int:
        """The packet that is lost where it is not the last one."""
        return self.packets // 2

    @property
    def clean_delivered_ps(self) -> int:
        return (self.packets - 1) * self.packet_ps + self.one_way_ps

    @property
    def clean_sent_ps(self) -> int:
        return (self.packets - 1) * self.packet_ps + self.round_trip_ps

    def trial(self) -> Trial:
        return Trial(self.scenario)


def data_frames(count: int) -> list[int]:
    return [FRAME_BYTES] * count


def ack_frames(count: int) -> list[int]:
    return [ACK_BYTES] * count


# The timer is always longer than the round trip. Where the transfer is longer than a round
# trip, the host is still sending when a NAK comes; else it has long been idle.
CASES = [
    Case(0, 400, exponent=1, detection=1, packets=40),
    Case(10, 400, exponent=5, detection=1, packets=3000),
    Case(10, 100, exponent=6, detection=2.5, packets=1000),
    Case(100, 400, exponent=8, detection=1, packets=40),
    Case(329, 400, exponent=10, detection=1, packets=40),
    Case(329, 25, exponent=14, detection=4, packets=40),
    Case(1000, 800, exponent=12, detection=1, packets=40),
    Case(1000, 400, exponent=20, detection=1, packets=40),
]


def name_of(case: Any) -> str:
    if not isinstance(case, Case):
        return str(case)
    times = f"-x{case.detection:g}" if case.detection != 1 else ""
    return f"{case.distance_km}km-{case.rate_gbps}G-exponent{case.exponent}{times}"


every_case = pytest.mark.parametrize("case", CASES, ids=name_of)


def check(
    trial: Trial,
    case: Case,
    lost: Sequence[tuple[str, int, int]],
    *,
    later_ps: int,
    sent_later_ps: int | None = None,
    timeouts: int,
    naks: int = 0,
) -> None:
    """Run, and compare with a run without losses."""
    result = trial.run(probe=True)
    assert result.status == "completed"
    assert trial.damaged() == list(lost)
    operation = trial.tables.operations[0]
    assert operation["delivered_ps"] - case.clean_delivered_ps == later_ps
    sent_later_ps = later_ps if sent_later_ps is None else sent_later_ps
    assert operation["sent_ps"] - case.clean_sent_ps == sent_later_ps
    assert result.flows[0].completion_s == (case.clean_delivered_ps + later_ps) / 1e12
    assert (result.totals["timeouts"], result.totals["naks"]) == (timeouts, naks)
    assert result.totals["qp_errors"] == 0


@every_case
def test_nothing_lost(case: Case) -> None:
    check(case.trial(), case, [], later_ps=0, timeouts=0)


# One loss


@every_case
@pytest.mark.parametrize("ack_every", [1, 7])
def test_lost_last_packet(case: Case, ack_every: int) -> None:
    """A timer, a round trip, less a packet time.

    ACK a packet: the ACK of the last but one, sent at (M - 2) P, comes at (M - 2) P + RTT and
    restarts the timer; the last one starts again T later instead of at (M - 1) P.
    ACK every 7: the last ACK before is that of packet c - 1, c the packets acknowledged in
    sevens. It comes at (c - 1) P + RTT; T later go-back-N starts with packet c, so that packet
    M - 1 starts (M - 1 - c) P after: (c - 1) P + RTT + T + (M - 1 - c) P - (M - 1) P is the
    same.
    """
    case = replace(case, ack_every=ack_every)
    trial = case.trial()
    last = case.packets - 1
    trial.lose_frame(LINE, last, data_frames(last))
    later_ps = case.timer_ps + case.round_trip_ps - case.packet_ps
    lost = [("b.switch>a.switch", DATA, last)]
    check(trial, case, lost, later_ps=later_ps, timeouts=1)
    acknowledged = last // ack_every * ack_every
    assert trial.result.totals["retransmitted_packets"] == case.packets - acknowledged


@every_case
def test_lost_ack_in_the_middle(case: Case) -> None:
    """Nothing changes, not one departure: the next ACK acknowledges for it.

    The window has four packets to spare, so the host does not wait for this ACK either.
    """
    trial = case.trial()
    trial.lose_frame(LINE_BACK, case.middle, ack_frames(case.middle))
    check(trial, case, [("a.switch>b.switch", ACK, case.middle)], later_ps=0, timeouts=0)
    back_to_back = [(k + 1) * case.packet_ps for k in range(case.packets)]
    assert trial.departures_ps("a.0>a.switch") == back_to_back


@every_case
@pytest.mark.parametrize("ack_every", [1, 7])
def test_lost_last_ack(case: Case, ack_every: int) -> None:
    """All is delivered in time, but the sender knows a timer and a round trip later.

    The ACK before is of packet c - 1 (ACK a packet: c = M - 1) and restarts the timer at
    (c - 1) P + RTT. T later packet c starts again, is a duplicate, and its ACK is back an RTT
    after, instead of at (M - 1) P + RTT: T + RTT - (M - c) P later.
    """
    case = replace(case, ack_every=ack_every)
    trial = case.trial()
    last = case.packets - 1
    acknowledged = last // ack_every * ack_every
    acks = acknowledged // ack_every
    trial.lose_frame(LINE_BACK, acks, ack_frames(acks))
    since_ps = (case.packets - acknowledged) * case.packet_ps
    check(
        trial,
        case,
        [("a.switch>b.switch", ACK, last)],
        later_ps=0,
        sent_later_ps=case.timer_ps + case.round_trip_ps - since_ps,
        timeouts=1,
    )
    assert trial.result.flows[0].counters["duplicate_request"] > 0


def resent_ps(case: Case) -> int:
    """Return when packet n starts again after its loss and a NAK.

    Packet n + 1 draws the NAK, which is back at (n + 1) P + RTT. If the host still sends, its
    frame in service, which ends at the next multiple of P, comes first.
    """
    nak_ps = (case.middle + 1) * case.packet_ps + case.round_trip_ps
    if nak_ps > case.packets * case.packet_ps:
        return nak_ps
    return ceil(nak_ps / case.packet_ps) * case.packet_ps


@every_case
def test_lost_packet(case: Case) -> None:
    """A NAK brings it back after about a round trip, and all that follows with it."""
    trial = case.trial()
    n = case.middle
    trial.lose_frame(LINE, n, data_frames(n))
    later_ps = resent_ps(case) - n * case.packet_ps
    check(trial, case, [("b.switch>a.switch", DATA, n)], later_ps=later_ps, timeouts=0, naks=1)
    assert trial.result.flows[0].counters["naks_sent"] == 1


# Losses of two and three frames


def lose_packet_and_nak(trial: Trial, case: Case) -> list[tuple[str, int, int]]:
    """Lose packet n on the line and then its NAK, which follows the ACKs of 0 to n - 1."""
    n = case.middle
    trial.lose_frame(LINE, n, data_frames(n))
    trial.lose_frame(LINE_BACK, n, ack_frames(n))
    return [("b.switch>a.switch", DATA, n), ("a.switch>b.switch", NAK, n)]


def last_progress_ps(case: Case) -> int:
    """Return when the ACK of packet n - 1 arrives, which restarts the timer."""
    return (case.middle - 1) * case.packet_ps + case.round_trip_ps


@every_case
def test_lost_nak(case: Case) -> None:
    """The receiver says nothing more: packet n starts again a timer after the last progress.

    The host has by then sent its window and is idle. Packet n starts at (n - 1) P + RTT + T
    instead of at n P, and all that follows is as much later.
    """
    trial = case.trial()
    lost = lose_packet_and_nak(trial, case)
    later_ps = case.timer_ps + case.round_trip_ps - case.packet_ps
    check(trial, case, lost, later_ps=later_ps, timeouts=1)


def frames_before_resend(case: Case) -> int:
    """Return how many frames the last link carries before the retransmission of packet n.

    All packets that the host started before it but for packet n itself, lost on the line.
    """
    started = min(ceil(resent_ps(case) / case.packet_ps), case.packets)
    return started - 1


@every_case
def test_retransmission_lost_again(case: Case) -> None:
    """The receiver has spent its NAK: a timer after the go-back.

    The NAK is back at (n + 1) P + RTT, the go-back restarts the timer, and the resend is lost
    on the last link. T later packet n starts for the third time: at (n + 1) P + RTT + T
    instead of at n P.
    """
    trial = case.trial()
    n = case.middle
    trial.lose_frame(LINE, n, data_frames(n))
    before = frames_before_resend(case)
    trial.lose_frame(LAST_LINK, before, data_frames(before))
    lost = [("b.switch>a.switch", DATA, n), ("b.0>b.switch", DATA, n)]
    later_ps = case.packet_ps + case.round_trip_ps + case.timer_ps
    check(trial, case, lost, later_ps=later_ps, timeouts=1, naks=1)
    assert trial.result.flows[0].counters["naks_sent"] == 1


def frames_before_third_start(case: Case) -> int:
    """Return how many frames the last link carries before the first resend after a lost NAK.

    All packets that the window let out before but for packet n, lost on the line. The window
    holds n and what follows: the round trip in packets, two ACK periods of one, and two.
    """
    window = ceil(case.round_trip_ps / case.packet_ps) + 2 * 1 + 2
    return min(case.middle + window, case.packets) - 1


@every_case
def test_nak_and_retransmission_lost(case: Case) -> None:
    """Two timers in a row: the second starts at the first one's go-back."""
    trial = replace(case, retries=2).trial()
    lost = lose_packet_and_nak(trial, case)
    before = frames_before_third_start(case)
    trial.lose_frame(LAST_LINK, before, data_frames(before))
    later_ps = 2 * case.timer_ps + case.round_trip_ps - case.packet_ps
    lost.append(("b.0>b.switch", DATA, case.middle))
    check(trial, case, lost, later_ps=later_ps, timeouts=2)


@every_case
def test_two_timers_in_a_row_with_one_retry(case: Case) -> None:
    """The queue pair is in error two timers after the last progress."""
    trial = replace(case, retries=1).trial()
    lose_packet_and_nak(trial, case)
    before = frames_before_third_start(case)
    trial.lose_frame(LAST_LINK, before, data_frames(before))
    result = trial.run()
    assert result.status == "incomplete"
    error_ps = trial.tables.requesters["error_ps"][0]
    assert error_ps == last_progress_ps(case) + 2 * case.timer_ps


@every_case
def test_two_timers_with_progress_between_and_one_retry(case: Case) -> None:
    """Progress gives the retry back: two timers are survived, each costs T + RTT - P.

    The first is a lost NAK's, the second the lost last packet's. On the last link the last
    packet comes after all that went before it, and again after the go-back, but for packet n.
    """
    trial = replace(case, retries=1).trial()
    lost = lose_packet_and_nak(trial, case)
    first_flight = frames_before_third_start(case)
    before = first_flight + case.packets - 1 - case.middle
    trial.lose_frame(LAST_LINK, before, data_frames(before))
    lost.append(("b.0>b.switch", DATA, case.packets - 1))
    later_ps = 2 * (case.timer_ps + case.round_trip_ps - case.packet_ps)
    check(trial, case, lost, later_ps=later_ps, timeouts=2)


# Retries


@every_case
def test_nak_without_progress_spends_a_retry(case: Case) -> None:
    """With no retry to spend, the NAK itself is the end: at (n + 1) P + RTT."""
    trial = replace(case, retries=0).trial()
    n = case.middle
    trial.lose_frame(LINE, n, data_frames(n))
    result = trial.run()
    assert (result.status, result.totals["timeouts"]) == ("incomplete", 0)
    nak_ps = (n + 1) * case.packet_ps + case.round_trip_ps
    assert trial.tables.requesters["error_ps"][0] == nak_ps


@every_case
def test_nak_with_progress_spends_none(case: Case) -> None:
    """Where no ACK came before it, the NAK acknowledges what went before, and all ends well.

    The timer (67 ms) is longer than the whole transfer, which would else wait for its ACK.
    """
    case = replace(case, retries=0, ack_every=10_000, exponent=14)
    trial = case.trial()
    n = case.middle
    trial.lose_frame(LINE, n, data_frames(n))
    # The window is 2 x 10,000 packets longer than the round trip, so it never closes.
    later_ps = resent_ps(case) - n * case.packet_ps
    check(trial, case, [("b.switch>a.switch", DATA, n)], later_ps=later_ps, timeouts=0, naks=1)


# A dead line. With 0.4 a frame of 33,264 bits comes through with 0.6^33264, that is never.

DEAD = "lines.0.errors.post_fec_ber=0.4"


@every_case
@pytest.mark.parametrize("retries", [0, 3, 7])
def test_dead_line(case: Case, retries: int) -> None:
    """The queue pair is in error (retries + 1) timers after the first packet's departure."""
    dead = replace(case, retries=retries, packets=5)
    trial = Trial(dead.scenario, DEAD)
    result = trial.run()
    error_ps = dead.packet_ps + (retries + 1) * dead.timer_ps
    assert trial.tables.requesters["error_ps"][0] == error_ps
    assert result.simulated_s == error_ps / 1e12
    assert (result.status, result.totals["qp_errors"]) == ("incomplete", 1)
    assert result.totals["timeouts"] == retries + 1
    assert result.totals["drops_error"] == 5 * (retries + 1)
    assert result.flows[0].completion_s is None


@every_case
@pytest.mark.parametrize("retries", [0, 3, 7])
def test_dead_line_as_the_command_tells_it(case: Case, retries: int, tmp_path: Path) -> None:
    dead = replace(case, retries=retries, packets=5)
    file = tmp_path / "dead.yaml"
    file.write_text(dead.scenario)
    ran = CliRunner().invoke(main, ["run", str(file), "--set", DEAD, "--json", "--no-trace"])
    assert ran.exit_code == 1
    given = json.loads(ran.stdout)
    assert given["status"] == "incomplete"
    assert given["simulated_s"] == (dead.packet_ps + (retries + 1) * dead.timer_ps) / 1e12
    assert "queue pair write went into error" in given["reason"]


@every_case
@pytest.mark.parametrize("retries", [0, 3, 7])
def test_line_that_dies(case: Case, retries: int) -> None:
    """From packet 3 on all is lost: (retries + 1) timers after the ACK of packet 2."""
    dying = replace(case, retries=retries, packets=8)
    trial = dying.trial()
    trial.damage_from(LINE, 3, data_frames(3), log1p(-0.4))
    result = trial.run()
    last_progress = 2 * dying.packet_ps + dying.round_trip_ps
    error_ps = last_progress + (retries + 1) * dying.timer_ps
    assert trial.tables.requesters["error_ps"][0] == error_ps
    assert result.status == "incomplete"
    assert result.totals["timeouts"] == retries + 1
    assert result.flows[0].counters["delivered_bytes"] == 3 * 4096


def test_no_timer_waits_for_ever() -> None:
    """Exponent 0 is no timer (InfiniBand): a lost last packet is never missed."""
    case = Case(10, 400, exponent=0, detection=1, packets=40)
    trial = case.trial()
    trial.lose_frame(LINE, 39, data_frames(39))
    result = trial.run()
    assert (result.status, result.totals["timeouts"]) == ("incomplete", 0)
    assert result.totals["qp_errors"] == 0


# A timer shorter than the round trip


@pytest.mark.parametrize(("distance_km", "enough"), [(100, 8), (329, 10), (1000, 12)])
def test_least_exponent(distance_km: int, enough: int) -> None:
    """The timer must clear the round trip: exponent 8, 10, 12 at 100, 329, 1000 km (DOMAIN 7).

    Below, one packet is sent again each time the timer runs out before its ACK is back; it is
    delivered as early, and its copies are duplicates.
    """
    for exponent in (enough, enough - 1, enough - 3):
        case = Case(distance_km, 400, exponent, detection=1, packets=1, retries=7)
        trial = case.trial()
        waits_ps = case.round_trip_ps - case.packet_ps  # from departure to ACK
        timeouts = waits_ps // case.timer_ps
        assert (timeouts > 0) == (exponent < enough)
        check(trial, case, [], later_ps=0, timeouts=timeouts)
        assert trial.result.totals["retransmitted_packets"] == timeouts


def test_timer_too_short_for_its_retries() -> None:
    """329 km need 3.2 ms; four timers of 0.52 ms are over before the first ACK is back."""
    case = Case(329, 400, exponent=7, detection=1, packets=1, retries=3)
    trial = case.trial()
    assert trial.run().status == "incomplete"
    assert trial.tables.requesters["error_ps"][0] == case.packet_ps + 4 * case.timer_ps


# Lost PFC frames: a pause that is never lifted runs out, one that is never heard is said again.

PAUSED = """\
name: pauses
sites:
  a:
    hosts: 1
    fabric:
      type: one-switch
      cable: 2 m
      pfc: {{priority: 3, xoff: 8316 B, xon: 4158 B, headroom: 200 kB, quanta: {quanta}}}
  b: {{hosts: 1, fabric: {{type: one-switch, cable: 2 m, pfc: none}}}}
lines:
  - between: [a, b]
    distance: 10 km
    delay: 4.9 us/km
    rate: 100 Gbps
    otn: {{flow_control: none, latency: 0 s}}
nic: {{rate: 400 Gbps, framing: {{reth: 0 B}}}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {bytes} B}}
"""
# Host to switch at 400 Gb/s, switch to line at 100 Gb/s. With P the packet's time at 400 Gb/s
# and c the cable's delay, packet k is in the switch at (k + 1) P + c, and the line, which
# begins with packet 0 at P + c, has sent packet k at P + c + 4 P (k + 1). XOFF is two packets:
# the third, at 3 P + c, exceeds it. XON is one packet: it is reached when all but one of those
# in the switch have left. ACKs need 98 us, so nothing else is on the way back to the host.
P = FRAME_BYTES * 20
PAUSE_FRAME_PS = PAUSE_BYTES * 20
THIRD_IN_PS = 3 * P + CABLE_PS
HOST_PORT, PAUSING_PORT = "a.0>a.switch", "a.switch>a.0"


def line_sent_ps(k: int) -> int:
    return P + CABLE_PS + 4 * P * (k + 1)


def delivered_ps(line_started_ps: int) -> int:
    """Line, light, last switch, last cable."""
    return line_started_ps + 4 * P + 10 * LIGHT_PS_PER_KM + P + CABLE_PS


def pauses(quanta: int, packets: int) -> Trial:
    return Trial(PAUSED.format(quanta=quanta, bytes=4096 * packets))


XOFF_HEARD_PS = THIRD_IN_PS + PAUSE_FRAME_PS + CABLE_PS  # in the midst of packet 3: 3 P to 4 P
XON_HEARD_PS = line_sent_ps(2) + PAUSE_FRAME_PS + CABLE_PS  # of packets 0 to 3, one is left


@pytest.mark.parametrize("quanta", [4000, 65535])
def test_pause_and_go_on(quanta: int) -> None:
    trial = pauses(quanta, packets=5)
    trial.run(probe=True)
    assert trial.departures_ps(HOST_PORT) == [P, 2 * P, 3 * P, 4 * P, XON_HEARD_PS + P]
    # Packet 4 is in the switch before the line has sent packet 3, and waits for it.
    assert trial.tables.operations["delivered_ps"][0] == delivered_ps(line_sent_ps(3))
    lane = trial.tables.lanes[8 * trial.port(HOST_PORT) + 3]
    assert lane["paused_ps"] == XON_HEARD_PS - XOFF_HEARD_PS


@pytest.mark.parametrize("quanta", [4000, 65535])
def test_lost_xon(quanta: int) -> None:
    """The host goes on when the pause has run out, `quanta` x 512 bit times after XOFF came.

    Its refresh would have been due a third of that after XOFF, when XON was long sent.
    """
    trial = pauses(quanta, packets=5)
    trial.lose_frame(PAUSING_PORT, 1, [PAUSE_BYTES])  # XOFF, XON
    result = trial.run(probe=True)
    assert [(port, kind) for port, kind, _ in trial.damaged()] == [(HOST_PORT, PFC)]
    goes_on_ps = XOFF_HEARD_PS + quanta * 512 * 2_500 // 1000  # a bit lasts 2.5 ps
    assert trial.departures_ps(HOST_PORT) == [P, 2 * P, 3 * P, 4 * P, goes_on_ps + P]
    # The line is idle by then: packet 4 is sent as soon as it is in.
    delivered = delivered_ps(goes_on_ps + P + CABLE_PS)
    assert trial.tables.operations["delivered_ps"][0] == delivered
    assert (result.totals["drops_congestion"], result.totals["drops_error"]) == (0, 1)


@pytest.mark.parametrize("quanta", [300, 336, 340, 500, 2000])
def test_lost_xoff(quanta: int) -> None:
    """The host stops at the refresh, a third of the pause after the lost XOFF's departure.

    It goes on when the packets sent till then have left but for one: pauses are refreshed all
    that time, each long before it runs out.
    """
    trial = pauses(quanta, packets=30)
    trial.lose_frame(PAUSING_PORT, 0, [])
    result = trial.run(probe=True)
    assert [(port, kind) for port, kind, _ in trial.damaged()] == [(HOST_PORT, PFC)]
    refresh_ps = quanta * 512 * 2_500 // 1000 // 3
    heard_ps = THIRD_IN_PS + PAUSE_FRAME_PS + refresh_ps + PAUSE_FRAME_PS + CABLE_PS
    sent = ceil(heard_ps / P)  # the frame in service goes on to its end
    goes_on_ps = line_sent_ps(sent - 2) + PAUSE_FRAME_PS + CABLE_PS
    expected = [P * (k + 1) for k in range(sent)] + [goes_on_ps + P]
    assert trial.departures_ps(HOST_PORT)[: sent + 1] == expected
    assert (result.totals["drops_congestion"], result.totals["drops_error"]) == (0, 1)
    assert result.status == "completed"
