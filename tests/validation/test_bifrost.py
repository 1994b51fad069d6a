"""Bifrost's line (ICNP 2023): how high XOFF must be for the receiver's link never to run dry.

80 km, 100 Gb/s, 400 us one way. Section III: a port that has drained to XON is empty a round trip
before what it lets go on comes, unless XON holds drain rate x RTT: 10 MB (9.54 MiB) for a drain at
the line's rate. Their own traffic was at full throughput from an XOFF of 6 MB on.

A drain below the rate is a slower receiver. With a drain at the rate a queue only builds where
something else takes the receiver's link for a while: bursts of a host beside it, of a higher
priority.
"""

from functools import cache

import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma.scenario import catalogue

pytestmark = pytest.mark.validation

LINE_PORT = "b.switch>a.switch"

FRAME_BYTES, STORED_BYTES = 4178, 4158
XOFF_TO_XON_BYTES = 2 * 4194  # two of the largest frames
TRIP_S, LINE_BPS = 800e-6, 100e9
DRAINS_GBPS = (50.0, 62.5, 100.0)  # 0.5, 0.625 (128 ps a byte) and all of the line's rate
XOFFS_MB = range(1, 13)
FULL, NOTHING_LOST = 0.999, 0.99999
FAR_XOFF_BYTES = 1_000_000_000  # with it nothing pauses
BURST_MB, BURSTS, FIRST_MS, EVERY_MS = 15, 10, 2, 4


def with_bursts() -> str:
    """Let a second host at b send to the first, ahead of the line: 1.2 of every 4 ms."""
    text = catalogue.read("bifrost-80km")
    one, two = "hosts: 1 # chosen: one receiver", "hosts: 2"
    assert text.count(one) == 1
    text = text.replace("priority: 3 # assumed: usual for RoCE\n", "priorities: [3, 4]\n")
    bursts = "".join(
        f"  - {{name: burst{k}, from: b.1, to: b.0, bytes: {BURST_MB} MB, "
        f"start: {FIRST_MS + EVERY_MS * k} ms, priority: 4}}\n"
        for k in range(BURSTS)
    )
    return text.replace(one, two) + bursts


@cache
def time_ps(drain_gbps: float, xoff_bytes: int) -> int:
    """Return how long it takes the receiver to get everything, from the first packet on."""
    scenario = with_bursts() if drain_gbps == 100 else "bifrost-80km"
    trial = Trial(
        scenario,
        f"sites.b.nic.rate={drain_gbps} Gbps",
        f"traffic.0.bytes={350 if drain_gbps == 100 else 256} MB",
    )
    lane = trial.tables.lanes[8 * trial.port(LINE_PORT) + 3 : 8 * trial.port(LINE_PORT) + 4]
    lane["ingress_limit_bytes"] = 1 << 40  # of no matter: nothing is dropped with 64 MB either
    lane["xoff_bytes"] = xoff_bytes
    lane["xon_bytes"] = max(0, xoff_bytes - XOFF_TO_XON_BYTES)
    assert trial.run().status == "completed"
    assert trial.result.drops == ()
    assert (lane["tx_pause"][0] > 0) == (xoff_bytes < FAR_XOFF_BYTES)
    assert lane["max_ingress_bytes"][0] < 64_000_000 or xoff_bytes == FAR_XOFF_BYTES
    flows = trial.tables.flows
    return int(flows["last_delivery_ps"].max() - flows["first_delivery_ps"].min())


def share(drain_gbps: float, xoff_bytes: int) -> float:
    """Return the throughput as a share of that without pauses."""
    return time_ps(drain_gbps, FAR_XOFF_BYTES) / time_ps(drain_gbps, xoff_bytes)


@cache
def least_xoff_bytes(drain_gbps: float, full: float) -> int:
    """Bisect, to 1000 B, for the smallest XOFF with that share of the throughput."""
    too_small, enough = 1_000_000, 12_000_000
    while enough - too_small > 1000:
        middle = (too_small + enough) // 2
        if share(drain_gbps, middle) >= full:
            enough = middle
        else:
            too_small = middle
    return enough


def drained_bytes(drain_gbps: float) -> float:
    """Return what drains in a round trip, in stored bytes."""
    return drain_gbps * 1e9 / 8 * TRIP_S * STORED_BYTES / FRAME_BYTES


