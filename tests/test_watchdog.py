"""Pause storms in whole scenarios: what stands still behind a broken NIC, what a watchdog saves.

The NIC of b.0 is broken from 1 ms on, b.1's is sound. Both receive over one line, whose buffers
are soon full of what is for b.0.
"""

from functools import cache
from typing import Any

import pytest
from validation.runs import Trial

MS = 10**9
BEGINS, ENDS = 1 * MS, 21 * MS
DETECT = RESTORE = 1 * MS
PAUSE = 65535 * 512 * 10  # at 100 Gb/s: what the storm's last frame asks for
FULL = 2 * MS  # all buffers are full long before
BROKEN, SOUND = 0, 1  # flows
TO_THE_BROKEN = "b.switch>b.0"
NICS = ("a.0>a.switch", "a.1>a.switch")

SCENARIO = """\
name: storm
sites:
  a: {hosts: 2, fabric: {type: one-switch, cable: 2 m, pfc: {priority: 3}}}
  b: {like: a}
lines:
  - between: [a, b]
    distance: 10 km
    rate: 400 Gbps
    otn: {flow_control: cooperative, buffer: 16 MiB, client_buffer: 1 MiB}
nic: {rate: 100 Gbps, window: 64 MiB, timeout: 14}
traffic:
  - {name: broken, from: a.0, to: b.0, bytes: 300 MB}
  - {name: sound, from: a.1, to: b.1, bytes: 300 MB}
events:
  - {at: 1 ms, what: pause-storm, host: b.0, lasts: 20 ms}
"""
CLEAN = "events=[]"


def watchdog(action: str) -> str:
    return f"sites.a.fabric.pfc.watchdog={{detect: 1 ms, restore: 1 ms, action: {action}}}"


@cache
def run(*settings: str) -> Trial:
    trial = Trial(SCENARIO, *settings)
    trial.run()
    return trial


def lane(trial: Trial, port: str) -> Any:
    return trial.tables.lanes[8 * trial.port(port) + 3]


def delivered(trial: Trial, flow: int) -> int:
    return int(trial.tables.flows["delivered_bytes"][flow])


def over_ps(trial: Trial, flow: int) -> int:
    return int(trial.tables.flows["last_delivery_ps"][flow])


def test_without_a_watchdog_all_stands_still_to_the_end_of_the_storm() -> None:
    full, later = run(f"stop={FULL} ps"), run(f"stop={ENDS} ps")
    for flow in (BROKEN, SOUND):
        assert 0 < delivered(full, flow) == delivered(later, flow)
    assert later.tables.requesters["oldest"].tolist() == full.tables.requesters["oldest"].tolist()
    assert later.tables.packet_hops() == full.tables.packet_hops()
    for nic in NICS:
        assert lane(later, nic)["pause_until_ps"] > ENDS
    for port in ("b.otn0>b.switch", "a.otn0>b.otn0", "a.switch>a.otn0"):
        assert lane(later, port)["pause_until_ps"] > ENDS


def test_without_a_watchdog_nothing_is_lost_but_time() -> None:
    trial, clean = run(), run(CLEAN)
    assert trial.result.status == "completed"
    assert trial.result.totals["drops_congestion"] == trial.result.totals["drops_watchdog"] == 0
    assert trial.result.totals["retransmitted_packets"] == 0
    for flow in (BROKEN, SOUND):
        late = over_ps(trial, flow) - over_ps(clean, flow)
        assert ENDS - BEGINS < late <= ENDS - BEGINS + PAUSE


@pytest.mark.parametrize("action", ["drop", "forward"])
def test_with_a_watchdog_other_hosts_go_on_once_it_has_noticed(action: str) -> None:
    trial, clean = run(watchdog(action)), run(CLEAN)
    late = over_ps(trial, SOUND) - over_ps(clean, SOUND)
    assert DETECT * 3 // 4 < late < DETECT * 5 // 4
    assert trial.result.flows[SOUND].counters["retransmitted_packets"] == 0
    storms = trial.tables.lanes["storms"]
    assert storms.sum() == lane(trial, TO_THE_BROKEN)["storms"] == 1
    assert trial.result.status == "completed"


def test_a_watchdog_that_drops_counts_it_in_the_summary() -> None:
    trial = run(watchdog("drop"))
    drops = trial.result.totals["drops_watchdog"]
    assert drops == lane(trial, TO_THE_BROKEN)["drops_watchdog"] > 0
    assert trial.result.totals["drops_congestion"] == 0
    assert trial.result.drops == ()
    assert trial.result.flows[BROKEN].counters["retransmitted_packets"] >= drops


def test_it_drops_from_detection_until_the_storm_is_over_and_no_longer() -> None:
    """Nothing reaches the broken host meanwhile: the storm began 1 ms before, ended 1 ms before."""
    before, during, after = (
        run(watchdog("drop"), f"stop={at} ps")
        for at in (BEGINS + DETECT - 1, ENDS + RESTORE // 2, ENDS + 2 * RESTORE)
    )
    assert before.result.totals["drops_watchdog"] == 0
    assert delivered(before, BROKEN) == delivered(during, BROKEN)
    assert during.tables.ports["storming"][during.port(TO_THE_BROKEN)] == 1 << 3
    assert after.tables.ports["storming"][after.port(TO_THE_BROKEN)] == 0
    assert over_ps(run(watchdog("drop")), BROKEN) > ENDS + RESTORE


def test_a_watchdog_that_forwards_loses_nothing() -> None:
    trial, clean = run(watchdog("forward")), run(CLEAN)
    assert trial.result.totals["drops_watchdog"] == trial.result.totals["drops_congestion"] == 0
    assert trial.result.totals["retransmitted_packets"] == 0
    late = over_ps(trial, BROKEN) - over_ps(clean, BROKEN)
    assert DETECT * 3 // 4 < late < DETECT * 5 // 4


def test_a_storm_without_an_end_or_timers_ends_the_run_and_names_the_nic() -> None:
    trial = run("events.0.lasts=null", "nic.timeout=0")
    assert trial.result.status == "incomplete"
    assert trial.result.reason == (
        "nothing moves: a pause storm comes from b.0>b.switch; 2 of 2 operations unfinished"
    )
    assert trial.result.simulated_s < 1
