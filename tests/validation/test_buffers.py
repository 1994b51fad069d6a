"""Sixteen senders, one receiver, 100 km: what the far terminal's buffer must hold, and lacks.

The line brings 400 Gb/s, the last link takes away 100 Gb/s. Until a pause has gone back and
what was sent before it has come, a round trip of light passes: 2 x 100 km x 4.9 us/km, in
which 400 Gb/s are 49,000,000 B.
"""

from functools import cache

import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma.results.summary import RunResult

pytestmark = pytest.mark.validation

XOFF_BYTES = 4 * 2**20  # the built-in scenario's
IN_FLIGHT_BYTES = 49_000_000
FRAME_BYTES, STORED_BYTES = 4178, 4158
HEADROOM_BYTES = IN_FLIGHT_BYTES + 2 * FRAME_BYTES  # worst case, drain 0: DOMAIN 4, response 0
FAR_PORT, LAST_PORT = "b.otn0>a.otn0", "b.switch>b.0"
BYTES = 16 * 64 * 2**20

SMALL_BUFFERS = {
    XOFF_BYTES + HEADROOM_BYTES * 6 // 10: "XOFF + 60 % of the headroom",
    HEADROOM_BYTES * 6 // 10: "60 % of the headroom",
}


@cache
def incast(buffer_bytes: int | None = None, *settings: str) -> Trial:
    if buffer_bytes is not None:
        settings = (*settings, f"lines.0.otn.buffer={buffer_bytes} B")
    trial = Trial("incast-pfc", *settings)
    assert trial.run().status == "completed"
    assert sum(flow.counters["delivered_bytes"] for flow in trial.result.flows) == BYTES
    return trial


def missing_bytes(result: RunResult) -> int:
    """Return what the one buffer that overflowed lacked."""
    (drop,) = result.drops
    assert drop.missing_bytes is not None
    return drop.missing_bytes


def dropped(trial: Trial, buffer: str) -> Row:
    drops = trial.result.totals["drops_congestion"]
    return Row("packets dropped", f"buffer of {buffer}", drops, 0, "DOMAIN 4", "packets")


def test_nothing_is_dropped() -> None:
    trial = incast()
    assert disagreeing([dropped(trial, "XOFF + worst-case headroom")]) == ""
    assert trial.result.totals["retransmitted_packets"] == 0
    assert trial.result.totals["pause_frames"] > 0


def most_held() -> Row:
    """Compare with XOFF, and a round trip of three quarters of the line, in stored bytes.

    It begins to fill when the switch behind it, too, is full to its XOFF and pauses it; from
    then on it drains at the last link's rate, in turns of that switch's XON to XOFF: the
    largest is known to within one such turn of 128 KiB, and the switch's own headroom.
    """
    trial = incast()
    lane = trial.tables.lanes[8 * trial.port(FAR_PORT) + 3]
    on_its_way = IN_FLIGHT_BYTES * STORED_BYTES / FRAME_BYTES
    expected = round(XOFF_BYTES + on_its_way * (1 - 100 / 400))
    where, source = "XOFF 4 MiB", "XOFF + RTT x (400 - 100) Gb/s, by hand"
    row = Row(
        "most in the far buffer", where, int(lane["max_ingress_bytes"]), expected, source, "B"
    )
    return row.within(128 * 2**10 + 3 * FRAME_BYTES, "what the switch behind takes in turns")


def test_the_far_buffer_holds_what_still_comes_less_what_drains() -> None:
    assert disagreeing([most_held()]) == ""


@pytest.mark.parametrize("buffer_bytes", SMALL_BUFFERS)
def test_less_than_what_still_comes_drops_and_says_where(buffer_bytes: int) -> None:
    """60 % of the worst case is below what three quarters of the line bring in a round trip."""
    result = incast(buffer_bytes).result
    assert result.totals["drops_congestion"] > 0
    (drop,) = result.drops
    assert (drop.port, drop.priority, drop.side) == (FAR_PORT, 3, "ingress")
    assert drop.packets == result.totals["drops_congestion"]
    assert drop.buffer_bytes == buffer_bytes
    assert missing_bytes(result) > 0
    assert result.totals["retransmitted_packets"] >= drop.packets


