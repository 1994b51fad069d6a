"""Small scenarios drawn by hypothesis: topologies, work, errors and pauses of every sort.

Sizes are chosen so that what is rare in the world is common here: kilobyte buffers, lines of
metres to kilometres, error ratios that lose one frame in ten, timers of microseconds.
"""

import math
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

RATES = ["10 Gbps", "25 Gbps", "40 Gbps", "100 Gbps", "400 Gbps"]
MTUS = [256, 512, 1024, 2048, 4096]
FRAME_BYTES = 4194  # the largest
LENGTHS = ["0 m", "1 m", "30 m", "900 m", "4000 m"]


def some_bytes(least: int, most: int) -> st.SearchStrategy[str]:
    return st.integers(least, most).map(lambda n: f"{n} B")


def some_time(most_ns: int) -> st.SearchStrategy[str]:
    return st.integers(0, most_ns).map(lambda n: f"{n} ns")


@st.composite
def pfc(draw: st.DrawFn) -> dict[str, Any] | str:
    if draw(st.integers(0, 3)) == 0:
        return "none"
    xoff = draw(st.integers(4300, 30_000))
    drawn: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 0:
        drawn["alpha"] = draw(st.sampled_from([0.125, 1.0, 8.0]))
        least = math.ceil(FRAME_BYTES / min(1.0, drawn["alpha"]))
        drawn["shared"] = draw(some_bytes(least, least + 60_000))
        drawn["headroom_pool"] = draw(st.just("auto") | some_bytes(4_000, 30_000))
        drawn["xon_offset"] = draw(some_bytes(0, 9_000))
    if draw(st.integers(0, 2)) == 0:
        drawn["watchdog"] = {
            "detect": draw(st.sampled_from(["1 us", "7 us", "30 us"])),
            "restore": draw(st.sampled_from(["0 s", "5 us", "20 us"])),
            "action": draw(st.sampled_from(["drop", "forward"])),
        }
    return drawn | {
        "priorities": draw(st.lists(st.integers(2, 4), min_size=1, max_size=3, unique=True)),
        "xoff": f"{xoff} B",
        "xon": f"{draw(st.integers(0, xoff))} B",
        "headroom": draw(st.just("auto") | some_bytes(0, 20_000)),
        "quanta": draw(st.sampled_from([3, 40, 65535])),
    }


@st.composite
def fabric(draw: st.DrawFn) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "type": draw(st.sampled_from(["one-switch", "leaf-spine"])),
        "leaves": draw(st.integers(1, 2)),
        "spines": draw(st.integers(1, 2)),
        "rate": draw(st.sampled_from([*RATES, "2 x 25 Gbps"])),
        "cable": f"{draw(st.integers(0, 40))} m",
        "latency": draw(some_time(300)),
        "pfc": draw(pfc()),
        "queue_limit": draw(some_bytes(5_000, 200_000)),
    }
    if draw(st.booleans()):
        low = draw(st.integers(0, 20_000))
        drawn["ecn"] = {
            "kmin": f"{low} B",
            "kmax": f"{low + draw(st.integers(1, 40_000))} B",
            "pmax": draw(st.sampled_from([0.0, 0.2, 1.0])),
        }
    return drawn


@st.composite
def nic(draw: st.DrawFn) -> dict[str, Any]:
    mtu = draw(st.sampled_from(MTUS))
    return {
        "rate": draw(st.sampled_from(RATES)),
        "mtu": mtu,
        "window": draw(st.just("auto") | some_bytes(mtu, 60_000)),
        "queue_pairs": draw(st.integers(1, 3)),
        "timeout": draw(st.integers(1, 6) | st.just(0)),
        "timeout_detection": draw(st.sampled_from([1.0, 1.5, 4.0])),
        "retries": draw(st.integers(0, 7)),
        "ack_every": draw(st.integers(1, 9)),
        "nak_again": draw(st.sampled_from(["0 s", "0 s", "1 us", "40 us"])),
        **draw(recovery()),
        **draw(rate()),
        "split_messages": draw(st.booleans()),
        "priority": draw(st.integers(2, 4)),
        "ack_priority": draw(st.none() | st.integers(2, 5)),
    }


