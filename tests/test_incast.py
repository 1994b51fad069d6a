"""Sixteen senders, one receiver, 100 km: what the far terminal's buffer must hold, and lacks.

The line brings 400 Gb/s, the last link takes away 100 Gb/s. Until a pause has gone back and
what was sent before it has come, a round trip of light passes: 2 x 100 km x 4.9 us/km, in
which 400 Gb/s are 49,000,000 B.
"""

import pytest
from validation.runs import Trial

from wanrdma.results.summary import RunResult

XOFF_BYTES = 4 * 2**20  # the built-in scenario's
IN_FLIGHT_BYTES = 49_000_000
FRAME_BYTES, STORED_BYTES = 4178, 4158
HEADROOM_BYTES = IN_FLIGHT_BYTES + 2 * FRAME_BYTES  # worst case, drain 0: DOMAIN 4, response 0
FAR_PORT, LAST_PORT = "b.otn0>a.otn0", "b.switch>b.0"
BYTES = 16 * 64 * 2**20

SMALL_BUFFERS = [XOFF_BYTES + HEADROOM_BYTES * 6 // 10, HEADROOM_BYTES * 6 // 10]


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


def test_nothing_is_dropped() -> None:
    totals = incast().result.totals
    assert (totals["drops_congestion"], totals["retransmitted_packets"]) == (0, 0)
    assert totals["pause_frames"] > 0


def test_the_far_buffer_holds_what_still_comes_less_what_drains() -> None:
    """XOFF, and a round trip of three quarters of the line, in stored bytes.

    It begins to fill when the switch behind it, too, is full to its XOFF and pauses it; from
    then on it drains at the last link's rate, in turns of that switch's XON to XOFF: the
    largest is known to within one such turn of 128 KiB, and the switch's own headroom.
    """
    trial = incast()
    lane = trial.tables.lanes[8 * trial.port(FAR_PORT) + 3]
    on_its_way = IN_FLIGHT_BYTES * STORED_BYTES / FRAME_BYTES
    expected = XOFF_BYTES + on_its_way * (1 - 100 / 400)
    assert lane["max_ingress_bytes"] == pytest.approx(expected, abs=128 * 2**10 + 3 * FRAME_BYTES)


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


@pytest.mark.parametrize("buffer_bytes", SMALL_BUFFERS)
def test_what_was_missing_is_what_helps(buffer_bytes: int) -> None:
    """With what was missing nothing is dropped, with a frame less one frame is missing.

    The worst overflow is the first: what came before it is the same with any buffer.
    """
    missing = missing_bytes(incast(buffer_bytes).result)
    assert incast(buffer_bytes + missing).result.drops == ()
    short = incast(buffer_bytes + missing - STORED_BYTES).result
    assert missing_bytes(short) <= FRAME_BYTES


def goodput_bps(xon_bytes: int) -> float:
    """Run with an XOFF of 20 MB and room above it; return what all sixteen flows got together."""
    settings = ("lines.0.otn.xoff=20000000 B", f"lines.0.otn.xon={xon_bytes} B")
    trial = incast(80_000_000, *settings)
    assert trial.result.drops == ()
    flows = trial.tables.flows
    time_ps = flows["last_delivery_ps"].max() - flows["first_delivery_ps"].min()
    return float(8e12 * BYTES / time_ps)


FULL_BPS = 100e9 * 4096 / FRAME_BYTES


def test_xon_of_what_drains_in_a_round_trip_loses_no_throughput() -> None:
    """100 Gb/s x the round trip are 12,250,000 B (DOMAIN 4): the last link never runs dry."""
    assert goodput_bps(13_000_000) == pytest.approx(FULL_BPS, rel=1e-3)


def test_a_lower_xon_idles_once_a_cycle() -> None:
    """From XON on it drains, idles till a round trip is over, fills to XOFF and beyond, drains.

    The idle part of that cycle is lost. Within 2 %: there are a dozen cycles, the first and
    the last not whole, and 0.26 MB more to drain in the switch behind.
    """
    xoff_bytes, xon_bytes, trip_s = 20e6, 2e6, 980e-6
    drain, fill = (rate / 8 * STORED_BYTES / FRAME_BYTES for rate in (100e9, 300e9))  # B/s
    idle_s = trip_s - xon_bytes / drain
    most_bytes = xoff_bytes + trip_s * fill
    cycle_s = trip_s + most_bytes / fill + (most_bytes - xon_bytes) / drain
    expected_bps = FULL_BPS * (1 - idle_s / cycle_s)
    assert expected_bps < 0.9 * FULL_BPS
    assert goodput_bps(2_000_000) == pytest.approx(expected_bps, rel=0.02)
