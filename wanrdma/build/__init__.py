"""From a scenario to the kernels' tables: the only bridge between the two."""

from collections.abc import Sequence

from ..scenario.schema import Scenario
from .assemble import assemble
from .circles import circle
from .events import add_events, order_changes
from .groups import group_sites
from .network import Network
from .topology import build_topology
from .work import plan_work

__all__ = ["Network", "build"]


def build(
    scenario: Scenario,
    seed: int | None = None,
    *,
    bins: int = 1024,
    groups: Sequence[Sequence[str]] | None = None,
) -> Network:
    """Make the tables of a scenario, ready to run.

    `seed` (default: the scenario's) chooses ECMP paths, errors and marks. `bins` is the
    number of time bins of the trace; an even number. `groups` names the sites that are emulated
    as one (default: those that are near each other); it changes no result.
    """
    if bins < 2 or bins % 2:
        raise ValueError(f"bins must be an even number of at least 2, got {bins}")
    chosen = scenario.seed if seed is None else seed
    topology = build_topology(scenario)
    add_events(topology, chosen)
    plan = plan_work(scenario, topology, chosen)
    order_changes(topology)
    if warning := circle(topology, plan):
        topology.warnings.append(warning)
    return assemble(topology, plan, group_sites(topology, groups), chosen, bins)
