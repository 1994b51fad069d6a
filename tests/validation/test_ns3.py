"""Go-back-N against ns-3's RDMA model, cell by cell.

Our own runs of the HPCC simulator's RoCE (ns-3.19 with picosecond times): host, switch, long
line, host; an ACK a packet, packets of 4096 B that take 4148 B; each data packet and each ACK is
lost on the line with the given probability; no ACK timer. Its receiver repeats a NAK for the same
gap once `nak_again_us` have passed. Completion is the last ACK at the sender.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest

from validation.compared import Row, Section, disagreeing, shown
from validation.runs import Trial

pytestmark = pytest.mark.validation

SAMPLES = 3  # of ours for each of theirs
ACK_BYTES = 60
PACKET_BYTES = 4148


class Cell(NamedTuple):
    """Settings, and the sums over ns-3's runs with other seeds."""

    rate_gbps: int
    one_way_us: int
    packet_loss: float
    nak_again_us: float
    window_bytes: int
    runs: int
    bytes: int
    seconds: float
    naks: int

    @property
    def round_trip_s(self) -> float:
        return 2e-6 * self.one_way_us

    @property
    def clean_s(self) -> float:
        """All runs without a loss."""
        packets = self.bytes / 4096
        return packets * PACKET_BYTES * 8e-9 / self.rate_gbps + self.runs * self.round_trip_s

    @property
    def lost_s(self) -> float:
        return self.seconds - self.clean_s

    @property
    def losses(self) -> float:
        """Those that cost a round trip.

        Each draws a NAK, and another every `nak_again_us` of the round trip that follows.
        """
        return self.naks / math.ceil(1e6 * self.round_trip_s / self.nak_again_us)

    @property
    def sampling_error(self) -> float:
        """Return the standard deviation of the difference to our runs, a share of all losses.

        Losses are rare, each for itself, and cost alike. We have `SAMPLES` times as many runs.
        """
        return math.sqrt((1 + 1 / SAMPLES) / self.losses)

    @property
    def conditions(self) -> str:
        again = "500 us" if self.nak_again_us == 500 else "a round trip"
        losses = (
            f"loss {shown(self.packet_loss)}, NAK again after {again}" if self.naks else "no loss"
        )
        trip = f"RTT {2 * self.one_way_us / 1000:g} ms"
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{self.rate_gbps} Gb/s, {trip}, {losses}, {runs}"


CELLS = [
    Cell(100, 50, 0, 500, 2505000, 1, 4096000000, 0.331940541, 0),
    Cell(100, 50, 1e-06, 500, 2505000, 1, 4094763008, 0.332042748, 2),
    Cell(100, 50, 1e-05, 500, 2505000, 3, 7350595584, 0.597535310, 17),
    Cell(100, 50, 3.3e-05, 500, 2505000, 3, 7300050944, 0.596780374, 50),
    Cell(100, 50, 0.0001, 500, 2505000, 3, 7156690944, 0.595793144, 155),
    Cell(100, 50, 0.00033, 500, 2505000, 3, 6704701440, 0.593586747, 495),
    Cell(100, 1645, 0, 500, 82255000, 1, 4096000000, 0.335130541, 0),
    Cell(100, 1645, 1e-06, 500, 82255000, 1, 4019802112, 0.341541358, 14),
    Cell(100, 1645, 1e-06, 3474.7, 82255000, 1, 4055785472, 0.338455578, 2),
    Cell(100, 1645, 1e-05, 500, 82255000, 3, 6197944320, 0.600381237, 99),
    Cell(100, 1645, 1e-05, 3474.7, 82255000, 3, 6707720192, 0.602674583, 15),
    Cell(100, 1645, 3.3e-05, 500, 82255000, 9, 12094976000, 1.598819232, 655),
    Cell(100, 1645, 3.3e-05, 3474.7, 82255000, 9, 14813782016, 1.631327291, 122),
    Cell(100, 1645, 0.0001, 500, 82255000, 9, 6789976064, 1.459582552, 977),
    Cell(100, 1645, 0.0001, 3474.7, 82255000, 9, 9872322560, 1.645720031, 248),
    Cell(100, 1645, 0.00033, 500, 82255000, 9, 2709811200, 1.149422200, 1005),
    Cell(100, 1645, 0.00033, 3474.7, 82255000, 9, 4602273792, 1.528163233, 342),
    Cell(400, 500, 0, 500, 100019999, 1, 4096000000, 0.083960285, 0),
    Cell(400, 500, 1e-06, 500, 100019999, 1, 3999567872, 0.086008485, 6),
    Cell(400, 500, 1e-06, 1070.2, 100019999, 1, 4047204352, 0.084972978, 2),
    Cell(400, 500, 1e-05, 500, 100019999, 3, 5940510720, 0.145326700, 33),
    Cell(400, 500, 1e-05, 1070.2, 100019999, 3, 6579539968, 0.150269208, 14),
    Cell(400, 500, 3.3e-05, 500, 100019999, 9, 10949144576, 0.370316421, 223),
    Cell(400, 500, 3.3e-05, 1070.2, 100019999, 9, 14064902144, 0.410929763, 117),
    Cell(400, 500, 0.0001, 500, 100019999, 9, 5763846144, 0.298812994, 295),
    Cell(400, 500, 0.0001, 1070.2, 100019999, 9, 8913854464, 0.404649601, 215),
    Cell(400, 500, 0.00033, 500, 100019999, 9, 2195132416, 0.180021675, 246),
    Cell(400, 500, 0.00033, 1070.2, 100019999, 9, 3949031424, 0.371125046, 282),
]
CLEAN = [cell for cell in CELLS if cell.naks == 0]
LOSSY = [cell for cell in CELLS if cell.naks > 0]


