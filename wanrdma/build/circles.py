"""Whether the paths of the traffic could make ports wait for each other in a circle.

A port that is paused waits for the buffer that it fills to drain, and that for the ports that its
packets leave by next. If these edges form a circle (a circular buffer dependency: Hu et al.,
"Deadlocks in datacenter networks", HotNets 2016), all of them may fill and stand still for ever.
"""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, TypeVar

from .topology import Topology
from .work import WorkPlan

MOST_NAMES = 8
Lane = tuple[int, int]  # a port, as an egress, and a priority
Node = TypeVar("Node", bound=Any)


def circle(topology: Topology, plan: WorkPlan) -> str | None:
    """Return a warning that names the ports of one circle, in order; None if there is none."""
    waits_for: dict[Lane, set[Lane]] = {}
    for path, priority in _paths(plan):
        for here, onward in pairwise(path):
            ingress = topology.ports[topology.ports[here].peer].ingress
            if ingress is not None and priority in ingress.priorities:
                waits_for.setdefault((here, priority), set()).add((onward, priority))
    lanes = first_circle(waits_for)
    if lanes is None:
        return None
    names = topology.port_names()
    return (
        f"the paths of the traffic make a circle of {len(lanes)} ports of priority {lanes[0][1]} "
        "that may wait for each other for ever, once all are full: "
        + listed([names[port] for port, _ in lanes])
    )


def first_circle(waits_for: Mapping[Node, Iterable[Node]]) -> list[Node] | None:
    """Return a circle from its least entry on, each waiting for the next; None: there is none."""
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        circle = error.args[1][:0:-1]  # the first is the last again
        least = circle.index(min(circle))
        return [*circle[least:], *circle[:least]]
    return None


def listed(names: list[str]) -> str:
    """Name the first few, and say how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _paths(plan: WorkPlan) -> set[tuple[tuple[int, ...], int]]:
    """Return every path of data, ACKs and CNPs, with its priority."""
    found = set()
    for qp in plan.queue_pairs:
        found.add((tuple(qp.data_path), int(qp.requester["priority"])))
        back = tuple(qp.ack_path)
        found.add((back, int(qp.responder["ack_priority"])))
        if qp.responder["cnp_ps"]:
            found.add((back, int(qp.responder["cnp_priority"])))
    return found
