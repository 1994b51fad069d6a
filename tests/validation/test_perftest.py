"""The built-in perftest against what a line without errors, or a small window, must give.

A packet of 4096 B takes 4178 B of line (DOMAIN 2), 16 more with the RETH that begins each
message of 64 KiB. Light needs 4.9 us/km. NIC and line have 400 Gb/s, 20 ps a byte.
"""

import pytest

from validation.runs import Trial

pytestmark = pytest.mark.validation

PACKET_BYTES, FIRST_BYTES, ACK_BYTES = 4178, 4194, 86
PACKETS, MESSAGES = 2**20, 2**16  # 4 GiB in packets of 4 KiB and messages of 64 KiB
PS_PER_BYTE = 20
CABLES_PS = 2 * 2 * 4_900  # two cables of 2 m each way
LIGHT_PS_PER_KM = 4_900_000


@pytest.mark.parametrize("distance_km", [0, 10, 329, 1000])
def test_a_clean_line_is_filled(distance_km: int) -> None:
    trial = Trial("perftest", f"lines.0.distance={distance_km} km")
    (flow,) = trial.run().flows
    assert trial.result.status == "completed"
    assert flow.steady_goodput_bps == pytest.approx(4096 / 4178 * 400e9, rel=1e-3)

    # And exactly. Three links in a row with the same frames in the same order: the last bit
    # leaves the third after all frames once and the longest one twice more.
    line_bytes = PACKETS * PACKET_BYTES + MESSAGES * (FIRST_BYTES - PACKET_BYTES)
    links_ps = (line_bytes + 2 * FIRST_BYTES) * PS_PER_BYTE
    completion_ps = links_ps + CABLES_PS + distance_km * LIGHT_PS_PER_KM
    assert flow.completion_s == completion_ps / 1e12
    assert trial.tables.operations["delivered_ps"][0] == completion_ps
    # The first packet, delivered first, takes no part in the steady goodput.
    steady_ps = (line_bytes - FIRST_BYTES) * PS_PER_BYTE
    steady_bps = (PACKETS - 1) * 4096 * 8 * 1e12 / steady_ps
    assert flow.steady_goodput_bps == pytest.approx(steady_bps, rel=1e-12)


WINDOWED = [(100, 68.5), (329, 20.8), (500, 13.7), (1000, 6.85)]  # km, Gb/s: DOMAIN 6


@pytest.mark.parametrize(("distance_km", "table_gbps"), WINDOWED)
def test_a_window_of_8_mib(distance_km: int, table_gbps: float) -> None:
    trial = Trial("perftest", "nic.window=8 MiB", f"lines.0.distance={distance_km} km")
    (flow,) = trial.run().flows
    assert trial.result.status == "completed"
    steady_bps = flow.steady_goodput_bps
    assert steady_bps == pytest.approx(table_gbps * 1e9, rel=0.01)
    window_over_light_bps = 8 * 8 * 2**20 / (2 * distance_km * 4.9e-6)
    assert steady_bps == pytest.approx(window_over_light_bps, rel=0.01)

    # And exactly. A window is 2048 packets in 128 messages and begins with a RETH, like the
    # next one, whose first packet leaves when the ACK of this one's is back: three links, the
    # ACK's three, cables and light. So the 512th window begins 511 round trips after the
    # first, and its last packet is delivered as in test_a_clean_line_is_filled.
    links_bytes = 3 * FIRST_BYTES + 3 * ACK_BYTES
    light_ps = 2 * distance_km * LIGHT_PS_PER_KM
    round_trip_ps = links_bytes * PS_PER_BYTE + 2 * CABLES_PS + light_ps
    window_bytes = 2048 * PACKET_BYTES + 128 * (FIRST_BYTES - PACKET_BYTES)
    last_window_ps = (window_bytes + 2 * FIRST_BYTES) * PS_PER_BYTE + CABLES_PS + light_ps // 2
    assert flow.completion_s == (511 * round_trip_ps + last_window_ps) / 1e12