def knee(drain_gbps: float, full: float) -> Row:
    """Compare with drain x RTT + (XOFF - XON).

    A packet or two are begun at either end when XOFF and XON are crossed. Where a thousandth may be
    lost, of every burst's 4 ms or of every cycle's (below), what drains in that time less will do.
    """
    theirs = round(drained_bytes(drain_gbps) + XOFF_TO_XON_BYTES)
    cycle_s = EVERY_MS / 1e3 if drain_gbps == 100 else cycle(drain_gbps, theirs)[1]
    let_go = (1 - full) * cycle_s * drain_gbps * 1e9 / 8
    where = f"drain {drain_gbps:g} Gb/s, at least {100 * full:g} % of the throughput"
    source = "drain x RTT + XOFF - XON: Bifrost, section III"
    row = Row("least XOFF", where, least_xoff_bytes(drain_gbps, full), theirs, source, "B")
    because = "4 packets" if full == NOTHING_LOST else "4 packets, and what may be lost"
    return row.within(round(4 * STORED_BYTES + let_go), because)


def cycle(drain_gbps: float, xoff_bytes: int) -> tuple[float, float]:
    """Return the idle part and the length of a sawtooth's tooth, in s, of a steady drain."""
    stored = STORED_BYTES / FRAME_BYTES / 8
    drain, fill = drain_gbps * 1e9 * stored, (LINE_BPS - drain_gbps * 1e9) * stored  # B/s
    xon_bytes = xoff_bytes - XOFF_TO_XON_BYTES
    left = max(0.0, xon_bytes - drain * TRIP_S)  # when what it let go on comes
    most = xoff_bytes + TRIP_S * fill
    idle_s = max(0.0, TRIP_S - xon_bytes / drain)
    return idle_s, TRIP_S + (most - left) / fill + (most - xon_bytes) / drain


def below(drain_gbps: float, xoff_mb: int) -> Row:
    """Compare the throughput of an XOFF that is too low with the sawtooth's.

    The first tooth and the last are not whole.
    """
    idle_s, cycle_s = cycle(drain_gbps, xoff_mb * 1_000_000)
    where = f"drain {drain_gbps:g} Gb/s, XOFF {xoff_mb} MB"
    here = share(drain_gbps, xoff_mb * 1_000_000)
    row = Row("throughput, of full", where, here, 1 - idle_s / cycle_s, "sawtooth, by hand")
    return row.within(0.02, "teeth that are not whole")


def rows() -> list[Row]:
    knees = [knee(drain, full) for full in (NOTHING_LOST, FULL) for drain in DRAINS_GBPS]
    return knees + [below(drain, xoff) for drain in DRAINS_GBPS[:2] for xoff in (1, 2, 4)]


def shares() -> str:
    """Return the study: throughput for each XOFF and drain."""
    head = ["XOFF", *(f"drain {drain:g} Gb/s" for drain in DRAINS_GBPS)]
    lines = [head, ["---"] * len(head)]
    for xoff in XOFFS_MB:
        figures = (f"{share(drain, xoff * 1_000_000):.2%}" for drain in DRAINS_GBPS)
        lines.append([f"{xoff} MB", *(figure.replace("%", " %") for figure in figures)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("full", [NOTHING_LOST, FULL])
@pytest.mark.parametrize("drain_gbps", DRAINS_GBPS)
def test_the_knee_is_where_a_round_trip_drains(drain_gbps: float, full: float) -> None:
    assert disagreeing([knee(drain_gbps, full)]) == ""


@pytest.mark.slow
def test_below_it_the_link_runs_dry_once_a_tooth() -> None:
    assert disagreeing([row for row in rows() if row.quantity == "throughput, of full"]) == ""


@pytest.mark.slow
def test_ten_megabytes_are_enough_for_any_drain() -> None:
    assert drained_bytes(100) < 10_000_000 == LINE_BPS / 8 * TRIP_S
    assert all(share(drain, 10_000_000) >= FULL for drain in DRAINS_GBPS)
    assert all(share(drain, 4_000_000) < 0.96 for drain in DRAINS_GBPS)


SECTION = Section(
    "Bifrost's line",
    """
`bifrost-80km`: 80 km, 100 Gb/s, 400 us one way; XON two frames below XOFF. Drains of 50 and
62.5 Gb/s are a slower receiver; with 100 Gb/s another host's bursts, of a higher priority, take
its link for 1.2 of every 4 ms.
""",
    rows,
    lambda: (
        f"""
Throughput, of what it is without pauses:

{shares()}

Theirs was full from 6 MB on (theory 10 MB = 9.54 MiB); which drain their traffic had is not
published.
"""
    ),
)
