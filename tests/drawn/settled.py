"""Scenarios that settle: transfers long enough that a site does the same again and again.

What ends that is common here: a loss every few hundred packets, events, a window that closes,
a second row of traffic. Hundreds of packets a transfer, so that thousands run in minutes.
"""

import math
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from pydantic import ValidationError

from wanrdma.scenario.schema import Scenario

from .scenarios import event, pfc, rate, recovery, some_bytes, some_time

MTUS = [256, 256, 512, 512, 1024]
RATES = ["10 Gbps", "25 Gbps", "100 Gbps"]
LENGTHS = ["0 m", "1 m", "900 m", "4000 m", "9 km", "40 km"]


@st.composite
def errors(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a line damages: nothing, or a frame in some hundreds."""
    of_process = {
        "bits": ("post_fec_ber", [0, 0, 1e-7, 1e-6]),
        "packets": ("packet_loss", [1e-3, 5e-3]),
        "codewords": ("post_fec_ber", [1e-7, 1e-6]),
        "gilbert-elliott": ("bad_ber", [1e-5, 1e-3]),
    }
    process = draw(st.sampled_from(["bits", "bits", *of_process]))
    key, ratios = of_process[process]
    drawn: dict[str, Any] = {"process": process, key: draw(st.sampled_from(ratios))}
    drawn["interleaved"] = draw(st.sampled_from(["auto", 1, 8]))
    if process == "gilbert-elliott":
        drawn["good_time"] = draw(st.sampled_from(["33 us", "1 ms"]))
        drawn["bad_time"] = draw(st.sampled_from(["200 ns", "2 us"]))
        drawn["post_fec_ber"] = draw(st.sampled_from([0, 1e-7]))
    elif draw(st.integers(0, 3)) == 0:
        at = sorted(draw(st.lists(st.integers(0, 150), min_size=1, max_size=3, unique=True)))
        drawn["series"] = [
            {"at": f"{us} us"}
            | draw(st.sampled_from([{"down": True}, *({"ratio": one} for one in {0, *ratios})]))
            for us in at
        ]
    return drawn


@st.composite
def line(draw: st.DrawFn, a: str, b: str) -> dict[str, Any]:
    otn: dict[str, Any] = {
        "flow_control": draw(st.sampled_from(["none", "none", "transparent", "cooperative"])),
        "buffer": draw(some_bytes(30_000, 400_000)),
        "client_buffer": draw(some_bytes(5_000, 100_000)),
        "latency": draw(st.sampled_from(["0 s", "200 ns"])),
        "error_notification": draw(st.booleans()),
        "distance_hints": draw(st.booleans()),
    }
    if otn["flow_control"] == "cooperative" and draw(st.booleans()):
        otn["control"] = "channel"
        otn["control_latency"] = draw(st.none() | st.just("300 us"))
    if otn["flow_control"] == "cooperative" and draw(st.integers(0, 3)) == 0:
        otn["alpha"] = draw(st.sampled_from([0.25, 1.0]))
        least = math.ceil(4194 / min(1.0, otn["alpha"]))
        otn["shared"] = draw(some_bytes(least, least + 150_000))
    if draw(st.booleans()):
        otn |= {"xoff": draw(some_bytes(0, 20_000)), "xon": "0 B"}
    return {
        "between": [a, b],
        "distance": draw(st.sampled_from(LENGTHS)),
        "rate": draw(st.sampled_from([*RATES, *RATES, "2 x 10 Gbps"])),
        "otn": otn,
        "errors": draw(st.just({"process": "bits", "post_fec_ber": 0}) | errors()),
    }


@st.composite
def fabric(draw: st.DrawFn) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "type": draw(st.sampled_from(["one-switch", "one-switch", "leaf-spine"])),
        "leaves": 1,
        "spines": draw(st.integers(1, 2)),
        "rate": draw(st.sampled_from(RATES)),
        "cable": draw(st.sampled_from(["0 m", "3 m", "40 m"])),
        "latency": draw(st.sampled_from(["0 s", "100 ns"])),
        "pfc": draw(st.just("none") | pfc()),
        "queue_limit": draw(st.just("1 MB") | some_bytes(5_000, 200_000)),
    }
    if draw(st.integers(0, 2)) == 0:
        low = draw(st.integers(0, 20_000))
        drawn["ecn"] = {
            "kmin": f"{low} B",
            "kmax": f"{low + draw(st.integers(1, 40_000))} B",
            "pmax": draw(st.sampled_from([0.0, 0.2, 1.0])),
        }
    return drawn


@st.composite
def nic(draw: st.DrawFn, mtu: int) -> dict[str, Any]:
    timeout = draw(st.sampled_from([0, 1, 2, 3, 5, 8]))
    return {
        "rate": draw(st.sampled_from(RATES)),
        "mtu": mtu,
        "window": draw(st.just("auto") | some_bytes(mtu, 20_000) | some_bytes(mtu, 300_000)),
        "queue_pairs": draw(st.integers(1, 3)),
        "timeout": timeout,
        "retries": draw(st.integers(1, 7)),
        "ack_every": draw(st.integers(1, 8)),
        "nak_again": draw(st.sampled_from(["0 s", "0 s", "1 us", "40 us"])),
        **(draw(recovery()) if draw(st.booleans()) else {}),
        **(draw(rate()) if draw(st.booleans()) else {}),
        "split_messages": draw(st.booleans()),
        "priority": draw(st.integers(2, 4)),
        "ack_priority": draw(st.none() | st.integers(2, 5)),
    }


@st.composite
def traffic(draw: st.DrawFn, hosts: dict[str, int], mtu: int) -> list[dict[str, Any]]:
    everywhere = [f"{site}.{h}" for site, count in hosts.items() for h in range(count)]
    rows: list[dict[str, Any]] = []
    for k in range(draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4]))):
        source, target = draw(
            st.lists(st.sampled_from(everywhere), min_size=2, max_size=2, unique=True)
        )
        packets = draw(st.sampled_from([150, 400, 1000]))
        odd = draw(st.sampled_from([0, 0, 1, mtu // 2]))
        row: dict[str, Any] = {"name": f"t{k}", "from": source, "to": target}
        row["bytes"] = f"{packets * mtu + odd} B"
        cut = draw(st.sampled_from(["whole", "messages", "messages", "messages", "slots"]))
        of_message = mtu * draw(st.sampled_from([1, 1, 2, 4, 16, 40]) | st.integers(1, 40))
        of_message += draw(st.sampled_from([0, 0, 0, -1, 1, -(mtu // 2)]))
        if cut == "messages":
            row["message"] = f"{of_message} B"
        if cut == "slots":
            row["slots"] = {"count": draw(st.integers(1, 8)), "bytes": f"{of_message} B"}
            if draw(st.booleans()):
                row["slots"]["credit"] = draw(some_bytes(1, 3000))
        if draw(st.booleans()):
            row["start"] = draw(some_time(40_000))
        if draw(st.integers(0, 2)) == 0:
            row["priority"] = draw(st.integers(2, 5))
        rows.append(row)
        if draw(st.integers(0, 4)) == 0:
            compute = {"name": f"c{k}", "compute": draw(some_time(90_000)), "at": target}
            rows.append(compute | ({"after": [f"t{k}"]} if draw(st.booleans()) else {}))
            follower = {"name": f"f{k}", "from": target, "to": source, "message": "2 kB"}
            rows.append(follower | {"bytes": draw(some_bytes(1, 90_000)), "after": [f"c{k}"]})
        if draw(st.integers(0, 3)) == 0:
            beside = {"name": f"b{k}", "from": source, "to": target, "queue_pairs_of": f"t{k}"}
            beside |= draw(st.sampled_from([{}, {"after": [f"t{k}.sent"]}, {"start": "30 us"}]))
            rows.append(beside | {"bytes": draw(some_bytes(1, 200_000)), "message": "3000 B"})
    return rows


def settled() -> st.SearchStrategy[dict[str, Any]]:
    """Draw a scenario as its YAML would be read."""
    return _any_settled().filter(_is_valid)


def _is_valid(drawn: dict[str, Any]) -> bool:
    try:
        Scenario.model_validate(drawn)
    except ValidationError:  # such as one with no channel left
        return False
    return True


@st.composite
def _any_settled(draw: st.DrawFn) -> dict[str, Any]:
    mtu = draw(st.sampled_from(MTUS))
    names = ["a", "b", "c"][: draw(st.sampled_from([1, 2, 2, 2, 2, 3]))]
    hosts = {name: draw(st.integers(1, 4)) for name in names}
    if len(names) == 1:
        hosts["a"] = max(hosts["a"], 2)
    lines = []
    for a, b in pairwise(names):
        lines += [draw(line(a, b)) for _ in range(draw(st.sampled_from([1, 1, 2])))]
    if len(names) == 3 and draw(st.booleans()):
        lines.append(draw(line("a", "c")))
    alike = draw(fabric())
    fabrics = {name: alike if draw(st.booleans()) else draw(fabric()) for name in names}
    host = draw(nic(mtu))
    if draw(st.integers(0, 2)) > 0:  # alike and clean: what differs seldom comes to rest
        for one in lines:
            one["rate"] = host["rate"]
            one["errors"] = {"process": "bits", "post_fec_ber": draw(st.sampled_from([0, 1e-7]))}
        for one in fabrics.values():
            one["rate"] = host["rate"]
            one["queue_limit"] = "1 MB"
    happens = draw(st.integers(0, 2)) == 0 and (lines or fabrics["a"]["pfc"] != "none")
    some = st.lists(event(lines, hosts, fabrics), max_size=4) if happens else st.just([])
    return {
        "name": "settled",
        "sites": {name: {"hosts": hosts[name], "fabric": fabrics[name]} for name in names},
        "lines": lines,
        "nic": host,
        "traffic": draw(traffic(hosts, mtu)),
        "events": draw(some),
        "seed": draw(st.integers(0, 2**40)),
    }
