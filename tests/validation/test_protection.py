"""A line that breaks for 50 ms: what it costs, by window and terminals, and what is survived.

329 km, 400 Gb/s, go-back-N, exponent 20, 7 retries (DOMAIN 6). The stall is the time in which
nothing new is delivered in order. Two rows of traffic on one queue pair show it: ``before`` is what
has landed when the line breaks, ``after`` all the rest; it is the time from the last delivery of
the one to the first of the other.

Every sum here is by hand: packets of time P go over five links and a line of delay D, the first
of a row, with its RETH, takes P0; ACKs and NAKs take A.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma.cli import main

pytestmark = pytest.mark.validation

MS = 10**9  # ps
PAYLOAD, P, P0, A = 4096, 4178 * 20, 4194 * 20, 86 * 20
D = 329_000 * 4900
RTT = 2 * D + 5 * P + 5 * A
CUT = 20 * MS
OUTAGE = 50 * MS
T20, T14 = 4_096_000 << 20, 4_096_000 << 14
BDP = 2 * D // 20  # bytes of line time
FULL = -(-RTT // P)  # packets in flight that just keep the line busy
RANGE = (55 * MS, 61 * MS)

SCENARIO = """\
name: outage
sites:
  a: {hosts: 1, fabric: {type: one-switch, cable: 0 m}}
  b: {like: a}
lines:
  - between: [a, b]
    distance: 329 km
    delay: 4.9 us/km
    rate: 400 Gbps
    otn: {flow_control: cooperative, latency: 0 s, buffer: 1 GiB, client_buffer: 1 GiB}
nic: {rate: 400 Gbps, mtu: 4096, timeout: 20, retries: 7}
traffic:
  - {name: before, from: a.0, to: b.0, bytes: 1 B}
  - {name: after, from: a.0, to: b.0, bytes: 1 B, queue_pairs_of: before}
events:
  - {at: 20 ms, what: down, outage: 50 ms}
