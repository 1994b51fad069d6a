"""From a scenario to the kernels' tables: the only bridge between the two."""

from ..scenario.schema import Scenario
from .assemble import assemble
from .network import Network
from .topology import build_topology
from .work import plan_work

__all__ = ["Network", "build"]


def build(scenario: Scenario, seed: int | None = None, *, bins: int = 1024) -> Network:
    """Make the tables of a scenario, ready to run.

    `seed` (default: the scenario's) chooses ECMP paths, bit errors and marks. `bins` is the
    number of time bins of the trace; an even number.
    """
    if bins < 2 or bins % 2:
        raise ValueError(f"bins must be an even number of at least 2, got {bins}")
    chosen = scenario.seed if seed is None else seed
    topology = build_topology(scenario)
    return assemble(topology, plan_work(scenario, topology, chosen), chosen, bins)
