"""The space-time diagram: data goes up along the path, pauses come down."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..build.assemble import LOGGED_OF_A_KIND
from .read import Trace
from .route import Hop, Route
from .space_time import Spell, losses, merged, outages, signals, spells, stripes, within
from .style import (
    BINNED_FILL,
    BINNED_HATCH,
    GO_ON_LINE,
    GREY,
    LOSSES,
    LOST_HATCH,
    PAUSED_FILL,
    PAUSED_HATCH,
    STOP_LINE,
    Unit,
    length_text,
    rate_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_SHARE = 0.6  # of a step is the height of a bar
MOST_TICKS = 6  # of km on a line
SEEN_SHARE = 1 / 600  # of the window is the shortest gap between pauses that is drawn
TOPS_PERCENT = (1, 2, 5, 10, 20, 50, 100)  # of the bar of greys
DARKEST = 0.72  # of black: lines over it must still be seen


def draw_diagram(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> None:
    """Draw all of it into a panel, with a bar of greys beside it and a legend below."""
    _draw_places(panel, route)
    _draw_data(panel, trace, route, window_s, time)
    handles = [
        *_draw_outages(panel, trace, route, window_s, time),
        *_draw_signals(panel, trace, route, window_s, time),
        *_draw_spells(panel, trace, route, window_s, time),
        *_draw_losses(panel, trace, route, window_s, time),
    ]
    if handles:
        panel.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(-0.01, -0.11),
            ncols=min(len(handles), 3),
            frameon=False,
            handlelength=3.5,
        )
    panel.set_title(_title(route))


def _title(route: Route) -> str:
    if route.lines:
        length = f"{sum(hop.length_km for hop in route.lines):,.6g} km of line"
        way = f"{length}, {length_text(route.delay_s)} one way"
    else:
        way = "inside a site, not to scale"
    count = len(route.queue_pairs)
    pairs = f", the first of its {count} queue pairs" if count > 1 else ""
    return f"Path of {route.flow}{pairs}, priority {route.priority}: {way}"


def _draw_places(panel: Axes, route: Route) -> None:
    margin = route.step * 0.7
    panel.set_ylim(route.places[0] - margin, route.places[-1] + margin)
    panel.set_yticks(route.places, route.nodes)
    for place in route.places:
        panel.axhline(place, color=GREY, lw=0.5, zorder=2)
    if not route.lines:
        return
    ticks = _km_ticks(route.lines)
    places = panel.secondary_yaxis("right")
    places.set_yticks([place for place, _ in ticks], [f"{km:,.6g}" for _, km in ticks])
    places.set_ylabel("km along the lines")


def _km_ticks(lines: list[Hop]) -> list[tuple[float, float]]:
    """Give places on the lines and the km that lie before them, round ones and both ends."""
    total_km = sum(hop.length_km for hop in lines)
    if not total_km:
        return []
    rough_km = total_km / MOST_TICKS
    power = 10.0 ** np.floor(np.log10(rough_km))
    step_km = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough_km)
    ticks: list[tuple[float, float]] = []
    before_km = 0.0
    for hop in lines:
        first, last = before_km, before_km + hop.length_km
        round_km = np.arange(np.ceil(first / step_km), last / step_km) * step_km
        inside = [
            km for km in round_km if min(km - first, last - km) > 0.4 * step_km and hop.length_km
        ]
        for km in [first, *inside, last]:
            place = hop.from_place + (km - first) / (hop.length_km or 1.0) * (
                hop.to_place - hop.from_place
            )
            if not ticks or place > ticks[-1][0]:
                ticks.append((float(place), float(km)))
        before_km = last
    return ticks


def _draw_data(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    greys = LinearSegmentedColormap.from_list("greys", ["white", str(1 - DARKEST)])
    drawn: Any = None
    seen = [(one, one.shown(window_s)) for one in (stripes(trace, hop) for hop in route.lines)]
    seen = [(one, bins) for one, bins in seen if len(bins)]
    largest = max((100 * float(one.share[bins].max()) for one, bins in seen), default=0.0)
    for all_of, bins in seen:
        first, last = bins[0], bins[-1]
        edges = slice(first, last + 2)
        times = np.array([all_of.near_s[edges], all_of.far_s[edges]]) / time.size
        places = np.array([[all_of.near_place], [all_of.far_place]]) + np.zeros(times.shape)
        drawn = panel.pcolormesh(
            times,
            places,
            100 * all_of.share[None, first : last + 1],
            cmap=greys,
            vmin=0,
            vmax=next((top for top in TOPS_PERCENT if top >= largest), 100),
            rasterized=True,
            zorder=1,
        )
    if drawn is not None:
        _warn_of_long_bins(panel, trace, route)
        bar = panel.figure.colorbar(drawn, cax=panel.inset_axes((1.13, 0.0, 0.025, 1.0)))
        mean_of = length_text(float(trace.length_s[0]))
        bar.set_label(
            f"sent on the line, all flows (% of {_rates(route.lines)}, means over {mean_of})"
        )


def _warn_of_long_bins(panel: Axes, trace: Trace, route: Route) -> None:
    """Say on the picture that what is on the line is not known any finer."""
    bin_s = float(trace.length_s[0])
    line = route.lines[-1]
    if bin_s > line.delay_s:
        panel.annotate(
            f"grey: means over {length_text(bin_s)}, longer than the way takes",
            (0.995, line.to_place),
            xycoords=("axes fraction", "data"),
            xytext=(0, -6),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=7.5,
            fontstyle="italic",
            bbox={"facecolor": "white", "edgecolor": GREY, "lw": 0.4, "pad": 2},
            zorder=6,
        )


def _rates(lines: list[Hop]) -> str:
    rates = []
    for hop in lines:
        unit = rate_unit(hop.rate_bps)
        rates.append(f"{hop.rate_bps / unit.size:.4g} {unit.name}")
    return ", ".join(dict.fromkeys(rates))


def _draw_signals(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> list[Any]:
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    handles = []
    found = [
        one
        for one in signals(trace, route)
        if one.came_s >= window_s[0] and one.sent_s <= window_s[1]
    ]
    listed = f", the first {LOGGED_OF_A_KIND} of a port" if spells(trace, route)[1] else ""
    for stops, (colour, dashes), label in (
        (True, STOP_LINE, "stop (PFC) on its way back" + listed),
        (False, GO_ON_LINE, "go on, on its way back" + listed),
    ):
        segments = [
            [(one.sent_s / time.size, one.from_place), (one.came_s / time.size, one.to_place)]
            for one in found
            if one.stops == stops
        ]
        if segments:
            lines = LineCollection(
                segments, colors=colour, linestyles=[dashes], linewidths=1.2, zorder=4
            )
            lines.set_path_effects([withStroke(linewidth=2.6, foreground="white")])
            panel.add_collection(lines, autolim=False)
            handles.append(Line2D([], [], color=colour, ls=dashes, lw=1.2, label=label))
    return handles


def _draw_spells(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> list[Any]:
    from matplotlib.patches import Patch

    logged, binned = spells(trace, route)
    handles = []
    for found, fill, hatch, label in (
        (logged, PAUSED_FILL, PAUSED_HATCH, "the node's port is paused"),
        (binned, BINNED_FILL, BINNED_HATCH, "after these: height is the paused share of time"),
    ):
        least_gap_s = (window_s[1] - window_s[0]) * SEEN_SHARE
        shown = merged(within(found, window_s), least_gap_s)
        if shown:
            _draw_bars(panel, route, shown, fill, hatch, time)
            patch = Patch(facecolor=fill, edgecolor="black", lw=0.5, hatch=hatch, label=label)
            handles.append(patch)
    return handles


def _draw_bars(
    panel: Axes, route: Route, spells: list[Spell], fill: str, hatch: str, time: Unit
) -> None:
    """Draw spells as bars, centred on their nodes; the bars of touching spells as one."""
    from matplotlib.collections import PolyCollection

    whole = route.step * BAR_SHARE
    corners = []
    for run in _touching(spells):
        place = route.hops[run[0].hop].from_place
        upper = []
        for one in run:
            half = whole * one.share / 2
            upper += [(one.begin_s / time.size, half), (one.end_s / time.size, half)]
        corners.append(
            [(t, place + half) for t, half in upper]
            + [(t, place - half) for t, half in reversed(upper)]
        )
    bars = PolyCollection(
        corners, facecolors=fill, edgecolors="black", linewidths=0.25, hatch=hatch, zorder=3
    )
    panel.add_collection(bars, autolim=False)


def _touching(spells: list[Spell]) -> list[list[Spell]]:
    runs = [[spells[0]]]
    for before, one in pairwise(spells):
        if one.hop == before.hop and one.begin_s == before.end_s:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _draw_losses(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> list[Any]:
    handles = []
    found = [one for one in losses(trace, route) if window_s[0] <= one.time_s <= window_s[1]]
    for kind, (label, marker) in LOSSES.items():
        shown = [one for one in found if one.kind == kind]
        if shown:
            handles += panel.plot(
                [one.time_s / time.size for one in shown],
                [one.place for one in shown],
                ls="",
                marker=marker,
                ms=6,
                color="black",
                markeredgecolor="white" if marker in "v<X" else "black",
                label=label,
                zorder=5,
                clip_on=False,
            )
    return handles


def _draw_outages(
    panel: Axes, trace: Trace, route: Route, window_s: tuple[float, float], time: Unit
) -> list[Any]:
    from matplotlib.patches import Patch, Polygon

    found = [one for one in outages(trace, route) if one.is_within(window_s)]
    style: dict[str, Any] = {"facecolor": "white", "edgecolor": GREY, "lw": 0.4}
    for outage in found:
        corners = [(time_s / time.size, place) for time_s, place in outage.corners]
        panel.add_patch(Polygon(corners, hatch=LOST_HATCH, zorder=1.5, **style))
    return [Patch(hatch=LOST_HATCH, label="lost: the line was down", **style)] if found else []