"""

# Number of the last packet that lands, and of the last one whose ACK does, before the line breaks.
LANDED = (CUT - D - 3 * P0) // P
ACKNOWLEDGED = (CUT - 2 * D - 5 * P0 - 3 * A) // P
LAST_ACK = 5 * P0 + ACKNOWLEDGED * P + 2 * D + 5 * A  # is with the sender
LAST_DELIVERY = 5 * P0 + LANDED * P + D


@dataclass(frozen=True)
class Cut:
    """A cut of 50 ms. ``packets``: the window. ``held``: the terminals stop, once they know."""

    packets: int
    held: bool = False
    detection: int = 0

    @property
    def trial(self) -> Trial:
        return _run(self)

    @property
    def stall_ps(self) -> int:
        """The time in which nothing new is delivered in order."""
        before, after = self.trial.tables.flows
        assert before["last_delivery_ps"] == LAST_DELIVERY
        return int(after["first_delivery_ps"] - before["last_delivery_ps"])

    @property
    def total(self) -> dict[str, int]:
        return self.trial.result.totals

    def noticed(self) -> list[int]:
        """Return the NAKs acted on and the timeouts."""
        return [self.total["naks"], self.total["timeouts"]]


@cache
def _run(cut: Cut) -> Trial:
    """Send twice the window after the cut."""
    trial = Trial(
        SCENARIO,
        f"nic.window={cut.packets * PAYLOAD} B",
        f"traffic.0.bytes={(LANDED + 1) * PAYLOAD} B",
        f"traffic.1.bytes={2 * cut.packets * PAYLOAD} B",
        f"events.0.waiting={'held' if cut.held else 'lost'}",
        f"events.0.detection={cut.detection} ps",
    )
    assert trial.run().status == "completed"
    return trial


def timeout_ps() -> int:
    """Work it out where all in flight is lost, the ACKs too.

    The timer runs from the last ACK that came. The sender sends again from there on; what has
    landed long since goes ahead of what is new, by as much as the last ACK lay behind the last
    delivery: T + a round trip, of a packet with RETH.
    """
    return T20 + 2 * D + 5 * P0 + 5 * A


def first_past(start_ps: int, messages: int) -> int:
    """Return the number of the first packet that the terminal begins at a time or later.

    ``messages`` have begun till then, each with a RETH. They are of 2 GiB at most.
    """
    return -(-(start_ps - (2 + messages) * P0 + messages * P) // P)


def held_ps(packets: int) -> int:
    """Work it out where what waited in the terminal draws a NAK.

    When the line is mended the terminal sends what it holds, and the other one the ACKs that it
    holds. The sender, whose window was full, goes on when they come; then the NAK comes. What was
    sent before it goes ahead of the rest.
    """
    mended = CUT + OUTAGE
    waiting = ACKNOWLEDGED + packets - first_past(CUT, 2) + 1
    assert waiting > 0
    nak = mended + 3 * P + 5 * A + 2 * D
    goes_on = mended + 3 * A + D
    more = min(LANDED - ACKNOWLEDGED, -(-(nak - goes_on) // P))  # packets, before the NAK comes
    again = max(nak, goes_on + more * P)
    sent = max(mended + waiting * P, goes_on + 2 * P) + more * P  # and has left the terminal
    return max(sent, again + 2 * P0) + 3 * P0 + D - LAST_DELIVERY


def sent_on_ps(packets: int) -> int:
    """Work it out where the first packet that passes draws a NAK, the sender having gone on."""
    passes = 5 * P0 + (first_past(CUT + OUTAGE, 3) - 3) * P
    nak = passes + 3 * P + 5 * A + 2 * D
    full = 3 * P0 + (ACKNOWLEDGED + packets - 2) * P
    being_sent = 3 * P0 + -(-(nak - 3 * P0) // P) * P
    again = max(nak, min(full, being_sent))
    return again + 5 * P0 + D - LAST_DELIVERY


# The least window that still sends something when the line is mended, in packets.
LEAST_SENT_ON = first_past(CUT + OUTAGE, 3) - ACKNOWLEDGED


def packets(size_bytes: float) -> int:
    return math.ceil(size_bytes / PAYLOAD)


SENT_ON_TIMEOUT = {"1 BDP": packets(BDP), "2 BDP": packets(2 * BDP)}
HELD = {"1.5 BDP": packets(1.5 * BDP), "2 BDP": packets(2 * BDP), "3 BDP": packets(3 * BDP)}


@dataclass(frozen=True)
class Outage:
    """A cut of any length of one direction or both; terminals send on, the window is 1 BDP."""

    exponent: int
    direction: str = "both"

    def settings(self, outage_ps: int) -> tuple[str, ...]:
        return (
            f"nic.timeout={self.exponent}",
            f"nic.window={FULL * PAYLOAD} B",
            "traffic=[{name: write, from: a.0, to: b.0, bytes: 1300 MB}]",
            f"events.0.outage={outage_ps} ps",
            f"events.0.direction={self.direction}",
        )

    def survives(self, outage_ps: int) -> bool:
        result = Trial(SCENARIO, *self.settings(outage_ps)).run()
        assert (result.status == "completed") == (result.totals["qp_errors"] == 0)
        return result.status == "completed"

    @property
    def timer_ps(self) -> int:
        return 4_096_000 << self.exponent

    @property
    def expected_ps(self) -> int:
        """Work out until when the last resend of all still begins to cross the line.

        That begins 7 T after the last ACK. With both directions cut the receiver has packets that
        the sender does not know of, so any packet of the window will do: what answers it is
        progress. With the data's cut alone both agree, and it must be the first packet: the NAK
        that a later one draws spends the eighth retry.
        """
        if self.direction == "both":
            last_ack, which = LAST_ACK, FULL - 1
        else:
            last_ack, which = 5 * P0 + LANDED * P + 2 * D + 5 * A, 0
        return last_ack + 7 * self.timer_ps + (2 + which) * P - CUT


@cache
def longest_ps(outage: Outage) -> int:
    """Bisect, to a picosecond, between six timers and eight."""
    survived, too_long = 6 * outage.timer_ps, 8 * outage.timer_ps
    assert outage.survives(survived)
    assert not outage.survives(too_long)
    while too_long - survived > 1:
        middle = (survived + too_long) // 2
        if outage.survives(middle):
            survived = middle
        else:
            too_long = middle
    return survived


def survived(outage: Outage) -> Row:
    cut = "both directions" if outage.direction == "both" else "the data's direction"
    where = f"exponent {outage.exponent}, 7 retries, {cut} cut"
    source = "7 T after the last ACK, and the window's time or none: DOMAIN 6, by hand"
    expected = outage.expected_ps
    return Row("longest outage survived", where, longest_ps(outage), expected, source, "ps")


def stall(cut: Cut, window: str, theirs: int) -> Row:
    what = "stop" if cut.held else "send on"
    what += f" after {cut.detection // 10**6} us" if cut.detection else ""
    notice = {(1, 0): "one NAK", (0, 1): "one timeout"}[(cut.total["naks"], cut.total["timeouts"])]
    where = f"terminals {what}, window {window}: {notice}"
    return Row("stall of a 50 ms cut", where, cut.stall_ps, theirs, "by hand; DOMAIN 6", "ps")


@pytest.mark.slow
@pytest.mark.parametrize("window", SENT_ON_TIMEOUT)
def test_sent_on_the_window_is_lost_and_the_timer_decides(window: str) -> None:
    cut = Cut(SENT_ON_TIMEOUT[window])
    assert cut.noticed() == [0, 1]
    assert disagreeing([stall(cut, window, timeout_ps())]) == ""
    (row,) = cut.trial.tables.stall_rows()
    assert row["time_ps"] - row["began_ps"] == T20 + RTT
    assert row["began_ps"] == LAST_ACK


@pytest.mark.slow
@pytest.mark.parametrize("window", HELD)
def test_held_one_nak_tells_of_it(window: str) -> None:
    cut = Cut(HELD[window], held=True)
    assert cut.noticed() == [1, 0]
    assert cut.total["pause_frames"] == 0
    assert disagreeing([stall(cut, window, held_ps(HELD[window]))]) == ""
    assert 54.8 * MS < cut.stall_ps < RANGE[1]


@pytest.mark.slow
def test_held_with_a_full_window_there_is_nothing_to_draw_a_nak() -> None:
    """The two packets that are inside the site when the line breaks must be lost too."""
    cut = Cut(FULL, held=True, detection=10**6)
    assert cut.noticed() == [0, 1]
    assert disagreeing([stall(cut, "1 BDP", timeout_ps())]) == ""
    at_once = Cut(FULL, held=True)
    assert at_once.noticed() == [1, 0]
    assert disagreeing([stall(at_once, "1 BDP", held_ps(FULL))]) == ""


@pytest.mark.slow
def test_sent_on_a_window_of_the_whole_outage_draws_a_nak() -> None:
    cut = Cut(packets(2.66e9))
    assert cut.noticed() == [1, 0]
    assert disagreeing([stall(cut, "2.66 GB", sent_on_ps(packets(2.66e9)))]) == ""


@cache
def least_sent_on() -> Row:
    """Compare the least window with which a NAK comes, and not the timer."""
    too_small, enough = packets(2.5e9), packets(2.7e9)
    assert Cut(too_small).noticed() == [0, 1]
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if Cut(middle).noticed() == [1, 0]:
            enough = middle
        else:
            too_small = middle
    source = "by hand; DOMAIN 6: R x 50 ms + BDP, 2.66 GB of line time"
    where = "terminals send on"
    return Row("least window for a NAK", where, enough, LEAST_SENT_ON, source, "packets")


@pytest.mark.slow
def test_sent_on_a_packet_less_than_the_whole_outage_draws_no_nak() -> None:
    assert disagreeing([least_sent_on()]) == ""
    of_line_time = LEAST_SENT_ON * P / 20
    assert of_line_time == pytest.approx(OUTAGE // 20 + BDP, abs=10 * P / 20)
    assert round(of_line_time / 1e9, 2) == 2.66


@pytest.mark.slow
def test_the_built_in_scenario_is_within_the_range() -> None:
    """Its way is 40 km longer afterwards, and its terminals pause the gateway."""
    clean, cut = Trial("protection-50ms", "events=[]"), Trial("protection-50ms")
    for trial in (clean, cut):
        assert trial.run().status == "completed"
    flows = (trial.tables.flows["last_delivery_ps"] for trial in (cut, clean))
    sent_on, held = next(flows) - next(flows)
    assert RANGE[0] < held < RANGE[1]
    assert sent_on == pytest.approx(T20 + RTT, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["both", "a"])
def test_seven_timers_and_a_round_trip_are_survived(direction: str) -> None:
    outage = Outage(14, direction)
    assert disagreeing([survived(outage)]) == ""
    more_ps = RTT if direction == "both" else D
    assert longest_ps(outage) == pytest.approx(7 * T14 + more_ps, abs=10 * P)


def test_at_exponent_20_that_is_half_a_minute() -> None:
    outage = Outage(20)
    assert round(outage.expected_ps / 1e12, 1) == 30.1  # DOMAIN 6
    assert outage.survives(outage.expected_ps)
    assert not outage.survives(outage.expected_ps + 1)


@pytest.mark.parametrize(("exponent", "survives"), [(10, False), (11, True)])
def test_50_ms_need_an_exponent_of_11(exponent: int, survives: bool) -> None:
    assert Outage(exponent).survives(OUTAGE) == survives
    assert (7 * (4_096_000 << exponent) + RTT > OUTAGE) == survives


def test_what_is_not_survived_ends_with_status_1_and_names_the_line(tmp_path: Path) -> None:
    outage = Outage(14)
    path = tmp_path / "outage.yaml"
    path.write_text(SCENARIO)

    def run(outage_ps: int) -> tuple[int, str]:
        settings = [f"--set={setting}" for setting in outage.settings(outage_ps)]
        result = CliRunner().invoke(main, ["run", str(path), "--no-trace", *settings])
        return result.exit_code, result.output

    assert run(outage.expected_ps)[0] == 0
    status, printed = run(outage.expected_ps + 1)
    assert status == 1
    assert "queue pair write went into error at 556.9 ms, its retries used up: 8" in printed
    assert "frames were lost with a line: line 0 down at 20.00 ms" in printed


@cache
def rows() -> list[Row]:
    at_once, later = Cut(FULL, held=True), Cut(FULL, held=True, detection=10**6)
    return [
        *(stall(Cut(n), window, timeout_ps()) for window, n in SENT_ON_TIMEOUT.items()),
        *(stall(Cut(n, held=True), window, held_ps(n)) for window, n in HELD.items()),
        stall(later, "1 BDP", timeout_ps()),
        stall(at_once, "1 BDP", held_ps(FULL)),
        stall(Cut(packets(2.66e9)), "2.66 GB", sent_on_ps(packets(2.66e9))),
        least_sent_on(),
        *(survived(Outage(*case)) for case in ((14,), (14, "a"), (20,))),
    ]


SECTION = Section(
    "Line cuts",
    """
One WRITE over 329 km and 400 Gb/s, go-back-N, exponent 20, 7 retries. The line is cut in both
directions for 50 ms, and goes on as before. Its terminals send on, into the broken fibre, or stop.
The stall is the time in which nothing new is delivered in order. 1 BDP is R x RTT in payload; with
terminals that stop, in line time: the packets in flight that just keep the line busy.
""",
    rows,
    lambda: (
        """
DOMAIN 6 has a timeout for 1 BDP and terminals that stop. That takes terminals that stop a moment
late: what is inside the sites when the line breaks is else held, three packets at the one end and
ACKs, which open the window, at the other. These draw a NAK.
"""
    ),
)
