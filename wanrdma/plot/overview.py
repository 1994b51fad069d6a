"""The overview: goodput of the flows, the longest queues and the longest pauses over time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .read import Trace
from .style import LINES, MARKERS, SUM_LINE, Unit, length_text, rate_unit, size_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FLOWS = 6
MOST_PORTS = 4
MOST_STEPS = 400  # of a curve
MOST_MARKS = 2000


@dataclass(frozen=True)
class Curve:
    """One line of a panel: a value a bin, a mean or (is_largest) the largest of it."""

    label: str
    values: Any
    is_sum: bool = False
    is_largest: bool = False


def goodput_curves(trace: Trace, flow: str | None) -> list[Curve]:
    """Give the goodput of the flows that delivered most, the given one first, and of the rest."""
    order = np.argsort(-trace.delivered_bytes, kind="stable").tolist()
    if flow is not None:
        order.insert(0, order.pop(order.index(trace.flows.index(flow))))
    if len(order) <= MOST_FLOWS:
        return [Curve(trace.flows[f], trace.goodput_bps[f]) for f in sorted(order)]
    curves = [Curve(trace.flows[f], trace.goodput_bps[f]) for f in order[:MOST_FLOWS]]
    rest = order[MOST_FLOWS:]
    summed = trace.goodput_bps[rest].sum(axis=0)
    return [*curves, Curve(f"the other {len(rest)} together", summed, is_sum=True)]


def queue_curves(trace: Trace, shown: Any) -> list[Curve]:
    """Give the longest queues of the shown bins."""
    longest = trace.queue_bytes[:, shown].max(axis=1)
    curves = _largest(trace, longest, trace.queue_bytes, "longest")
    return [replace(curve, is_largest=True) for curve in curves]


def pause_curves(trace: Trace, shown: Any) -> list[Curve]:
    """Give the paused share of the ports that were paused longest in the shown bins."""
    paused_s = trace.paused_share[:, shown] @ trace.length_s[shown]
    return _largest(trace, paused_s, trace.paused_share, "most paused")


def _largest(trace: Trace, sizes: Any, values: Any, most: str) -> list[Curve]:
    """Give the port of each kind with the largest size, the largest kinds first.

    A kind is ports between the same sorts of nodes of the same sites, as 16 hosts' uplinks.
    """
    best: dict[str, int] = {}
    alike: dict[str, int] = {}
    for p in np.argsort(-sizes, kind="stable").tolist():
        if sizes[p] > 0:
            kind = kind_of_port(trace.ports[p])
            best.setdefault(kind, p)
            alike[kind] = alike.get(kind, 0) + 1
    curves = []
    for kind, p in list(best.items())[:MOST_PORTS]:
        others = f"\n({most} of {alike[kind]} such)" if alike[kind] > 1 else ""
        curves.append(Curve(trace.ports[p] + others, values[p]))
    return curves


def kind_of_port(name: str) -> str:
    """Return a port's name without the numbers of its nodes and parallel links."""
    return re.sub(r"(\.[a-z]*)\d+|#\d+", r"\1", name)


def shown_bins(trace: Trace, window_s: tuple[float, float]) -> Any:
    """Tell of each bin whether any of it lies in a window."""
    shown = (trace.edges_s[1:] > window_s[0]) & (trace.edges_s[:-1] < window_s[1])
    if not shown.any():
        shown[np.searchsorted(trace.edges_s[1:-1], window_s[0], side="right")] = True
    return shown