@cache
def small_buffer(buffer_bytes: int) -> list[Row]:
    """Compare what was missing with what the buffer that was large enough held beyond it.

    With what was missing nothing is dropped, with a frame less one frame is missing. The worst
    overflow is the first: what came before it is the same with any buffer.
    """
    buffer = SMALL_BUFFERS[buffer_bytes]
    missing = missing_bytes(incast(buffer_bytes).result)
    expected = int(most_held().here) - buffer_bytes
    frame_short = missing_bytes(incast(buffer_bytes + missing - STORED_BYTES).result)
    where, same_run, less = (
        f"buffer of {buffer}",
        "the row of the most in it",
        "and that, less a frame",
    )
    return [
        Row("missing", where, missing, expected, same_run, "B").within(FRAME_BYTES, "a frame"),
        dropped(incast(buffer_bytes + missing), f"{buffer}, and that"),
        Row("missing", f"{where}, {less}", frame_short, STORED_BYTES, "a frame", "B").within(
            FRAME_BYTES - STORED_BYTES, "preamble and gap"
        ),
    ]


@pytest.mark.parametrize("buffer_bytes", SMALL_BUFFERS)
def test_what_was_missing_is_what_helps(buffer_bytes: int) -> None:
    assert disagreeing(small_buffer(buffer_bytes)) == ""


@cache
def goodput_gbps(xon_bytes: int) -> float:
    """Run with an XOFF of 20 MB and room above it; return what all sixteen flows got together."""
    settings = ("lines.0.otn.xoff=20000000 B", f"lines.0.otn.xon={xon_bytes} B")
    trial = incast(80_000_000, *settings)
    assert trial.result.drops == ()
    flows = trial.tables.flows
    time_ps = flows["last_delivery_ps"].max() - flows["first_delivery_ps"].min()
    return float(8000 * BYTES / time_ps)


FULL_GBPS = 100 * 4096 / FRAME_BYTES


def high_xon() -> Row:
    """100 Gb/s x the round trip are 12,250,000 B (DOMAIN 4): the last link never runs dry."""
    here = goodput_gbps(13_000_000)
    source = "the last link full: XON >= drain x RTT, DOMAIN 4"
    row = Row("goodput of all", "XON 13 MB, XOFF 20 MB", here, FULL_GBPS, source, "Gb/s")
    return row.within(FULL_GBPS * 1e-3, "chosen")


def test_xon_of_what_drains_in_a_round_trip_loses_no_throughput() -> None:
    assert disagreeing([high_xon()]) == ""


def low_xon() -> Row:
    """From XON on it drains, idles till a round trip is over, fills to XOFF and beyond, drains.

    The idle part of that cycle is lost. Within 2 %: there are a dozen cycles, the first and
    the last not whole, and 0.26 MB more to drain in the switch behind.
    """
    xoff_bytes, xon_bytes, trip_s = 20e6, 2e6, 980e-6
    drain, fill = (rate / 8 * STORED_BYTES / FRAME_BYTES for rate in (100e9, 300e9))  # B/s
    idle_s = trip_s - xon_bytes / drain
    most_bytes = xoff_bytes + trip_s * fill
    cycle_s = trip_s + most_bytes / fill + (most_bytes - xon_bytes) / drain
    expected = FULL_GBPS * (1 - idle_s / cycle_s)
    where, source = "XON 2 MB, XOFF 20 MB", "sawtooth, by hand"
    row = Row("goodput of all", where, goodput_gbps(2_000_000), expected, source, "Gb/s")
    return row.within(expected * 0.02, "cycles that are not whole")


def test_a_lower_xon_idles_once_a_cycle() -> None:
    assert low_xon().theirs < 0.9 * FULL_GBPS
    assert disagreeing([low_xon()]) == ""


@cache
def rows() -> list[Row]:
    small = [row for buffer_bytes in SMALL_BUFFERS for row in small_buffer(buffer_bytes)]
    own = dropped(incast(), "XOFF + worst-case headroom")
    return [own, most_held(), *small, high_xon(), low_xon()]


SECTION = Section(
    "Buffers",
    """
`incast-pfc`: 16 x 100 Gb/s over a line of 400 Gb/s and 100 km to one host of 100 Gb/s.
""",
    rows,
    lambda: (
        """
"Missing" is thus exact to within one frame, for a buffer that overflows the same way each time.
"""
    ),
)
