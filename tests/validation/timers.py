"""Timers and retries: in how many of its cases each exact test of tests/test_timers.py holds."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import test_timers as tests

from validation.compared import Row, Section
from validation.held import held

RTT_MORE = "later by T + RTT - P"
RETRIES = "retries 0, 3, 7; error (retries + 1) T after"
IEEE, OURS = "IEEE 802.1Qbb", "docs/protocol.md"
# What happens, what it costs, the source.
EXACT: dict[Callable[..., None], tuple[str, str, str]] = {
    tests.test_lost_last_packet: ("last packet lost", RTT_MORE, "DOMAIN 3"),
    tests.test_lost_ack_in_the_middle: ("an ACK lost in the middle", "nothing", "cumulative ACKs"),
    tests.test_lost_last_ack: ("last ACK lost", "delivered on time, sent " + RTT_MORE, "DOMAIN 3"),
    tests.test_lost_packet: (
        "packet lost",
        "later by P + RTT, and the rest of the frame in service",
        "one NAK a gap, DOMAIN 3",
    ),
    tests.test_lost_nak: ("packet and NAK lost", RTT_MORE, "DOMAIN 1, case (c)"),
    tests.test_retransmission_lost_again: (
        "packet and retransmission lost",
        "later by T + RTT + P",
        "DOMAIN 1, case (a)",
    ),
    tests.test_nak_and_retransmission_lost: (
        "packet, NAK and retransmission lost",
        "later by 2 T + RTT - P",
        "DOMAIN 3",
    ),
    tests.test_dead_line: ("dead line", f"{RETRIES} the first departure", "DOMAIN 3"),
    tests.test_line_that_dies: ("line that dies", f"{RETRIES} the last ACK", "DOMAIN 3"),
    tests.test_two_timers_with_progress_between_and_one_retry: (
        "progress between two timers",
        "gives the retry back: survives with 1",
        "DOMAIN 3",
    ),
    tests.test_nak_without_progress_spends_a_retry: (
        "NAK that brings no progress",
        "spends a retry: error at the NAK with 0",
        "DOMAIN 3",
    ),
    tests.test_lost_xon: ("XON lost", "the sender goes on after quanta x 512 bit times", IEEE),
    tests.test_lost_xoff: ("XOFF lost", "heard again after a third of the pause", OURS),
}
LEAST_EXPONENTS = {100: 8, 329: 10, 1000: 12}  # km: DOMAIN 7


def least_exponent(distance_km: int) -> int:
    """Return the least exponent at which no timer runs out before the ACK is back."""
    for exponent in range(1, 32):
        trial = tests.Case(distance_km, 400, exponent, detection=1, packets=1).trial()
        if trial.run().totals["timeouts"] == 0:
            return exponent
    raise AssertionError("no timer is long enough")


def exact() -> Iterator[Row]:
    for test, (what, cost, source) in EXACT.items():
        met, tried = held(test)
        row = Row(what, cost, met, tried, source, "cases")
        yield replace(row, kind="assumed") if source == OURS else row


@cache
def rows() -> list[Row]:
    least = [
        Row("least timer exponent", f"{km:,} km", least_exponent(km), theirs, "DOMAIN 7")
        for km, theirs in LEAST_EXPONENTS.items()
    ]
    return [*exact(), *least]


def span(values: set[float]) -> str:
    return f"{min(values):g} to {max(values):g}"


def every(values: set[float]) -> str:
    *others, last = sorted(values)
    return f"{', '.join(f'{value:g}' for value in others)} and {last:g}"


def conditions() -> str:
    """Say which paths and timers there are."""
    distances, rates, exponents, detections = (
        {getattr(case, name) for case in tests.CASES}
        for name in ("distance_km", "rate_gbps", "exponent", "detection")
    )
    return (
        f"{len(tests.CASES)} paths and timers, {span(distances)} km, {span(rates)} Gb/s, "
        f"exponents {span(exponents)}, detection {every(detections)}"
    )


SECTION = Section(
    "Timers and retries",
    f"""
One frame, or two or three, are lost on purpose, and each time must be that of a sum by hand, to the
picosecond. The rows count the cases in which all are:
{conditions()},
some with several settings each. T is the timer, P a packet's time. The lost pauses have a path of
their own, 400 Gb/s into a line of 100 Gb/s, and pauses of several lengths.
""",
    rows,
)
