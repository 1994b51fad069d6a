"""A cycle that is done once, and then as often at once, leaves all as if each event were handled.

The datasets and the tables must be the same, to the last byte, with cycles and without.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn.settled import settled
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from wanrdma import bench, engine
from wanrdma.build import build
from wanrdma.build.network import Network
from wanrdma.kernels import tables as kt
from wanrdma.kernels.cycle_fields import FREE, IMAGED
from wanrdma.results.summary import summarise
from wanrdma.results.variables import variables
from wanrdma.scenario import catalogue, load, loads
from wanrdma.scenario.schema import Scenario

Groups = list[list[str]] | None
OnSlice = Callable[[Network], None] | None

STOP_PS = 3_000_000_000  # 3 ms
GROUPS: list[list[list[str]]] = [[], [["a", "b"]]]
TABLES = (
    *("ports", "lanes", "requesters", "responders", "rates", "errors", "operations", "flows"),
    "pools",
)
# Where a thing lies, and what is settled by whoever next looks at it.
NOT_COMPARED = {
    "ports": {
        *("peak_bytes", "cycle_peak_bytes", "flight_head", "flight_tail", "binned_tx_bytes"),
        *("service_pending", "released_queue", "released_lane", "released_bytes"),
        *("busy_until_ps", "bin_max_queued_bytes", "border_bytes"),
    },
    "lanes": {"head", "tail", "quiet_port"},
    # A timer that was turned off is dropped by whoever next looks at the pending events.
    "requesters": {"next_ready", "ready", "timer_pending"},
}


def differences(exact: Network, cycled: Network) -> list[str]:
    """Return a sentence for each field of two finished networks that differs."""
    found = []
    for name in TABLES:
        one, other = getattr(exact.tables, name), getattr(cycled.tables, name)
        for field in one.dtype.names:
            if field not in NOT_COMPARED.get(name, ()):
                found += _difference(f"{name}.{field}", one[field], other[field])
    for field in ("clock_ps", "log_size", "stalls_size", "operations_left", "bin_width_ps"):
        found += _difference(field, exact.tables.run[field], cycled.tables.run[field])
    for name in ("goodput_bins", "queue_bins", "pause_bins", "sent_bins"):
        found += _difference(name, getattr(exact.tables, name), getattr(cycled.tables, name))
    found += _difference("log", exact.tables.log_rows(), cycled.tables.log_rows())
    found += _difference("stalls", exact.tables.stall_rows(), cycled.tables.stall_rows())
    return found


def _difference(name: str, one: Any, other: Any) -> list[str]:
    if one.tolist() == other.tolist() or (
        one.dtype.kind == "f" and np.array_equal(one, other, equal_nan=True)
    ):
        return []
    if one.shape != other.shape:
        return [f"{name}: {one.shape} rows, {other.shape} with cycles"]
    place = tuple(np.argwhere(one != other)[0].tolist())
    return [f"{name}{place}: {one[place]}, {other[place]} with cycles"]


def test_what_is_left_out_is_free_or_settled_lazily() -> None:
    """All else that may differ would be a fault."""
    free = {name: set(named.get(FREE, ())) for name, (_, named) in IMAGED.items()}
    lazily = {
        "ports": {"service_pending", "busy_until_ps"},
        "lanes": {"quiet_port"},
        # A timer that was turned off is dropped by whoever next looks at the pending events.
        "requesters": {"next_ready", "ready", "timer_pending"},
    }
    for name, fields in NOT_COMPARED.items():
        left = {f for f in fields if not f.startswith("released_")}
        assert left <= free[name] | lazily.get(name, set())


def finished(
    scenario: Scenario,
    *,
    exact: bool,
    bins: int = 1024,
    groups: Groups = None,
    stop_ps: int | None = STOP_PS,
    threads: int = 1,
    eager: bool = True,
    on_slice: OnSlice = None,
) -> tuple[Network, dict[str, Any]]:
    """Run a scenario; return its network and its datasets."""
    network = build(scenario, bins=bins, groups=groups)
    if eager:  # to compare as often, and to jump as soon, as can be
        network.tables.run["words_an_event"] = 1 << 20
        network.tables.run["least_jump"] = 1
    outcome = engine.run(
        network, stop_ps=stop_ps, threads=threads, exact_events=exact, on_slice=on_slice
    )
    result = summarise(scenario, network, outcome, scenario.seed)
    values = {one.name: np.asarray(one.values).tolist() for one in variables(result)}
    return network, values | {"status": outcome.status, "reason": outcome.reason}


def check(scenario: Scenario, **how: Any) -> Network:
    """See that a scenario gives the same with cycles; return the run with them."""
    exact, datasets = finished(scenario, exact=True, **how)
    cycled, others = finished(scenario, exact=False, **how)
    assert exact.tables.total("jumps") == 0
    assert differences(exact, cycled) == []
    assert [name for name in datasets if str(datasets[name]) != str(others[name])] == []
    return cycled


def share(network: Network) -> float:
    """Return the share of the packet-hops that were jumped."""
    return network.tables.total("jumped_hops") / network.tables.packet_hops()


# ---- drawn -------------------------------------------------------------------------------------


def check_drawn(drawn: dict[str, Any], bins: int, grouping: str) -> None:
    groups = {"near": None, "apart": [], "together": [list(drawn["sites"])]}[grouping]
    network = check(Scenario.model_validate(drawn), bins=bins, groups=groups)
    event("jumps" if network.tables.total("jumps") else "does not jump")


BINS = st.sampled_from([2, 2, 16, 1024])
GROUPINGS = st.sampled_from(["near", "apart", "together"])


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(settled(), BINS, GROUPINGS)
def test_any_that_settles(drawn: dict[str, Any], bins: int, grouping: str) -> None:
    check_drawn(drawn, bins, grouping)


@pytest.mark.slow
@settings(deadline=None, max_examples=1500, suppress_health_check=list(HealthCheck))
@given(settled(), BINS, GROUPINGS)
def test_thousands_that_settle(drawn: dict[str, Any], bins: int, grouping: str) -> None:
    check_drawn(drawn, bins, grouping)


# ---- whole scenarios ---------------------------------------------------------------------------

SHORT = {"one-flow": 40, "sixteen-flows": 2, "incast": 2, "errors": 40, "steady": 60, "idle": 40}


@pytest.mark.parametrize("name", SHORT)
def test_more_than_half_of_a_benchmark_is_jumped(name: str) -> None:
    case = bench.CASES[name]
    rows = case.text.count("bytes:")
    cut = [f"traffic.{k}.bytes={SHORT[name]} MB" for k in range(rows)]
    scenario = loads(f"name: {name}\n{case.text}", [*case.settings, *cut], origin=name).scenario
    network = check(scenario, stop_ps=None, bins=16, eager=False)
    if name in ("one-flow", "steady", "idle"):
        assert share(network) > 0.5


def cut_short(name: str) -> Scenario:
    """Return a built-in scenario, each row of its traffic cut to 4 MB."""
    scenario = load(name).scenario
    rows = [
        f"traffic.{k}.bytes=4 MB"
        for k, row in enumerate(scenario.traffic)
        if row.bytes is not None and row.bytes > 4_000_000
    ]
    return load(name, rows).scenario


@pytest.mark.parametrize("name", catalogue.names())
def test_a_built_in_scenario_is_the_same(name: str) -> None:
    scenario = cut_short(name)
    stop_ps = min(scenario.stop or kt.LAST_PS, 200_000_000_000)
    check(scenario, stop_ps=stop_ps, eager=False)


@pytest.mark.parametrize("slice_s", [0.0, 1e-6, 1.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_however_it_is_sliced(
    threads: int, slice_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = transfer(traffic=[SMALL | {"message": "4 kB"}])
    exact = {len(groups): finished(scenario, exact=True, groups=groups)[0] for groups in GROUPS}
    monkeypatch.setattr(engine, "SLICE_S", slice_s)
    monkeypatch.setattr(engine, "SLICE_EVENTS", 997)
    monkeypatch.setattr(engine, "LEAST_WORK_S", -1.0)
    for groups in GROUPS:
        cycled, _ = finished(scenario, exact=False, groups=groups, threads=threads)
        assert differences(exact[len(groups)], cycled) == []


# ---- what ends a cycle -------------------------------------------------------------------------

ONE_SWITCH = {"type": "one-switch", "cable": "0 m", "latency": "0 s", "rate": "25 Gbps"}
SMALL = {"name": "t", "from": "a.0", "to": "b.0", "bytes": "400 kB", "message": "256 B"}


def transfer(**parts: Any) -> Scenario:
    """Two sites of two hosts, 1 km apart, 25 Gb/s everywhere, small packets; with other parts."""
    site = {"hosts": 2, "fabric": ONE_SWITCH | {"pfc": "none", "queue_limit": "1 MB"}}
    base: dict[str, Any] = {
        "name": "cycles",
        "sites": {"a": site, "b": copy.deepcopy(site)},
        "lines": [line()],
        "nic": {"rate": "25 Gbps", "mtu": 256, "window": "60 kB", "timeout": 0, "priority": 2},
        "traffic": [SMALL],
    }
    return Scenario.model_validate(base | parts)


def line(**keys: Any) -> dict[str, Any]:
    clean = {"flow_control": "none", "latency": "0 s"}
    return {"between": ["a", "b"], "distance": "1 km", "rate": "25 Gbps", "otn": clean} | keys


@pytest.mark.parametrize("groups", [None, []], ids=["together", "apart"])
def test_a_pause_may_run_out_at_a_port_that_is_never_idle(groups: Groups) -> None:
    """It has no event then: the port looks for its end at each service."""
    pfc = {"priorities": [3], "xoff": "20 kB", "xon": "10 kB", "quanta": 3000}
    site = {"hosts": 2, "fabric": ONE_SWITCH | {"pfc": pfc, "queue_limit": "1 MB"}}
    held = {"name": "held", "from": "b.1", "to": "b.0", "bytes": "2560 B", "message": "256 B"}
    storm = {"what": "pause-storm", "at": "15 us", "host": "b.0", "priority": 3, "lasts": "10 us"}
    scenario = transfer(
        sites={"a": site, "b": site},
        traffic=[SMALL, held | {"priority": 3, "start": "20 us"}],
        events=[storm],
    )
    assert share(check(scenario, bins=2, groups=groups)) > 0.5


def test_a_look_in_mid_period_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stores what the bins have so far, and begins anew with the largest queue."""
    monkeypatch.setattr(engine, "SLICE_S", 0.0)
    monkeypatch.setattr(engine, "SLICE_EVENTS", 1009)

    def look(network: Network) -> None:
        engine.so_far(network, 0.0)

    scenario = transfer(traffic=[SMALL | {"message": "500 B"}])
    for groups in GROUPS:
        exact, _ = finished(scenario, exact=True, bins=2, groups=groups)
        cycled, _ = finished(scenario, exact=False, bins=2, groups=groups, on_slice=look)
        assert cycled.tables.total("jumps") > 0
        assert differences(exact, cycled) == []