def scenario(cell: Cell) -> str:
    # The line is all latency: ns-3's runs give the delay, not the length.
    return f"""
name: ns3
sites:
  a: {{hosts: 1, fabric: {{type: one-switch, cable: 20 m, latency: 0 s, queue_limit: 1 GiB}}}}
  b: {{like: a}}
lines:
  - between: [a, b]
    distance: 0.001 m
    rate: {cell.rate_gbps} Gbps
    otn: {{flow_control: none, latency: {cell.one_way_us / 2} us}}
    errors: {{process: packets, packet_loss: {cell.packet_loss}}}
nic:
  preset: ns3-hpcc
  rate: {cell.rate_gbps} Gbps
  window: {cell.window_bytes} B
  nak_again: {cell.nak_again_us} us
traffic:
  - {{name: w, from: a.0, to: b.0, bytes: {round(cell.bytes / cell.runs)} B, message: 2 GiB}}
"""


@cache
def finished(cell: Cell, seed: int) -> tuple[float, int]:
    """Run once; return the time of the last ACK, and how many NAKs were sent."""
    trial = Trial(scenario(cell), seed=seed)
    assert trial.run().status == "completed"
    sent_ps = int(trial.tables.operations["sent_ps"].max())
    return sent_ps / 1e12, int(trial.tables.responders["naks_sent"].sum())


def ours(cell: Cell) -> list[tuple[float, int]]:
    return [finished(cell, seed) for seed in range(1, SAMPLES * cell.runs + 1)]


def goodput_gbps(cell: Cell, seconds: float) -> float:
    """Return that of all runs, up to the last ACK of each."""
    return cell.bytes * 8e-9 / seconds


def clean_line(cell: Cell) -> Row:
    here, theirs = (goodput_gbps(cell, s) for s in (finished(cell, 1)[0], cell.seconds))
    row = Row("goodput", cell.conditions, here, theirs, "ns-3", "Gb/s")
    return row.within(theirs * 1e-5, "chosen")


@pytest.mark.parametrize("cell", CLEAN, ids=lambda cell: cell.conditions)
def test_a_clean_line_takes_as_long(cell: Cell) -> None:
    assert disagreeing([clean_line(cell)]) == ""


def pooled_goodput(cell: Cell) -> Row:
    """Compare all runs together: their times differ by no more than what the losses' do."""
    seconds = sum(seconds for seconds, _ in ours(cell)) / SAMPLES
    here, theirs = (goodput_gbps(cell, s) for s in (seconds, cell.seconds))
    row = Row("goodput", cell.conditions, here, theirs, "ns-3", "Gb/s")
    return row.within(theirs * 3 * cell.sampling_error * cell.lost_s / cell.seconds, "3 sigma")


def pooled_naks(cell: Cell) -> Row:
    here = sum(naks for _, naks in ours(cell)) / SAMPLES
    row = Row("NAKs sent", cell.conditions, here, cell.naks, "ns-3")
    return row.within(3 * cell.sampling_error * cell.naks, "3 sigma")


ONE_A_ROUND_TRIP = [c for c in LOSSY if c.nak_again_us > 1e6 * c.round_trip_s]


def a_nak_costs_a_round_trip() -> Iterator[Row]:
    """Compare N tau + RTT + NAKs x RTT with the run that is farthest off it."""
    for cell in ONE_A_ROUND_TRIP:
        stores_s = 2 * (PACKET_BYTES + ACK_BYTES) * 8e-9 / cell.rate_gbps
        a_nak_s = cell.round_trip_s + stores_s
        clean_s = cell.clean_s / cell.runs
        both = [(seconds, clean_s + naks * a_nak_s) for seconds, naks in ours(cell)]
        here, expected = max(both, key=lambda two: abs(two[0] / two[1] - 1))
        row = Row(
            "time, farthest run",
            cell.conditions,
            here * 1e3,
            expected * 1e3,
            "N tau + RTT + NAKs x RTT",
            "ms",
        )
        yield row.within(expected * 1e3 * 0.002, "chosen")


@cache
def rows() -> list[Row]:
    return [
        *(clean_line(cell) for cell in CLEAN),
        *(pooled_goodput(cell) for cell in LOSSY),
        *(pooled_naks(cell) for cell in LOSSY),
        *a_nak_costs_a_round_trip(),
    ]


SECTION = Section(
    "Go-back-N against ns-3's RDMA model",
    f"""
Runs of the HPCC simulator's RoCE (ns-3.19, times in picoseconds), made for this comparison: host,
switch, long line, host; {PACKET_BYTES} B a packet, an ACK each; every data packet and ACK lost on
the line with the given probability; no ACK timer; the receiver repeats its NAK (`nic.nak_again`)
after 500 us or after a round trip. Goodput over all seeds of a row, up to the last ACK. The runs
are ns-3's; here {SAMPLES} are made for each of theirs, and their NAKs divided by {SAMPLES}. Sigma
is the sampling error of the difference (losses are rare, each for itself). Nothing was fitted.
""",
    rows,
    lambda: (
        """
The differences follow the number of losses that the seeds happen to draw; the rows are not
independent, since one seed draws the same random numbers in all of them.
"""
    ),
)
