"""DCQCN: equal shares of a bottleneck, its published fixed point, and a long round trip."""

from functools import cache

import numpy as np
import pytest

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma import engine

pytestmark = pytest.mark.validation

TEXT = """\
name: dcqcn
sites:
  a:
    hosts: 2
    fabric: {type: one-switch, cable: 100 m, pfc: none, queue_limit: 1 GiB}
  b: {like: a, hosts: 1}
lines:
  - {between: [a, b], distance: 200 m, rate: 40 Gbps, otn: {latency: 0 s}}
nic: {rate: 40 Gbps, mtu: 1024, window: 64 MiB, timeout: 0, congestion_control: dcqcn}
traffic:
  - {name: first, from: a.0, to: b.0, bytes: 2 GB}
  - {name: second, from: a.1, to: b.0, bytes: 2 GB, start: 20 ms}
"""
ECN = "sites.a.fabric.ecn={kmin: 5 kB, kmax: 200 kB, pmax: 0.01}"
LINE_BPS = 40e9
GOODPUT_BPS = LINE_BPS * 1024 / (1024 + 82)
SETTLED_PS, END_PS = 150 * 10**9, 450 * 10**9


@cache
def settled() -> dict[str, np.ndarray]:
    """Run to two times; return what was delivered and marked in between, a flow each."""
    found = []
    for stop_ps in (SETTLED_PS, END_PS):
        trial = Trial(TEXT, ECN)
        engine.run(trial.network, stop_ps=stop_ps)
        tables = trial.tables
        found.append(
            {
                "delivered_bytes": tables.flows["delivered_bytes"].copy(),
                "packets": tables.responders["rx_packets"].copy(),
                "marked": tables.responders["np_ecn_marked_roce_packets"].copy(),
            }
        )
    before, after = found
    return {name: after[name] - before[name] for name in after}


def fixed_point_marked() -> float:
    """Return the share of packets marked at the fixed point of two flows.

    Zhu et al., "ECN or Delay", CoNEXT 2016, its approximation in packets:
    p* = cbrt(R_AI N^2 / (tau C^2) x (1 / B + N / (T C))^2), with the paper's parameters.
    """
    packet_bits = 8 * 1024
    line, add = LINE_BPS / packet_bits, 40e6 / packet_bits  # packets a second
    flows, period_s, timer_s, counter = 2, 50e-6, 55e-6, 10e6 / 1024
    both = 1 / counter + flows / (timer_s * line)
    return float(np.cbrt(add * flows**2 / (period_s * line**2) * both**2))


@cache
def rows() -> list[Row]:
    """Compare each flow's share of the line with a half, and the marks with the fixed point."""
    flows = settled()
    seconds = (END_PS - SETTLED_PS) / 1e12
    bps = 8 * flows["delivered_bytes"] / seconds
    fair = float(bps.sum()) / 2
    found = [
        Row(
            "goodput", f"{name} of two flows", float(rate) / 1e9, fair / 1e9, "equal shares", "Gb/s"
        ).within(0.05 * fair / 1e9, "chosen")
        for name, rate in zip(("first", "second"), bps, strict=True)
    ]
    used = Row(
        "goodput",
        "both flows",
        float(bps.sum()) / 1e9,
        GOODPUT_BPS / 1e9,
        "the line's",
        "Gb/s",
    ).within(0.03 * GOODPUT_BPS / 1e9, "chosen")
    marked = fixed_point_marked()
    share = float(flows["marked"].sum() / flows["packets"].sum())
    return [
        *found,
        used,
        Row("packets marked", "two flows", share, marked, "fluid model, CoNEXT 2016").within(
            0.5 * marked, "chosen: the model has no queue that moves"
        ),
    ]


@pytest.mark.slow
def test_two_flows_share_a_line_alike() -> None:
    assert disagreeing(rows()) == ""


SECTION = Section(
    "DCQCN",
    """
Two senders of 40 Gb/s into one line of 40 Gb/s and 400 m in all, the second 20 ms after the first;
marks from 5 to 200 kB up to 1 %, parameters of the SIGCOMM 2015 paper. Measured from 150 to 450 ms.
""",
    rows,
    lambda: (
        """
The fluid model's queue stands still; here it moves between nothing and four times its fixed point,
and marks more when it is long.
"""
    ),
)
