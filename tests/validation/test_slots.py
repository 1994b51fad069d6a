"""A transfer in slots, as NCCL's: eight of 512 KiB over 329 km allow 10.4 Gb/s (DOMAIN 6).

NCCL's buffer of 4 MiB in 8 steps; a slot is free again when a small message says so.
"""

from functools import cache

import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial

pytestmark = pytest.mark.validation

PS_PER_BYTE = 20
PACKET_PS, FIRST_PS, ACK_PS = 4178 * 20, 4194 * 20, 86 * 20
CREDIT_PS = (64 + 82 + 16) * 20  # a message of one packet
ONE_WAY_PS = 329 * 4_900_000 + 2 * 2 * 4_900  # light, and two cables of 2 m
GIVEN_GBPS = 10.4  # the scenario's own description


@cache
def rows() -> list[Row]:
    """Send 8192 slots, 1024 times eight.

    A slot is 128 packets, the first with RETH; its last packet is delivered when all have passed
    one link and the longest two more. At each host ACKs go first: the last data packet's before the
    credit, the credit's before the slot that it lets go. Three links: 86 + 162, 162 and 162 B.
    The first of eight starts a cycle after the first of the eight before, and seven follow,
    each behind the ACK of its own credit.
    """
    trial = Trial("slots-nccl", "traffic.0.bytes=4 GiB")
    trial.run()
    window_over_light = 8 * 8 * 512 * 2**10 / (2 * 329 * 4.9e-6) / 1e9
    slot_ps = FIRST_PS + 127 * PACKET_PS
    slot_there_ps = slot_ps + 2 * FIRST_PS + ONE_WAY_PS
    credit_back_ps = ACK_PS + 3 * CREDIT_PS + ONE_WAY_PS
    cycle_ps = slot_there_ps + credit_back_ps + ACK_PS
    last_starts_ps = 1023 * cycle_ps + 7 * (slot_ps + ACK_PS)
    completion_ps = last_starts_ps + slot_there_ps
    where = "8 slots of 512 KiB, 329 km"
    here = trial.steady_gbps()
    return [
        Row(
            "steady goodput", where, here, window_over_light, "slots / RTT, DOMAIN 6", "Gb/s"
        ).within(window_over_light * 0.01, "chosen"),
        Row("steady goodput", where, here, GIVEN_GBPS, "given with the scenario", "Gb/s").within(
            GIVEN_GBPS * 0.01, "chosen"
        ),
        Row("completion time", where, trial.completion_ps(), completion_ps, "by hand", "ps"),
    ]


def test_eight_slots_over_329_km() -> None:
    assert disagreeing(rows()) == ""


SECTION = Section(
    "Slots",
    """
`slots-nccl`, 4 GiB, 400 Gb/s.
""",
    rows,
    lambda: (
        """
Slots come out low because a slot is free only when its last packet is delivered.
"""
    ),
)