@st.composite
def recovery(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how a NIC mends losses, and when it gives up."""
    drawn: dict[str, Any] = {}
    if draw(st.booleans()):
        drawn["retransmission"] = "selective-repeat"
        drawn["out_of_order"] = draw(st.just(0) | st.integers(1, 40))
    if draw(st.booleans()):
        drawn["first_timeout"] = draw(st.integers(1, 4))
    if draw(st.booleans()):
        drawn["slow_restart"] = draw(st.integers(1, 8))
    if draw(st.integers(0, 3)) == 0:
        drawn["retry_budget"] = {
            "retries": draw(st.integers(1, 4)),
            "period": draw(st.sampled_from(["10 us", "1 ms"])),
        }
    return drawn


@st.composite
def rate(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how fast a queue pair sends."""
    control = draw(st.sampled_from(["none", "none", "pacing", "dcqcn"]))
    drawn: dict[str, Any] = {"congestion_control": control}
    if control == "pacing":
        drawn["pacing"] = draw(st.sampled_from(["1 Gbps", "8 Gbps", "40 Gbps"]))
    if control == "dcqcn":
        drawn["dcqcn"] = {
            "cnp_interval": draw(st.sampled_from(["1 us", "7 us"])),
            "cnp_priority": draw(st.integers(2, 6)),
            "gain": draw(st.sampled_from([1 / 256, 0.3])),
            "alpha_time": draw(st.sampled_from(["1 us", "5 us"])),
            "increase_time": draw(st.sampled_from(["2 us", "11 us"])),
            "increase_bytes": draw(some_bytes(3000, 90_000)),
            "fast_steps": draw(st.integers(1, 3)),
            "add": "40 Mbps",
            "hyper": "200 Mbps",
            "least_rate": draw(st.sampled_from(["100 Mbps", "8 Gbps"])),
        }
    return drawn


@st.composite
def errors(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a line damages: often nothing, seldom more than a few frames."""
    of_process = {
        "bits": ("post_fec_ber", [0, 0, 1e-7, 1e-6, 1e-5]),
        "packets": ("packet_loss", [0, 1e-3, 0.02, 0.2]),
        "codewords": ("post_fec_ber", [1e-7, 1e-6, 1e-5]),
        "pre-fec": ("pre_fec_ber", [1e-6, 7e-4, 1e-3]),
        "gilbert-elliott": ("bad_ber", [1e-5, 1e-4, 0.3]),
    }
    process = draw(st.sampled_from(list(of_process)))
    key, ratios = of_process[process]
    together = draw(st.sampled_from(["auto", 1, 8]))
    times = {
        "good_time": draw(st.sampled_from(["1 us", "33 us", "1 ms"])),
        "bad_time": draw(st.sampled_from(["1 us", "5 us"])),
    }
    ratio = draw(st.sampled_from(ratios))
    if process == "pre-fec" and draw(st.booleans()):
        times["fec"] = "ofec"
    if process == "gilbert-elliott":
        times["post_fec_ber"] = draw(st.sampled_from([0, 1e-6]))
    drawn = {"process": process, key: ratio, "interleaved": together} | times
    if process != "gilbert-elliott" and draw(st.booleans()):
        at = sorted(draw(st.lists(st.integers(0, 90), min_size=1, max_size=4, unique=True)))
        drawn["series"] = [
            {"at": f"{us} us"}
            | draw(st.sampled_from([{"down": True}, *({"ratio": one} for one in {0, *ratios})]))
            for us in at
        ]
    return drawn


@st.composite
def line(draw: st.DrawFn, a: str, b: str) -> dict[str, Any]:
    buffer = draw(st.integers(10_000, 400_000))
    xoff = draw(st.none() | st.integers(0, min(buffer, 60_000)))
    xon = draw(st.none() | st.integers(0, xoff or 0))
    line = {
        "between": [a, b],
        "distance": draw(st.sampled_from(LENGTHS)),
        "rate": draw(st.sampled_from([*RATES, "2 x 10 Gbps", "3 x 40 Gbps"])),
        "otn": {
            "flow_control": draw(st.sampled_from(["none", "transparent", "cooperative"])),
            "buffer": f"{buffer} B",
            "xoff": "auto" if xoff is None else f"{xoff} B",
            "xon": "auto" if xon is None else f"{xon} B",
            "client_buffer": draw(some_bytes(5_000, 100_000)),
            "latency": draw(some_time(2000)),
            "error_notification": draw(st.booleans()),
            "distance_hints": draw(st.booleans()),
        },
        "errors": draw(errors()),
    }
    otn = line["otn"]
    if otn["flow_control"] == "cooperative" and draw(st.booleans()):
        otn["control"] = "channel"
        otn["control_latency"] = draw(st.none() | st.just("30 us"))
        otn["control_hold"] = draw(st.sampled_from(["1 us", "6 us"]))
    if otn["flow_control"] == "cooperative" and draw(st.integers(0, 3)) == 0:
        otn["alpha"] = draw(st.sampled_from([0.25, 1.0, 4.0]))
        least = math.ceil(FRAME_BYTES / min(1.0, otn["alpha"]))
        otn["shared"] = draw(some_bytes(least, least + 150_000))
    return line


@st.composite
def event(
    draw: st.DrawFn,
    lines: list[dict[str, Any]],
    hosts: dict[str, int],
    fabrics: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Draw what happens to a line or a NIC."""
    stoppable = {
        site: fabric["pfc"].get("priorities", [3])
        for site, fabric in fabrics.items()
        if fabric["pfc"] != "none"
    }
    kinds = ["down", "switch", "reroute", "capacity", "ber", "wavelength-lost", "pause-storm"]
    what = draw(st.sampled_from(kinds))
    drawn: dict[str, Any] = {"at": draw(some_time(120_000)), "what": what}
    if stoppable and (what == "pause-storm" or not lines):
        site = draw(st.sampled_from(sorted(stoppable)))
        of_host = {"host": f"{site}.{draw(st.integers(0, hosts[site] - 1))}"}
        of_host |= {"priority": draw(st.sampled_from(stoppable[site])), "what": "pause-storm"}
        return drawn | of_host | {"lasts": f"{draw(st.integers(1, 60_000))} ns"}
    k = draw(st.integers(0, len(lines) - 1))
    channels = int(lines[k]["rate"].partition(" x ")[0]) if " x " in lines[k]["rate"] else 1
    drawn["line"] = k
    if what == "ber" and lines[k]["errors"]["process"] != "gilbert-elliott":
        return drawn | {"ratio": draw(st.sampled_from([0, 1e-6, 1e-3]))}
    outage_ns = draw(st.just(0) | st.integers(1, 80_000))
    later = st.integers(outage_ns, outage_ns + 90_000).map(lambda ns: f"{ns} ns")
    if what == "capacity":
        drawn |= {"rate": draw(st.sampled_from(RATES)), "lasts": draw(st.none() | later)}
    elif what == "wavelength-lost" and channels > 1:
        drawn |= {"channel": 0, "lasts": draw(st.none() | later)}
    elif what in ("switch", "reroute"):
        drawn["to"] = draw(st.none() | st.sampled_from(LENGTHS))
        drawn["overtake"] = drawn["to"] is not None and draw(st.booleans())
    else:
        drawn["what"], outage_ns = "down", max(outage_ns, 1)
        drawn["channel"] = draw(st.none() | st.integers(0, channels - 1))
    drawn["outage"] = f"{outage_ns} ns"
    drawn["direction"] = draw(st.sampled_from(["both", *lines[k]["between"]]))
    if outage_ns == 0:
        return drawn
    if draw(st.booleans()):
        drawn["outage_at_least"] = "0 s"
    if draw(st.booleans()):
        drawn["break_at"] = draw(st.sampled_from([lines[k]["distance"], "0 m"]))
    if draw(st.booleans()):
        detection_ns = draw(st.integers(0, min(20_000, outage_ns - 1)))
        drawn |= {"waiting": "held", "detection": f"{detection_ns} ns"}
    return drawn


@st.composite
def traffic(draw: st.DrawFn, hosts: dict[str, int]) -> list[dict[str, Any]]:
    everywhere = [f"{site}.{h}" for site, count in hosts.items() for h in range(count)]
    rows: list[dict[str, Any]] = []
    for k in range(draw(st.integers(1, 4))):
        source, target = draw(
            st.lists(st.sampled_from(everywhere), min_size=2, max_size=2, unique=True)
        )
        row: dict[str, Any] = {"name": f"t{k}", "from": source, "to": target}
        row["bytes"] = draw(some_bytes(1, 120_000))
        cut = draw(st.sampled_from(["whole", "messages", "slots"]))
        if cut == "messages":
            row["message"] = draw(some_bytes(500, 40_000))
        if cut == "slots":
            row["slots"] = {
                "count": draw(st.integers(1, 3)),
                "bytes": draw(some_bytes(900, 30_000)),
            }
        if draw(st.booleans()):
            row["start"] = draw(some_time(20_000))
        if draw(st.booleans()):
            row["priority"] = draw(st.integers(0, 7))
        rows.append(row)
        if draw(st.booleans()):
            compute = {"name": f"c{k}", "compute": draw(some_time(9000)), "at": target}
            rows.append(compute | {"after": [f"t{k}"]})
            follower = {"name": f"f{k}", "from": target, "to": source}
            rows.append(follower | {"bytes": draw(some_bytes(1, 30_000)), "after": [f"c{k}"]})
        if draw(st.booleans()):
            again = {"name": f"g{k}", "from": source, "to": target, "after": [f"t{k}.sent"]}
            if draw(st.booleans()):
                again["queue_pairs_of"] = f"t{k}"
            rows.append(again | {"bytes": draw(some_bytes(1, 30_000))})
        if draw(st.booleans()):
            beside = {"name": f"b{k}", "from": source, "to": target, "queue_pairs_of": f"t{k}"}
            beside["start"] = draw(some_time(300_000))
            rows.append(beside | {"bytes": draw(some_bytes(1, 90_000)), "message": "20 kB"})
        if draw(st.integers(0, 2)) == 0:
            # Several at once on one queue pair: one ACK may acknowledge all of them.
            at_once = {"from": source, "to": target, "queue_pairs_of": f"t{k}"}
            for name in (f"h{k}", f"i{k}"):
                rows.append(at_once | {"name": name, "bytes": draw(some_bytes(1, 20_000))})
            last = {"name": f"j{k}", "after": [f"i{k}.sent"], "bytes": "40 kB"}
            rows.append(at_once | last)
    return rows


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a scenario as its YAML would be read."""
    names = ["a", "b", "c"][: draw(st.integers(1, 3))]
    hosts = {name: draw(st.integers(1, 4)) for name in names}
    if len(names) == 1:
        hosts["a"] = max(hosts["a"], 2)
    lines = []
    for a, b in pairwise(names):
        lines += [draw(line(a, b)) for _ in range(draw(st.integers(1, 2)))]
    if len(names) == 3 and draw(st.booleans()):
        lines.append(draw(line("a", "c")))
    fabrics = {name: draw(fabric()) for name in names}
    happens = draw(st.booleans()) and (lines or fabrics["a"]["pfc"] != "none")
    some = st.lists(event(lines, hosts, fabrics), max_size=4) if happens else st.just([])
    return {
        "name": "drawn",
        "sites": {
            name: {
                "hosts": hosts[name],
                "fabric": fabrics[name],
                "gateway": {"rate": draw(st.none() | st.sampled_from(["2 x 25 Gbps", "100 Gbps"]))},
            }
            for name in names
        },
        "lines": lines,
        "nic": draw(nic()),
        "traffic": draw(traffic(hosts)),
        "events": draw(some),
        "seed": draw(st.integers(0, 2**40)),
    }