def test_duplicates_are_no_deliveries() -> None:
    """A timer shorter than the round trip: the same period, first of new packets, then of old."""
    scenario = transfer(
        lines=[line(distance="8 km", rate="100 Gbps")],
        sites={key: {"hosts": 2, "fabric": ONE_SWITCH | {"rate": "100 Gbps"}} for key in "ab"},
        traffic=[SMALL | {"bytes": "4 MB", "message": "4096 B"}],
        nic={"rate": "100 Gbps", "mtu": 4096, "window": "4 MB", "timeout": 3, "priority": 2},
    )
    for bins in (16, 64):
        cycled = check(scenario, bins=bins, groups=[])
        assert cycled.tables.responders["duplicate_request"].sum() > 0
        assert share(cycled) > 0.5


@pytest.mark.parametrize("bins", [8, 16, 64])
def test_a_pause_is_in_its_bin_though_a_jump_ends_that(bins: int) -> None:
    pfc = {"priorities": [3], "xoff": "20 kB", "xon": "10 kB", "quanta": 300}
    site = {"hosts": 2, "fabric": ONE_SWITCH | {"pfc": pfc, "queue_limit": "1 MB"}}
    held = {"name": "held", "from": "b.1", "to": "b.0", "bytes": "2560 B", "message": "256 B"}
    storm = {"what": "pause-storm", "at": "1050 us", "host": "b.0", "priority": 3, "lasts": "10 us"}
    scenario = transfer(
        sites={"a": site, "b": site},
        lines=[line(distance="20 km")],
        traffic=[SMALL | {"bytes": "4 MB"}, held | {"priority": 3, "start": "1055 us"}],
        events=[storm],
        nic={"rate": "25 Gbps", "mtu": 256, "window": "2 MB", "timeout": 0, "priority": 2},
    )
    cycled = check(scenario, bins=bins, groups=[])
    assert cycled.tables.pause_bins.sum() > 0
    assert share(cycled) > 0.5


def test_a_bin_may_be_shorter_than_a_frame() -> None:
    """A frame that ends as another, the anchor, begins has left before a bin ends then."""
    fabric = ONE_SWITCH | {"rate": "1 Gbps", "cable": "0 m", "queue_limit": "1 MB"}
    apart = {"bytes": "2 MB", "message": "4096 B"}
    scenario = transfer(
        sites={key: {"hosts": 4, "fabric": fabric} for key in "ab"},
        lines=[line(distance="400 km", rate="1 Gbps")],
        traffic=[
            {"name": "l", "from": "a.0", "to": "a.1"} | apart,
            {"name": "t", "from": "a.3", "to": "b.0"} | apart,
        ],
        nic={"rate": "1 Gbps", "mtu": 4096, "window": "2 MB", "timeout": 0, "priority": 2},
    )
    check(scenario, bins=8192, groups=[], stop_ps=30_000_000_000)
