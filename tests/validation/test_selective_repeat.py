"""Selective repeat against SDR-RDMA's formula, and against go-back-N on the same lines.

The formula (arXiv 2505.05366, section 4.2; DOMAIN 6) has no window and loses no ACKs. Here the
window is larger than the message, and the line loses NAKs and ACKs as well; each NAK that follows
says what a lost one would have said.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma.theory import selective_repeat_s

pytestmark = pytest.mark.validation

TEXT = """\
name: selective-repeat
sites:
  a: {hosts: 1, fabric: {type: one-switch, cable: 0 m}}
  b: {like: a}
lines:
  - between: [a, b]
    distance: 329 km
    rate: 400 Gbps
    otn: {latency: 0 s}
    errors: {process: packets}
nic: {rate: 400 Gbps, mtu: 4096, window: 1 GiB, timeout: 11, framing: {reth: 0 B}}
traffic: [{name: t, from: a.0, to: b.0, bytes: 1 MiB}]
"""
PACKET_S = 4178 * 20e-12
TIMER_S = 4.096e-6 * 2**11  # more than the round trip, 3.2 ms
SEEDS = 40
SIGMAS = 3


class Cell(NamedTuple):
    """A line, its loss and a message."""

    distance_km: int
    packet_loss: float
    mib: int

    @property
    def packets(self) -> int:
        return self.mib * 256

    def __str__(self) -> str:
        return f"{self.distance_km} km, {self.packet_loss:g} lost, {self.mib} MiB"


CELLS = [
    Cell(distance_km, loss, mib)
    for distance_km, loss, mib in (
        (329, 1e-5, 128),
        (329, 1e-4, 128),
        (329, 1e-3, 128),
        (329, 1e-3, 8),
        (100, 1e-4, 32),
    )
]


@cache
def times_s(cell: Cell, retransmission: str) -> np.ndarray:
    """Return when the last ACK was there, a seed each."""
    found = []
    for seed in range(1, SEEDS + 1):
        trial = Trial(
            TEXT,
            f"lines.0.distance={cell.distance_km} km",
            f"lines.0.errors.packet_loss={cell.packet_loss}",
            f"traffic.0.bytes={cell.mib} MiB",
            f"nic.retransmission={retransmission}",
            seed=seed,
        )
        trial.run()
        found.append(int(trial.tables.operations["sent_ps"][0]) / 1e12)
    return np.array(found)


def expected_s(cell: Cell) -> float:
    """Return the formula's mean: the path stores each packet twice more, each ACK three times."""
    light_s = 2 * cell.distance_km * 4.9e-6
    round_trip_s = light_s + 2 * PACKET_S + 3 * 86 * 20e-12
    return selective_repeat_s(cell.packets, PACKET_S, cell.packet_loss, round_trip_s, TIMER_S)


@cache
def rows() -> list[Row]:
    """Compare the mean of each cell with the formula."""
    found = []
    for cell in CELLS:
        times = times_s(cell, "selective-repeat")
        error_s = float(times.std(ddof=1)) / math.sqrt(SEEDS)
        found.append(
            Row(
                "mean time to the last ACK",
                str(cell),
                1e3 * float(times.mean()),
                1e3 * expected_s(cell),
                "SDR-RDMA, arXiv 2505.05366",
                "ms",
            ).within(1e3 * SIGMAS * error_s, f"{SIGMAS} sigma of {SEEDS} seeds")
        )
    return found


@pytest.mark.slow
def test_the_mean_is_the_formulas() -> None:
    assert disagreeing(rows()) == ""


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_go_back_n_is_never_faster_in_the_mean(cell: Cell) -> None:
    assert times_s(cell, "go-back-n").mean() > times_s(cell, "selective-repeat").mean()


def test_nothing_lost() -> None:
    """Without losses both are the same, and the formula exact."""
    for how in ("selective-repeat", "go-back-n"):
        trial = Trial(TEXT, f"nic.retransmission={how}", "traffic.0.bytes=1 MiB")
        trial.run()
        sent_s = int(trial.tables.operations["sent_ps"][0]) / 1e12
        assert sent_s == pytest.approx(expected_s(Cell(329, 0, 1)), rel=1e-9)


def notes() -> str:
    """Say how much slower go-back-N is."""
    cell = CELLS[1]
    ratio = times_s(cell, "go-back-n").mean() / times_s(cell, "selective-repeat").mean()
    return f"Go-back-N takes {ratio:.1f} times as long at {cell}; in no cell is it faster."


SECTION = Section(
    "Selective repeat",
    """
A message of its own on a queue pair with a window larger than itself. The first loss of a packet
costs a round trip, each further one of the same packet an ACK timer of 8.4 ms; with that in place
of the paper's constant cost a drop, its formula gives the mean of the maximum over all packets.
""",
    rows,
    notes,
)
