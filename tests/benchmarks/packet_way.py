"""How fast packets move: packet-hops a CPU second, a line a case.

    python tests/benchmarks/packet_way.py

A hop is one link entered by a data packet, an ACK or a NAK. Compiling and building are not
counted; counters and the binned trace are on. Not a test: it depends on the machine.
"""

from wanrdma import engine
from wanrdma.build import build
from wanrdma.scenario.load import load

CASES = [
    ("perftest", "perftest", []),
    ("perftest, BER 1e-9", "perftest", ["lines.0.errors.post_fec_ber=1e-9"]),
    ("incast-pfc", "incast-pfc", []),
    ("unicom-329km", "unicom-329km", []),
]


def main() -> None:
    """Run every case once and print the table."""
    engine.run(build(load("slots-nccl", ["traffic.0.bytes=1 MiB"]).scenario))  # compiles
    print(f"{'case':20} {'packet-hops':>12} {'CPU s':>7} {'million hops/CPU s':>19}")
    for title, name, settings in CASES:
        network = build(load(name, settings).scenario)
        outcome = engine.run(network)
        hops = int(network.tables.run["packet_hops"][0])
        speed = hops / outcome.cpu_s / 1e6
        print(f"{title:20} {hops:12,} {outcome.cpu_s:7.2f} {speed:19.1f}")


if __name__ == "__main__":
    main()