def joined(shown: Any) -> tuple[int, Any]:
    """Say how many of the shown bins are drawn as one, and where in all bins these lie.

    More than some hundred steps of a panel are a black band. The places are edges: one more.
    """
    bins = np.flatnonzero(shown)
    together = -(-len(bins) // MOST_STEPS)
    return together, np.append(bins[::together], bins[-1] + 1)


def joined_values(trace: Trace, curve: Curve, shown: Any) -> Any:
    """Give a curve's values in joined bins: the means over time, or the largest."""
    _, places = joined(shown)
    if curve.is_largest:
        return np.maximum.reduceat(curve.values[: places[-1]], places[:-1])
    length_s = trace.length_s[: places[-1]]
    sums = np.add.reduceat(curve.values[: places[-1]] * length_s, places[:-1])
    lengths_s = np.add.reduceat(length_s, places[:-1])
    return np.divide(sums, lengths_s, out=np.zeros(len(sums)), where=lengths_s > 0)


def _of_joined(trace: Trace, shown: Any) -> str:
    """Say how long a joined bin is."""
    together, places = joined(shown)
    return length_text(float(trace.length_s[places[0]]) * together)


def draw_goodput(
    panel: Axes, trace: Trace, curves: list[Curve], shown: Any, time: Unit, title: str
) -> None:
    """Draw the goodput of some flows."""
    unit = rate_unit(_largest_value(curves, shown))
    _draw(panel, trace, curves, shown, time, unit.size)
    panel.set_ylabel(f"goodput ({unit.name})")
    panel.set_title(f"{title} (means over {_of_joined(trace, shown)})")


def draw_queues(panel: Axes, trace: Trace, shown: Any, time: Unit) -> None:
    """Draw the longest queues."""
    curves = queue_curves(trace, shown)
    unit = size_unit(_largest_value(curves, shown))
    _draw(panel, trace, curves, shown, time, unit.size)
    panel.set_ylabel(f"stored ({unit.name})")
    panel.set_title(f"Longest queues, node>next (largest in {_of_joined(trace, shown)})")


def draw_pauses(panel: Axes, trace: Trace, shown: Any, time: Unit) -> None:
    """Draw the paused share of the ports that were paused longest."""
    curves = pause_curves(trace, shown)
    _draw(panel, trace, curves, shown, time, 0.01)
    panel.set_ylabel("paused (% of time)")
    panel.set_title(f"Ports paused longest, node>next (means over {_of_joined(trace, shown)})")
    panel.set_ylim(top=max(105.0, panel.get_ylim()[1]))


def _largest_value(curves: list[Curve], shown: Any) -> float:
    return max((float(curve.values[shown].max()) for curve in curves), default=0.0)


def _draw(
    panel: Axes, trace: Trace, curves: list[Curve], shown: Any, time: Unit, size: float
) -> None:
    edges = trace.edges_s[joined(shown)[1]] / time.size
    styles = iter(LINES)
    for k, curve in enumerate(curves):
        colour, dashes = SUM_LINE if curve.is_sum else next(styles)
        values = joined_values(trace, curve, shown) / size
        # The first in front: where several are alike it is the one that was asked for.
        panel.stairs(
            values,
            edges,
            baseline=None,
            color=colour,
            ls=dashes,
            lw=1.2,
            label=curve.label,
            zorder=3 - k / 10,
        )
    panel.set_ylim(bottom=0, top=None if _largest_value(curves, shown) > 0 else 1)
    panel.grid(color="#DDDDDD", lw=0.5)
    if curves:
        panel.legend(loc="upper left", bbox_to_anchor=(1.005, 1.03), frameon=False, handlelength=3)


def logged_marks(trace: Trace, window_s: tuple[float, float]) -> dict[str, Any]:
    """Give the times of the log's timeouts, errors and go-backs in a window, by kind."""
    log = trace.log
    inside = (log.time_s >= window_s[0]) & (log.time_s <= window_s[1])
    times = {kind: log.time_s[inside & (log.kind == kind)][:MOST_MARKS] for kind in MARKERS}
    return {kind: found for kind, found in times.items() if len(found)}


def draw_marks(panel: Axes, marks: dict[str, Any], time: Unit) -> None:
    """Draw what went wrong, a row a kind."""
    for row, (kind, times_s) in enumerate(marks.items()):
        marker = MARKERS[kind][1]
        rows = np.full(len(times_s), row)
        panel.plot(
            times_s / time.size, rows, ls="", marker=marker, color="black", ms=5, clip_on=False
        )
    panel.set_yticks(range(len(marks)), [MARKERS[kind][0] for kind in marks])
    panel.set_ylim(len(marks) - 0.4, -0.6)
    panel.grid(axis="x", color="#DDDDDD", lw=0.5)
    panel.set_title("Losses noticed (the first of each queue pair)")
