"""The worst-case headroom: enough in every case tried, and no frame of it too much.

Two senders' worth of adversity at one switch port: its peer sends at full rate, what it sends goes
to a link a thousand times slower (drain 0 in effect), and in the other direction full frames
hold up the PFC frame. XOFF is moved in steps, so that the frame that crosses it crosses by
anything from one byte to a whole frame.
"""

import pytest

from wanrdma import engine
from wanrdma.build import build
from wanrdma.scenario.schema import Scenario
from wanrdma.theory import headroom_bytes

FRAME_BYTES = 4194  # the largest: MTU 4096 with RETH, line time
STORED_BYTES = 4158  # of a full frame without RETH
PORT, PRIORITY = "a.switch>a.0", 3


def overshoot_bytes(rate: str, cable_m: int, xoff_bytes: int, headroom: str) -> tuple[int, int]:
    """Run; return the most that the port stored above XOFF, and what it dropped."""
    scenario = Scenario.model_validate(
        {
            "name": "headroom",
            "sites": {
                "a": {
                    "hosts": 3,
                    "fabric": {
                        "type": "one-switch",
                        "cable": f"{cable_m} m",
                        "pfc": {"xoff": f"{xoff_bytes} B", "xon": "0 B", "headroom": headroom},
                    },
                }
            },
            "nic": {"rate": rate, "window": "8 MB"},
            "traffic": [
                {"name": "in", "from": "a.0", "to": "a.1", "bytes": "2 MB"},
                {"name": "out", "from": "a.2", "to": "a.0", "bytes": "20 MB"},
            ],
        }
    )
    network = build(scenario)
    ports = network.tables.ports
    for name in ("a.switch>a.1", "a.1>a.switch"):
        ports["ps_per_byte"][network.port_names.index(name)] *= 1000
    engine.run(network, stop_ps=2_000_000_000)
    lane = network.tables.lanes[network.port_names.index(PORT) * 8 + PRIORITY]
    return int(lane["max_ingress_bytes"] - lane["xoff_bytes"]), int(lane["drops_congestion"])


XOFFS = range(5 * STORED_BYTES, 6 * STORED_BYTES, 519)


@pytest.mark.parametrize("rate", ["100 Gbps", "400 Gbps"])
@pytest.mark.parametrize("cable_m", [0, 1, 10, 100, 1000])
def test_automatic_headroom_is_enough(rate: str, cable_m: int) -> None:
    for xoff_bytes in XOFFS:
        over, dropped = overshoot_bytes(rate, cable_m, xoff_bytes, "auto")
        assert over > 0
        assert dropped == 0


def test_two_frames_beyond_rate_times_rtt_are_not() -> None:
    ps_per_byte, round_trip_ps = 20, 2 * 4900  # 400G, 1 m each way
    ours = headroom_bytes(ps_per_byte, round_trip_ps, FRAME_BYTES)
    two_frames = round_trip_ps // ps_per_byte + 2 * FRAME_BYTES
    assert ours - two_frames == FRAME_BYTES + 84  # one frame and a PFC frame less
    lost = [overshoot_bytes("400 Gbps", 1, xoff, f"{two_frames} B")[1] for xoff in XOFFS]
    assert max(lost) > 0
