"""The scenario's events on a picture: lines through all panels, and their names above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .read import Event
from .style import GREY, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 16
MOST_MARKED = 100
MOST_ROWS = 4  # of names above the panels
NAME_POINTS = 7.0
ROW_POINTS = 8.5
TITLE_POINTS = 6.0  # between a panel or the names, and the title
LETTER_SHARE = 0.0085  # of a panel's width, about


def mark_events(
    panels: Sequence[Axes], events: list[Event], window_s: tuple[float, float], unit: Unit
) -> None:
    """Draw the events of a window through all panels; name them above the first."""
    begin_s, end_s = window_s
    shown = [event for event in events if begin_s <= event.time_s <= end_s][:MOST_MARKED]
    for event in shown:
        for panel in panels:
            panel.axvline(event.time_s / unit.size, color=GREY, lw=0.9, ls=(0, (4, 2, 1, 2)))
            if np.isfinite(event.end_s) and event.end_s > event.time_s:
                until = min(event.end_s, end_s) / unit.size
                panel.axvspan(event.time_s / unit.size, until, color="#E4E4E4", zorder=0)
                panel.axvline(event.end_s / unit.size, color=GREY, lw=0.6, ls=":")
    above = height_of_names_points(events, window_s)
    panels[0].set_title(panels[0].get_title(loc="left"), pad=TITLE_POINTS + above)
    for event, row in zip(shown, _rows(shown, window_s), strict=False):
        panels[0].annotate(
            event.name,
            (event.time_s / unit.size, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2 + row * ROW_POINTS),
            textcoords="offset points",
            fontsize=NAME_POINTS,
            ha="right" if event.time_s > begin_s + 0.8 * (end_s - begin_s) else "left",
            annotation_clip=False,
        )


def height_of_names_points(events: list[Event], window_s: tuple[float, float]) -> float:
    """Return how high the names of a window's events stand above the first panel."""
    shown = [event for event in events if window_s[0] <= event.time_s <= window_s[1]]
    return (max(_rows(shown, window_s), default=-1) + 1) * ROW_POINTS


def _rows(events: list[Event], window_s: tuple[float, float]) -> list[int]:
    """Give each name a row in which it covers no other, the lowest that is free."""
    begin_s, end_s = window_s
    free_from = [0.0] * MOST_ROWS
    rows = []
    for event in events[:MOST_NAMED]:
        place = (event.time_s - begin_s) / (end_s - begin_s)
        width = (len(event.name) + 1) * LETTER_SHARE
        left, right = (place, place + width) if place <= 0.8 else (place - width, place)
        row = next((k for k, free in enumerate(free_from) if free <= left), MOST_ROWS - 1)
        free_from[row] = right
        rows.append(row)
    return rows
