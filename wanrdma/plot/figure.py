"""The picture as a whole: which panels it has, what stands above them, and its bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TraceError
from ..scenario.units import PS_PER_S, show_time
from . import overview
from .diagram import draw_diagram
from .events import height_of_names_points, mark_events
from .read import Trace
from .route import Route, chosen_flow, find_route
from .space_time import telling_window_s
from .style import SETTINGS, Unit, time_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 10.0
DOTS_AN_INCH = 150
PANEL_IN, REST_IN, MARKS_IN, DIAGRAM_IN = 1.9, 1.3, 0.45, 4.6
TITLE_IN, LEGEND_IN = 0.5, 0.6
POINTS_AN_INCH = 72
SHADE = "#EAF4FB"  # of the part that the diagram shows
METADATA = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""What is written into the file about itself: no time, so that equal pictures are equal files."""

Window = tuple[float, float]


@dataclass
class _Panel:
    """A panel to be made: how high it is, and what draws it."""

    height_in: float
    draw: Callable[[Axes], None]


def draw(
    trace: Trace,
    kind: str,
    file_format: str,
    flow: str | None = None,
    from_ps: int | None = None,
    to_ps: int | None = None,
) -> bytes:
    """Draw a trace and return the file's bytes."""
    import matplotlib

    whole = _window_s(trace, from_ps, to_ps)
    if flow is not None:
        chosen_flow(trace, flow)
    route = None
    if kind != "overview":
        route = find_route(trace, chosen_flow(trace, flow))
        if trace.sent_bytes is None:
            raise TraceError(
                f"{trace.path} has no variable 'sent': an earlier version wrote it; run it again, "
                "or give --kind overview"
            )
    part = whole
    if route is not None and from_ps is None and to_ps is None:
        part = telling_window_s(trace, route)
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # not what this person's matplotlibrc says
        matplotlib.rcParams.update(SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _figure(trace, kind, flow, route, whole, part)
        _settle_layout(figure)
        image = io.BytesIO()
        figure.savefig(image, format=file_format, dpi=DOTS_AN_INCH, metadata=METADATA[file_format])
    return image.getvalue()


def _window_s(trace: Trace, from_ps: int | None, to_ps: int | None) -> Window:
    """Return the times that are asked for, within the run. Raises TraceError if there are none."""
    begin_s = 0.0 if from_ps is None else from_ps / PS_PER_S
    end_s = trace.end_s if to_ps is None else to_ps / PS_PER_S
    if from_ps is not None and begin_s >= trace.end_s:
        ended = show_time(trace.end_s * PS_PER_S)
        raise TraceError(f"--from {show_time(from_ps)}: the run in {trace.path} ended at {ended}")
    if from_ps is not None and to_ps is not None and from_ps >= to_ps:
        raise TraceError(f"--to {show_time(to_ps)}: must be later than --from {show_time(from_ps)}")
    if to_ps == 0:
        raise TraceError("--to 0 s: must be later than the run's begin")
    end_s = min(end_s, trace.end_s)
    return begin_s, end_s if end_s > begin_s else begin_s + 1e-9  # a run may take no time


def _figure(
    trace: Trace, kind: str, flow: str | None, route: Route | None, whole: Window, part: Window
) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    above = _overview_panels(trace, flow, whole) if kind != "space-time" else []
    heights = [panel.height_in for panel in above]
    names_in = height_of_names_points(trace.events, whole) / POINTS_AN_INCH if above else 0.0
    if route is not None:
        names_there_in = height_of_names_points(trace.events, part) / POINTS_AN_INCH
        heights.append(DIAGRAM_IN + LEGEND_IN + names_there_in)
    figure = Figure(
        figsize=(WIDTH_IN, TITLE_IN + names_in + sum(heights)),
        dpi=DOTS_AN_INCH,  # also to lay it out: letters are not as wide at another
        layout=ConstrainedLayoutEngine(w_pad=0.08),
    )
    figure.suptitle(_title(trace), fontsize=11, fontweight="bold", x=0.01, ha="left")
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    panels: list[Axes] = []
    for k, panel in enumerate(above):
        panels.append(figure.add_subplot(rows[k], sharex=panels[0] if panels else None))
        panel.draw(panels[-1])
        panels[-1].tick_params(labelbottom=k == len(above) - 1)
    if panels:
        unit = _set_time(panels[-1], whole)
        mark_events(panels, trace.events, whole, unit)
    if route is not None:
        diagram = figure.add_subplot(rows[len(above)])
        unit_there = _set_time(diagram, part)
        draw_diagram(diagram, trace, route, part, unit_there)
        if part != whole and panels:
            diagram.set_title(diagram.get_title(loc="left") + " (the time shaded above)")
            for shaded in panels:
                shaded.axvspan(*(time_s / unit.size for time_s in part), color=SHADE, zorder=0)
        mark_events([diagram], trace.events, part, unit_there)
    return figure


def _settle_layout(figure: Figure) -> None:
    """Lay the panels out once, at round places: the last digits are not always the same."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:
        left, bottom, width, height = panel.get_position().bounds
        panel.set_position((round(left, 6), round(bottom, 6), round(width, 6), round(height, 6)))


def _set_time(panel: Axes, window_s: Window) -> Unit:
    """Let a panel show a window, and return the unit of its axis."""
    unit = time_unit(window_s[1])
    panel.set_xlim(window_s[0] / unit.size, window_s[1] / unit.size)
    panel.set_xlabel(f"simulated time ({unit.name})")
    return unit


def _title(trace: Trace) -> str:
    incomplete = "" if trace.is_complete else "  (incomplete: the run goes on, or was cut short)"
    return f"{trace.scenario}, seed {trace.seed}{incomplete}"


def _overview_panels(trace: Trace, flow: str | None, window_s: Window) -> list[_Panel]:
    """Give the panels that have something to show."""
    shown = overview.shown_bins(trace, window_s)
    time = time_unit(window_s[1])
    panels = []
    marks = overview.logged_marks(trace, window_s)
    if marks:
        height_in = MARKS_IN + 0.2 * len(marks)
        panels.append(_Panel(height_in, lambda axes: overview.draw_marks(axes, marks, time)))
    if trace.flows:
        curves = overview.goodput_curves(trace, flow)
        for height_in, wanted, title in (
            (PANEL_IN, [one for one in curves if not one.is_sum], "Goodput of the flows"),
            (REST_IN, [one for one in curves if one.is_sum], "Goodput of the other flows"),
        ):
            if wanted:
                draw_it = partial(
                    overview.draw_goodput,
                    trace=trace,
                    curves=wanted,
                    shown=shown,
                    time=time,
                    title=title,
                )
                panels.append(_Panel(height_in, draw_it))
    panels.append(_Panel(PANEL_IN, lambda axes: overview.draw_queues(axes, trace, shown, time)))
    if np.any(trace.paused_share[:, shown] > 0):
        panels.append(_Panel(PANEL_IN, lambda axes: overview.draw_pauses(axes, trace, shown, time)))
    return panels
