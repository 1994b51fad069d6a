"""Independent bit errors: how many frames a line damages, against 1 - (1 - BER)^bits (DOMAIN 5)."""

from functools import cache

import pytest
from scipy.stats import binom

from validation.compared import Row, Section, disagreeing, farthest, shown
from validation.runs import Trial

pytestmark = pytest.mark.validation

LINE, LINE_BACK = "a.switch>b.switch", "b.switch>a.switch"
CASES = [(4096, 1e-7), (4096, 1e-6), (1024, 1e-6), (256, 1e-5)]  # MTU, BER


@cache
def frames_lost(mtu: int, ber: float) -> list[Row]:
    """Send a million packets, their ACKs, and what go-back-N sends again over no distance.

    A frame exposes its bytes without preamble and gap: 62 B and the payload; an ACK 66 B.
    """
    trial = Trial(
        "perftest",
        "lines.0.distance=0 km",
        f"lines.0.errors.post_fec_ber={ber}",
        f"nic.mtu={mtu}",
        "nic.framing.reth=0 B",
        f"traffic.0.bytes={2**20 * mtu} B",
    )
    assert trial.run().status == "completed"
    rows = []
    for of, port, exposed_bytes in (("data", LINE, mtu + 62), ("ACKs", LINE_BACK, 66)):
        sender, receiver = trial.port(port), trial.tables.ports["peer"][trial.port(port)]
        frames = int(trial.tables.ports["tx_packets"][sender])
        lost = int(trial.tables.ports["rx_crc_errors"][receiver])
        assert frames >= 2**20
        loss = 1 - (1 - ber) ** (8 * exposed_bytes)
        where = f"BER {shown(ber)}, MTU {mtu}, of {frames:,}"
        interval = binom.interval(0.999, frames, loss)
        row = Row(f"frames lost, {of}", where, lost, frames * loss, "1 - (1 - BER)^bits, DOMAIN 5")
        rows.append(row.within(farthest(interval, frames * loss), "99.9 % of samples"))
    return rows


@pytest.mark.parametrize(("mtu", "ber"), CASES)
def test_share_of_frames_lost(mtu: int, ber: float) -> None:
    assert disagreeing(frames_lost(mtu, ber)) == ""


SECTION = Section(
    "Frames that bit errors hit",
    """
`perftest` over no distance: a million packets and more, their ACKs, and what go-back-N sends again.
""",
    lambda: [row for case in CASES for row in frames_lost(*case)],
)
