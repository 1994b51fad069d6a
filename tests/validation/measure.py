"""Print the go-back-N table of docs/validation.md; run it from anywhere, it takes two minutes.

``measure.py`` has five seeds a point, ``measure.py 40`` has forty.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from validation.go_back_n import FULL_PACKETS, POINTS, SEEDS, Interval, Point, run


def row(point: Point, seeds: list[int]) -> str:
    """Return a line of the go-back-N table."""
    runs = [run(point, seed) for seed in seeds]
    here = Interval.of([ran.efficiency for ran in runs])
    off = max(abs(ran.efficiency / ran.predicted(point) - 1) for ran in runs)
    go_backs = sum(ran.go_backs for ran in runs) / len(runs)
    timeouts = sum(ran.timeouts for ran in runs)
    inside = "yes" if point.table in here else "no"
    return (
        f"| {point.distance_km} | {point.nic_gbps} | {point.post_fec_ber:g} | {here} "
        f"| {point.table} | {inside} | {go_backs:.1f} | {FULL_PACKETS * point.loss:.1f} "
        f"| {timeouts} | {off:.1e} |"
    )


def main() -> None:
    seeds = list(range(1, 1 + int(sys.argv[1]))) if len(sys.argv) > 1 else list(SEEDS)
    print("| km | Gb/s | BER | mean here | table | inside | go-backs | p M | timeouts | off |")
    for point in POINTS:
        print(row(point, seeds), flush=True)


if __name__ == "__main__":
    main()
