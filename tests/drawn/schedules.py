"""Schedules of events for networks so small that thousands run in minutes.

Two sites, a line of one channel or two, and a few dozen packets. What differs from run to run is
what happens to the line, and how it is kept lossless.
"""

from typing import Any

from hypothesis import strategies as st

from .scenarios import LENGTHS, MTUS, event, recovery, some_bytes, some_time

SITES = ("a", "b")


@st.composite
def line(draw: st.DrawFn) -> dict[str, Any]:
    otn: dict[str, Any] = {
        "flow_control": draw(st.sampled_from(["none", "transparent", "cooperative"])),
        "buffer": draw(some_bytes(20_000, 100_000)),
        "client_buffer": draw(some_bytes(5_000, 40_000)),
        "latency": draw(st.sampled_from(["0 s", "200 ns"])),
        "distance_hints": draw(st.booleans()),
    }
    if otn["flow_control"] == "cooperative" and draw(st.booleans()):
        otn["control"] = "channel"
        otn["control_latency"] = draw(st.none() | st.just("30 us"))
        otn["control_hold"] = draw(st.sampled_from(["1 us", "6 us"]))
    if draw(st.booleans()):
        otn |= {"xoff": draw(some_bytes(0, 20_000)), "xon": "0 B"}
    ber = draw(st.sampled_from([0, 0, 1e-6]))
    return {
        "between": list(SITES),
        "distance": draw(st.sampled_from(LENGTHS)),
        "rate": draw(st.sampled_from(["1 Gbps", "25 Gbps", "2 x 4 Gbps", "2 x 40 Gbps"])),
        "otn": otn,
        "errors": {"process": "bits", "post_fec_ber": ber},
    }


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a small network and one to eight events, as its YAML would be read."""
    hosts = {site: draw(st.integers(1, 2)) for site in SITES}
    lines = [draw(line())]
    mtu = draw(st.sampled_from(MTUS))
    site: dict[str, Any] = {"fabric": {"type": "one-switch", "cable": "2 m", "rate": "40 Gbps"}}
    site["fabric"]["queue_limit"] = draw(some_bytes(10_000, 100_000))
    site["fabric"]["pfc"] = draw(
        st.sampled_from([{"xoff": "9000 B", "xon": "3000 B", "quanta": 100}, {}, "none"])
    )
    fabrics = dict.fromkeys(SITES, site["fabric"])
    rows = []
    for k in range(draw(st.integers(1, 2))):
        there = [f"{name}.{draw(st.integers(0, hosts[name] - 1))}" for name in SITES]
        if draw(st.booleans()):
            there.reverse()
        packets = draw(st.integers(10, 30))
        row = {"name": f"t{k}", "from": there[0], "to": there[1], "bytes": f"{packets * mtu} B"}
        rows.append(row | {"message": f"{mtu * draw(st.integers(1, 30))} B"})
    rows[-1]["start"] = draw(some_time(60_000))
    return {
        "name": "schedule",
        "sites": {name: site | {"hosts": hosts[name]} for name in SITES},
        "lines": lines,
        "nic": {
            "rate": draw(st.sampled_from(["10 Gbps", "40 Gbps"])),
            "mtu": mtu,
            "window": draw(st.just("auto") | some_bytes(mtu, 60_000)),
            "queue_pairs": draw(st.integers(1, 2)),
            "timeout": draw(st.sampled_from([0, 2, 3, 4])),
            "retries": draw(st.integers(0, 7)),
            **draw(recovery()),
        },
        "traffic": rows,
        "events": draw(st.lists(event(lines, hosts, fabrics), min_size=1, max_size=8)),
        "seed": draw(st.integers(0, 2**40)),
    }
