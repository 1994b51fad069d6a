"""The kernels against the twin on random schedules of events: what no case by hand thinks of."""

from typing import Any

import pytest
from drawn.schedules import schedules
from hypothesis import HealthCheck, given, settings
from reference.emulator import differences, emulate, invariants

from wanrdma import engine
from wanrdma.build import build
from wanrdma.scenario.schema import Scenario

STOP_PS = 3_000_000_000  # 3 ms: twenty times as long as events are to come


def check(drawn: dict[str, Any]) -> None:
    network = build(Scenario.model_validate(drawn), bins=16)
    twin = emulate(network.tables, stop_ps=STOP_PS)
    engine.run(network, stop_ps=STOP_PS, probe=True, threads=1)
    assert differences(network.tables, twin) == []
    assert invariants(network.tables) == []


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(schedules())
def test_any_schedule(drawn: dict[str, Any]) -> None:
    check(drawn)


@pytest.mark.slow
@settings(deadline=None, max_examples=3000, suppress_health_check=list(HealthCheck))
@given(schedules())
def test_thousands_of_schedules(drawn: dict[str, Any]) -> None:
    check(drawn)
