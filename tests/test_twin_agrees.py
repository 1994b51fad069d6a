"""The kernels against the twin, packet by packet, on random small scenarios."""

import os
from typing import Any
from unittest import mock

import numpy as np
from drawn.scenarios import scenarios
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference.emulator import differences, emulate, invariants

from wanrdma import engine
from wanrdma.build import Network, build
from wanrdma.kernels import tables as kt
from wanrdma.scenario.schema import Scenario
from wanrdma.theory import headroom_bytes

STOP_PS = 20_000_000_000  # 20 ms: thousands of round trips; some drawn runs never end
EXAMPLES = int(os.environ.get("WANRDMA_TWIN_EXAMPLES", "200"))


def lanes_that_must_not_drop(network: Network, frame_bytes: int) -> list[int]:
    """Return the lossless lanes whose buffer meets the formula and whose pauses hold."""
    ports = network.tables.ports
    kept = []
    for n, lane in enumerate(network.tables.lanes):
        port = ports[n // kt.PRIORITIES]
        peer = ports[port["peer"]]
        says_stop = port if port["control"] == kt.NOWHERE else ports[port["control"]]
        round_trip_ps = int(says_stop["delay_ps"] + peer["delay_ps"])
        needed = headroom_bytes(int(port["ps_per_byte"]), round_trip_ps, frame_bytes)
        # A pause of fewer quanta may run out before a refresh can follow.
        lasts = port["pause_ps"] == 65535 * 64 * port["ps_per_byte"] and not peer["lost_pause"]
        if lasts and 0 < lane["xoff_bytes"] + needed <= lane["ingress_limit_bytes"]:
            kept.append(n)
    return kept


@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(scenarios(), st.sampled_from((0, 2, 3)), st.integers(1, 2), st.booleans())
def test_every_packet_and_counter(
    drawn: dict[str, Any], together: int, threads: int, in_steps: bool
) -> None:
    scenario = Scenario.model_validate(drawn)
    groups = [list(scenario.sites)[:together]]  # the other sites each alone
    network = build(scenario, bins=16, groups=groups)
    twin = emulate(network.tables, stop_ps=STOP_PS)
    least_work_s = -1.0 if in_steps else engine.LEAST_WORK_S  # however little there is to do
    with mock.patch.object(engine, "LEAST_WORK_S", least_work_s):
        outcome = engine.run(network, stop_ps=STOP_PS, probe=True, threads=threads)
    tables = network.tables
    assert differences(tables, twin) == []
    frame_bytes = scenario.nic.mtu + scenario.nic.framing.overhead + scenario.nic.framing.reth
    assert invariants(tables, lanes_that_must_not_drop(network, frame_bytes)) == []
    lost = tables.ports["rx_crc_errors"].sum() + tables.ports["lost_on_line"].sum()
    lost += tables.lanes["drops_congestion"].sum() + tables.lanes["drops_watchdog"].sum()
    if lost == 0 and tables.requesters["local_ack_timeout_err"].sum() == 0:
        assert outcome.status == "completed", "nothing was lost, and yet it did not finish"
    assert tables.goodput_bins.sum() == tables.flows["delivered_bytes"].sum()
    assert np.all(tables.queue_bins.max(axis=1) == tables.ports["max_queued_bytes"])
    assert np.all(tables.sent_bins.sum(axis=1) == tables.ports["tx_bytes"])


@settings(deadline=None, max_examples=EXAMPLES // 4, suppress_health_check=list(HealthCheck))
@given(scenarios(), st.integers(0, 9).flatmap(lambda digits: st.integers(1, 10**digits * 100)))
def test_a_stop_at_any_time(drawn: dict[str, Any], stop_ps: int) -> None:
    network = build(Scenario.model_validate(drawn), bins=16, groups=[])
    twin = emulate(network.tables, stop_ps=stop_ps)
    with mock.patch.object(engine, "LEAST_WORK_S", -1.0):
        engine.run(network, stop_ps=stop_ps, probe=True, threads=2)
    assert differences(network.tables, twin) == []


@settings(deadline=None, max_examples=EXAMPLES // 4, suppress_health_check=list(HealthCheck))
@given(scenarios(), st.sampled_from((16, 2000)))
def test_bins_whatever_the_groups_and_whoever_looks(drawn: dict[str, Any], bins: int) -> None:
    scenario = Scenario.model_validate(drawn)
    together = build(scenario, bins=bins, groups=[list(scenario.sites)])
    apart = build(scenario, bins=bins, groups=[])
    engine.run(together, stop_ps=STOP_PS)
    with (
        mock.patch.object(engine, "SLICE_S", 0.0),  # a look between any two windows
        mock.patch.object(engine, "SLICE_EVENTS", 23),
    ):
        engine.run(apart, stop_ps=STOP_PS, on_slice=lambda network: engine.so_far(network, 0.0))
    for name in ("bin", "bin_width_ps", "clock_ps"):
        assert {*together.tables.run[name]} == {*apart.tables.run[name]}, name
    for name in ("goodput_bins", "queue_bins", "pause_bins", "sent_bins"):
        ours, theirs = getattr(together.tables, name), getattr(apart.tables, name)
        assert np.array_equal(ours, theirs), name
