"""Perftest over a line with bit errors: its efficiency, and what the closed form says of it."""

from dataclasses import dataclass
from functools import cache
from statistics import mean, stdev

from scipy.stats import t as student

from validation.compared import shown
from validation.runs import Trial
from wanrdma.kernels.tables import GO_BACK, TIMEOUT
from wanrdma.theory import frame_loss, realised_go_back_n_efficiency

PACKET_BYTES, FIRST_BYTES, ACK_BYTES = 4178, 4194, 86
EXPOSED_BYTES, ACK_EXPOSED_BYTES = 4158, 66  # frames without preamble and gap
MESSAGE_PACKETS = 16  # 64 KiB
CABLES_PS = 2 * 2 * 4_900  # two cables of 2 m
TIMER_PS = 4_096_000 * 2**14  # perftest's exponent
FULL_PACKETS = 2**20  # 4 GiB
RATIOS = (1e-10, 1e-9, 1e-8)


@dataclass(frozen=True)
class Point:
    """A row and a column of DOMAIN 6's table: a NIC of some rate, on a line of 400 Gb/s or less."""

    distance_km: int
    nic_gbps: int
    post_fec_ber: float
    table: float
    line_gbps: int = 400

    @property
    def conditions(self) -> str:
        return f"{self.distance_km} km, {self.nic_gbps} Gb/s, BER {shown(self.post_fec_ber)}"

    @property
    def settings(self) -> list[str]:
        return [
            f"lines.0.distance={self.distance_km} km",
            f"lines.0.rate={self.line_gbps} Gbps",
            f"lines.0.errors.post_fec_ber={self.post_fec_ber}",
            f"nic.rate={self.nic_gbps} Gbps",
        ]

    @property
    def packet_ps(self) -> int:
        """A packet's time at the NIC's rate, the lowest on the path: tau."""
        return PACKET_BYTES * 8000 // self.nic_gbps

    @property
    def one_way_ps(self) -> int:
        """From a packet's last bit out of the NIC to its delivery: line and last link."""
        stores = PACKET_BYTES * (8000 // self.line_gbps + 8000 // self.nic_gbps)
        return stores + CABLES_PS + self.distance_km * 4_900_000

    @property
    def round_trip_ps(self) -> int:
        """From the start of a packet to the arrival of its ACK."""
        acks = ACK_BYTES * (8000 // self.line_gbps + 2 * 8000 // self.nic_gbps)
        return self.packet_ps + self.one_way_ps + acks + CABLES_PS + self.distance_km * 4_900_000

    @property
    def round_trip_packets(self) -> float:
        """Return N; the automatic window is a few packets more."""
        return self.round_trip_ps / self.packet_ps

    @property
    def loss(self) -> float:
        """Return p, of a data packet, independent bits."""
        return frame_loss(self.post_fec_ber, EXPOSED_BYTES)


@dataclass(frozen=True)
class Errored:
    """What a run met, and the time that it took."""

    packets: int
    go_backs: int  # NAKs acted on
    timeouts: int
    lost_again: tuple[int, ...]  # PSNs of the packets whose timer ran out after a NAK for them
    sending_ps: int  # what the packets need once each, at the NIC's rate
    resending_ps: int  # what came on top, until the last delivery

    @property
    def efficiency(self) -> float:
        """Return the time that the packets need over the time that they took."""
        return self.sending_ps / (self.sending_ps + self.resending_ps)

    def predicted(self, point: Point) -> float:
        """Return M / (M + go-backs x N + timeouts x T / tau), DOMAIN 6."""
        return realised_go_back_n_efficiency(
            self.packets,
            self.go_backs,
            self.timeouts,
            point.round_trip_packets,
            TIMER_PS / point.packet_ps,
        )


def lost_again(trial: Trial) -> tuple[int, ...]:
    """Find the timeouts of packets that a NAK had asked for: their retransmission was lost."""
    asked, found = -1, []
    for row in trial.tables.log_rows():
        if row["kind"] == GO_BACK:
            asked = row["about"]
        if row["kind"] == TIMEOUT and row["about"] == asked:
            found.append(int(asked))
    return tuple(found)


@cache
def run(point: Point, seed: int, packets: int = FULL_PACKETS) -> Errored:
    """Run perftest. From first bit to last delivery it takes sending, resending and the way there.

    The steady goodput would do as well, but for a loss of the very first packet.
    """
    trial = Trial("perftest", *point.settings, f"traffic.0.bytes={4096 * packets} B", seed=seed)
    trial.tables.run["log_first"] = packets  # log all of them
    result = trial.run()
    assert result.status == "completed"
    flow = trial.tables.flows[0]
    time_ps = int(flow["last_delivery_ps"] - flow["first_bit_ps"])
    reth_bytes = packets // MESSAGE_PACKETS * (FIRST_BYTES - PACKET_BYTES)
    sending_ps = (packets * PACKET_BYTES + reth_bytes) * (8000 // point.nic_gbps)
    resending_ps = time_ps - sending_ps - point.one_way_ps
    naks, timeouts = result.totals["naks"], result.totals["timeouts"]
    return Errored(packets, naks, timeouts, lost_again(trial), sending_ps, resending_ps)


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % confidence interval (Student)."""

    mean: float
    half_width: float

    @classmethod
    def of(cls, values: list[float]) -> "Interval":
        """Return the interval of the mean that these values are draws of."""
        quantile = float(student.ppf(0.975, len(values) - 1))
        return cls(mean(values), quantile * stdev(values) / len(values) ** 0.5)


def _row(distance_km: int, gbps: int, *table: float, line_gbps: int = 400) -> list[Point]:
    return [
        Point(distance_km, gbps, ber, value, line_gbps)
        for ber, value in zip(RATIOS, table, strict=True)
    ]


POINTS = [  # DOMAIN 6: km, Gb/s a queue pair; RATIOS
    *_row(100, 100, 0.990, 0.911, 0.506, line_gbps=100),
    *_row(329, 100, 0.969, 0.757, 0.238, line_gbps=100),
    *_row(329, 400, 0.886, 0.438, 0.072),
    *_row(329, 25, 0.992, 0.926, 0.555),
    *_row(1000, 400, 0.719, 0.204, 0.025),
]
