"""What a far terminal must hold above XOFF: a round trip of what still comes, less what drains.

The line sends at its rate, the link behind the terminal takes a half or a quarter of it, so the
terminal drains steadily from the first packet on. Nothing else pauses before it does.
"""

from functools import cache

import pytest

import wanrdma
from validation.compared import Row, Section, disagreeing
from validation.runs import Trial

pytestmark = pytest.mark.validation

FRAME_BYTES, STORED_BYTES = 4178, 4158  # of a full packet; preamble and gap are not stored
PORT = "b.otn0>a.otn0"
XOFF_BYTES = 1_000_000
PLACES = range(0, STORED_BYTES, 519)  # XOFF is crossed by anything from a byte to a packet
CASES = [(km, gbps, part) for km in (10, 100, 329) for gbps in (100, 400) for part in (2, 4)]

SCENARIO = """\
name: headroom
sites:
  a: {{hosts: 1, fabric: one-switch}}
  b: {{hosts: 1, fabric: one-switch, gateway: {{rate: {drain} Gbps}}}}
lines:
  - between: [a, b]
    distance: {km} km
    delay: 4.9 us/km
    rate: {gbps} Gbps
    otn: {{flow_control: cooperative, latency: 0 s, buffer: 1 GiB, xoff: 1 MB, xon: 0 B}}
nic: {{rate: {gbps} Gbps, window: 2 GiB, timeout: 0}}
traffic:
  - {{name: write, from: a.0, to: b.0, bytes: {bytes} B}}
"""


def in_flight_bytes(km: int, gbps: int) -> int:
    """Return what the line holds there and back, in line time: 8000 / gbps ps are a byte."""
    return 2 * km * 4_900_000 * gbps // 8000


def scenario(km: int, gbps: int, part: int) -> str:
    """Return a scenario with enough data to cross XOFF, and for two round trips beyond."""
    size = 2 * part * XOFF_BYTES + 2 * in_flight_bytes(km, gbps)
    return SCENARIO.format(km=km, gbps=gbps, drain=gbps // part, bytes=size)


@cache
def headrooms(km: int, gbps: int, part: int) -> dict[int, int]:
    """Return the largest fill above XOFF, by XOFF."""
    found = {}
    for place in PLACES:
        xoff = XOFF_BYTES + place
        trial = Trial(scenario(km, gbps, part), f"lines.0.otn.xoff={xoff} B")
        assert trial.run().status == "completed"
        lane = trial.tables.lanes[8 * trial.port(PORT) + 3]
        assert lane["tx_pause"] > 0
        assert lane["drops_congestion"] == 0
        found[xoff] = int(lane["max_ingress_bytes"]) - xoff
    return found


def expected(km: int, gbps: int, part: int) -> int:
    """Work out 2 x one way x (rate - drain); of a packet, preamble and gap are not stored."""
    return round(in_flight_bytes(km, gbps) * (1 - 1 / part) * STORED_BYTES / FRAME_BYTES)


def headroom(km: int, gbps: int, part: int) -> Row:
    """Compare the headroom that is enough wherever in a packet XOFF is crossed."""
    where = f"{km} km, {gbps} Gb/s, drain 1/{part} of it"
    here, theirs = max(headrooms(km, gbps, part).values()), expected(km, gbps, part)
    source = "2 x one way x (rate - drain), response 0: DOMAIN 4, in stored bytes"
    row = Row("headroom that drops nothing", where, here, theirs, source, "B")
    return row.within(2 * STORED_BYTES, "2 packets")


def check(km: int, gbps: int, part: int) -> None:
    """Hold the row, every XOFF for itself, and what ``wanrdma.size`` says of the worst one."""
    assert disagreeing([headroom(km, gbps, part)]) == ""
    found, theirs = headrooms(km, gbps, part), expected(km, gbps, part)
    assert theirs - STORED_BYTES < min(found.values())
    assert max(found.values()) > theirs
    xoff = max(found, key=lambda level: found[level])
    trial = Trial(scenario(km, gbps, part), f"lines.0.otn.xoff={xoff} B")
    (port,) = wanrdma.size(trial.loaded, ports=PORT).ports
    assert port.lossless_bytes - port.xoff_bytes == found[xoff]
    a_packet_bps = 8 * FRAME_BYTES / (2 * port.one_way_s)  # more or less, in a round trip
    assert port.drain_bps == pytest.approx(gbps * 1e9 / part, abs=a_packet_bps)
    assert port.lossless_bytes <= port.formula_bytes
    of_the_drain = port.in_flight_bytes * STORED_BYTES / FRAME_BYTES
    assert abs(found[xoff] - of_the_drain) <= 2 * STORED_BYTES


@pytest.mark.parametrize(("km", "gbps", "part"), CASES[:4])
def test_headroom_at_10_km(km: int, gbps: int, part: int) -> None:
    check(km, gbps, part)


@pytest.mark.slow
@pytest.mark.parametrize(("km", "gbps", "part"), CASES[4:])
def test_headroom_farther_away(km: int, gbps: int, part: int) -> None:
    check(km, gbps, part)


def rows() -> list[Row]:
    return [headroom(*case) for case in CASES]


def notes() -> str:
    """Say how far apart they are, in packets."""
    apart = [
        (found - expected(*case)) / STORED_BYTES
        for case in CASES
        for found in headrooms(*case).values()
    ]
    return f"""
With XOFF at any place in a packet the difference is {min(apart):.2f} to {max(apart):.2f} packets:
the one that crosses XOFF and the one that the near terminal has begun, each up to a whole one, less
what is rounded down to whole packets.
"""


SECTION = Section(
    "Headroom",
    """
One sender at the line's rate; the link behind the far terminal takes a part of it. The least
headroom of the far terminal's line port that drops nothing, the largest for 9 values of XOFF.
""",
    rows,
    notes,
)
