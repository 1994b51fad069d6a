"""The kernels against the twin, packet by packet, on random small scenarios."""

from typing import Any

from drawn.scenarios import scenarios
from hypothesis import HealthCheck, given, settings
from reference.emulator import differences, emulate, invariants

from wanrdma import engine
from wanrdma.build import build
from wanrdma.scenario.schema import Scenario

STOP_PS = 20_000_000_000  # 20 ms: thousands of round trips; some drawn runs never end


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(scenarios())
def test_every_packet_and_counter(drawn: dict[str, Any]) -> None:
    network = build(Scenario.model_validate(drawn), bins=16)
    twin = emulate(network.tables, stop_ps=STOP_PS)
    engine.run(network, stop_ps=STOP_PS, probe=True)
    assert differences(network.tables, twin) == []
    assert invariants(network.tables) == []
