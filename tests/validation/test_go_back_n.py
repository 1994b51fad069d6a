"""Go-back-N over a line with bit errors, against the closed form and the table of DOMAIN 6."""

import pytest
from scipy.stats import poisson

from validation.go_back_n import (
    FULL_PACKETS,
    POINTS,
    SEEDS,
    TIMER_PS,
    Errored,
    Interval,
    Point,
    run,
)

pytestmark = pytest.mark.validation


def check_efficiency(point: Point, ran: Errored) -> None:
    """Compare with M / (M + go-backs x N + timeouts x T / tau), and what lies behind it.

    A lost packet is sent again when the NAK that the following one drew is back: a packet
    time and a round trip after it was sent first, and one packet time more at most for the
    frame in service. Another one where the following one is lost too, which is rare: three in
    the mean are never reached. A timer that runs out costs T from the go-back, at most a
    packet time before the resend that is lost; or, where the NAK or the last packet was lost,
    a round trip more. Frames with RETH wait for one another: a packet time for all.
    """
    assert ran.efficiency == pytest.approx(ran.predicted(point), rel=0.01)
    packet_ps, trip_ps = point.packet_ps, point.round_trip_ps
    least_ps = ran.go_backs * trip_ps + ran.timeouts * (TIMER_PS - packet_ps)
    most_ps = ran.go_backs * (trip_ps + 3 * packet_ps) + ran.timeouts * (TIMER_PS + trip_ps)
    assert least_ps <= ran.resending_ps <= most_ps + packet_ps


def test_efficiency_in_short() -> None:
    """Half a gigabyte at 329 km and 400 Gb/s; some 44 losses at 1e-8."""
    point = Point(329, 400, 1e-8, table=0.072)
    ran = run(point, seed=1, packets=2**17)
    assert ran.go_backs > 20
    check_efficiency(point, ran)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_efficiency(point: Point) -> None:
    """4 GiB and five seeds: each run against what it met, their mean against the table."""
    runs = [run(point, seed) for seed in SEEDS]
    for ran in runs:
        check_efficiency(point, ran)
    assert point.table in Interval.of([ran.efficiency for ran in runs])


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_number_of_go_backs(point: Point) -> None:
    """Each packet is lost with p the first time that it counts: p M go-backs a run, Poisson.

    An interval of 99.9 %: fifteen of them, all inside, once in 67 by chance not.
    """
    expected = len(SEEDS) * FULL_PACKETS * point.loss
    least, most = poisson.interval(0.999, expected)
    assert least <= sum(run(point, seed).go_backs for seed in SEEDS) <= most
