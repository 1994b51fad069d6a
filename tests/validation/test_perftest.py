"""The built-in perftest against what a line without errors, or a small window, must give.

A packet of 4096 B takes 4178 B of line (DOMAIN 2), 16 more with the RETH that begins each
message of 64 KiB. Light needs 4.9 us/km. NIC and line have 400 Gb/s, 20 ps a byte.
"""

from functools import cache

import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial

pytestmark = pytest.mark.validation

PACKET_BYTES, FIRST_BYTES, ACK_BYTES = 4178, 4194, 86
PACKETS, MESSAGES = 2**20, 2**16  # 4 GiB in packets of 4 KiB and messages of 64 KiB
PS_PER_BYTE = 20
CABLES_PS = 2 * 2 * 4_900  # two cables of 2 m each way
LIGHT_PS_PER_KM = 4_900_000
PAYLOAD = 4096 / PACKET_BYTES
DISTANCES_KM = [0, 10, 329, 1000]


@cache
def clean_line(distance_km: int) -> list[Row]:
    """Fill a line without errors.

    Three links in a row have the same frames in the same order: the last bit leaves the third
    after all frames once and the longest one twice more. The first packet, delivered first,
    takes no part in the steady goodput.
    """
    trial = Trial("perftest", f"lines.0.distance={distance_km} km")
    trial.run()
    line_bytes = PACKETS * PACKET_BYTES + MESSAGES * (FIRST_BYTES - PACKET_BYTES)
    links_ps = (line_bytes + 2 * FIRST_BYTES) * PS_PER_BYTE
    completion_ps = links_ps + CABLES_PS + distance_km * LIGHT_PS_PER_KM
    steady_ps = (line_bytes - FIRST_BYTES) * PS_PER_BYTE
    steady_gbps = (PACKETS - 1) * 4096 * 8000 / steady_ps
    of_the_rate = PAYLOAD * 400
    where = f"clean line, {distance_km} km"
    here = trial.steady_gbps()
    return [
        Row(
            "steady goodput", where, here, of_the_rate, "4096/4178 of the rate, DOMAIN 6", "Gb/s"
        ).within(of_the_rate * 1e-3, "no RETH in it"),
        Row(
            "steady goodput", where, here, steady_gbps, "with a RETH a message, DOMAIN 2", "Gb/s"
        ).within(steady_gbps * 1e-12, "floating point"),
        Row("completion time", where, trial.completion_ps(), completion_ps, "by hand", "ps"),
    ]


@pytest.mark.parametrize("distance_km", DISTANCES_KM)
def test_a_clean_line_is_filled(distance_km: int) -> None:
    assert disagreeing(clean_line(distance_km)) == ""


WINDOWED = {100: 68.5, 329: 20.8, 500: 13.7, 1000: 6.85}  # km, Gb/s: DOMAIN 6
SHORT = 32  # windows: 256 MiB


@cache
def windowed(distance_km: int, windows: int = 512) -> list[Row]:
    """Send with a window of 8 MiB: 2048 packets in 128 messages.

    A window begins with a RETH, like the next one, whose first packet leaves when the ACK of this
    one's is back: three links, the ACK's three, cables and light. So the last window begins
    so many round trips after the first, less one, and its last packet is delivered as in
    clean_line.
    """
    sent = f"traffic.0.bytes={windows * 8} MiB"
    trial = Trial("perftest", "nic.window=8 MiB", f"lines.0.distance={distance_km} km", sent)
    trial.run()
    light_ps = 2 * distance_km * LIGHT_PS_PER_KM
    window_over_light = 8 * 8 * 2**20 * 1000 / light_ps
    links_bytes = 3 * FIRST_BYTES + 3 * ACK_BYTES
    round_trip_ps = links_bytes * PS_PER_BYTE + 2 * CABLES_PS + light_ps
    window_bytes = 2048 * PACKET_BYTES + 128 * (FIRST_BYTES - PACKET_BYTES)
    last_window_ps = (window_bytes + 2 * FIRST_BYTES) * PS_PER_BYTE + CABLES_PS + light_ps // 2
    completion_ps = (windows - 1) * round_trip_ps + last_window_ps
    where = f"window 8 MiB, {distance_km} km" + (", 256 MiB sent" if windows == SHORT else "")
    here = trial.steady_gbps()
    rows = [
        Row("steady goodput", where, here, window_over_light, "W/RTT, DOMAIN 6", "Gb/s").within(
            window_over_light / (windows - 1), "a window more"
        ),
        Row("completion time", where, trial.completion_ps(), completion_ps, "by hand", "ps"),
    ]
    if windows == SHORT:
        return rows
    table = WINDOWED[distance_km]
    tabled = Row("steady goodput", where, here, table, "the table of DOMAIN 6", "Gb/s")
    return [tabled.within(table * 0.01, "chosen"), *rows]


@pytest.mark.parametrize("distance_km", WINDOWED)
def test_a_window_of_8_mib(distance_km: int) -> None:
    assert disagreeing(windowed(distance_km)) == ""


def test_a_window_of_8_mib_in_a_short_transfer() -> None:
    assert disagreeing(windowed(100, SHORT)) == ""


@cache
def wide() -> list[Row]:
    """Send with 1.6 Tb/s over 1000 km: 2 GB in flight. 46 MB x 400 Gb/s are 2^64 already."""
    settings = ["nic.rate=1.6 Tbps", "lines.0.rate=1.6 Tbps", "lines.0.distance=1000 km"]
    trial = Trial("perftest", *settings)
    window_bytes = int(trial.tables.requesters["window_bytes"][0])
    in_flight_bytes = round(2 * 1000 * 4.9e-6 * 1.6e12 / 8 * PAYLOAD)
    trial.run()
    where = "1.6 Tb/s, 1000 km, window auto"
    here, rate = trial.steady_gbps(), PAYLOAD * 1600
    return [
        Row(
            "window", where, window_bytes, in_flight_bytes, "rate x light's round trip", "B"
        ).within(in_flight_bytes * 1e-3, "chosen"),
        Row("steady goodput", where, here, rate, "4096/4178 of the rate, DOMAIN 6", "Gb/s").within(
            rate * 1e-3, "no RETH in it"
        ),
    ]


def test_a_window_times_a_rate_that_leave_64_bits() -> None:
    window, goodput = wide()
    assert window.here * 1_600_000_000_000 > 2**64
    assert disagreeing([window, goodput]) == ""


@cache
def rows() -> list[Row]:
    clean = [row for distance_km in DISTANCES_KM for row in clean_line(distance_km)]
    windows = [row for distance_km in WINDOWED for row in windowed(distance_km)]
    return [*clean, *windows, *windowed(100, SHORT), *wide()]


SECTION = Section(
    "A clean line, a window",
    """
`perftest`: one queue pair, 4 GiB in messages of 64 KiB, 400 Gb/s.
""",
    rows,
    lambda: (
        """
Why the differences: on a clean line it is the RETH, 16 B in 16 packets. W/RTT comes out high
because steady goodput divides 512 windows by 511 round trips and a bit, less what stores and cables
add; a shorter transfer shows that strongly.
"""
    ),
)
