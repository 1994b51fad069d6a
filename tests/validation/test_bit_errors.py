"""Independent bit errors: how many frames a line damages, against 1 - (1 - BER)^bits (DOMAIN 5)."""

import pytest
from scipy.stats import binom

from validation.runs import Trial

pytestmark = pytest.mark.validation

LINE, LINE_BACK = "a.switch>b.switch", "b.switch>a.switch"


@pytest.mark.parametrize(("mtu", "ber"), [(4096, 1e-7), (4096, 1e-6), (1024, 1e-6), (256, 1e-5)])
def test_share_of_frames_lost(mtu: int, ber: float) -> None:
    """A million packets, their ACKs, and what go-back-N sends again over no distance.

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
    for port, exposed_bytes in ((LINE, mtu + 62), (LINE_BACK, 66)):
        sender, receiver = trial.port(port), trial.tables.ports["peer"][trial.port(port)]
        frames = int(trial.tables.ports["tx_packets"][sender])
        lost = int(trial.tables.ports["rx_crc_errors"][receiver])
        assert frames >= 2**20
        loss = 1 - (1 - ber) ** (8 * exposed_bytes)
        least, most = binom.interval(0.999, frames, loss)
        assert least <= lost <= most
