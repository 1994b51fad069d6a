"""How things look: colours that all eyes tell apart, and styles that paper does; units that fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Okabe and Ito, Color Universal Design (jfly.uni-koeln.de/color); black is for what is the sum.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#777777"

# (colour, dashes): no two have the same dashes, so that they differ in black and white.
LINES: tuple[tuple[str, Any], ...] = (
    (BLUE, (0, ())),
    (VERMILION, (0, (5, 1.5))),
    (GREEN, (0, (1, 1))),
    (PURPLE, (0, (6, 1.5, 1, 1.5))),
    (ORANGE, (0, (8, 2, 2, 2, 2, 2))),
    (SKY, (0, (3, 3))),
)
SUM_LINE: tuple[str, Any] = (BLACK, (0, (1, 2.5)))

MARKERS = {"timeout": ("timeout", "v"), "queue_pair_error": ("QP error", "X")}
MARKERS |= {"go_back": ("go-back", "<")}
"""Rows of the log that are marked, the kind's name for people, and its marker."""

LOSSES = {
    "drop_error": ("frame lost to an error", "x"),
    "drop_congestion": ("packet dropped, no room", "+"),
    "go_back": ("sender goes back", "<"),
    "timeout": ("sender's ACK timer expires", "v"),
    "queue_pair_error": ("queue pair in error", "X"),
}
"""The same for the space-time diagram."""

STOP_LINE, GO_ON_LINE = (VERMILION, (0, ())), (BLUE, (0, (3, 2)))
PAUSED_HATCH, BINNED_HATCH, LOST_HATCH = "//////", "......", "xxx"
PAUSED_FILL, BINNED_FILL = "#F5CB6B", "#CFE6F5"  # pale orange and pale sky blue

SETTINGS: Any = {
    "font.family": ["sans-serif"],  # DejaVu Sans, which comes with Matplotlib
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "legend.fontsize": 7.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "hatch.linewidth": 0.5,
    "axes.formatter.useoffset": False,
    "text.parse_math": False,  # a name is a name, whatever is in it
    "svg.hashsalt": "wanrdma",  # else the ids in it differ from time to time
    "svg.fonttype": "none",  # text remains text
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Unit:
    """A unit that suits an axis: one of it is `size` of the base unit."""

    name: str
    size: float


_TIMES = (Unit("s", 1.0), Unit("ms", 1e-3), Unit("us", 1e-6), Unit("ns", 1e-9))
_RATES = (Unit("Tb/s", 1e12), Unit("Gb/s", 1e9), Unit("Mb/s", 1e6), Unit("kb/s", 1e3))
_SIZES = (Unit("TiB", 2.0**40), Unit("GiB", 2.0**30), Unit("MiB", 2.0**20), Unit("KiB", 2.0**10))


def time_unit(largest_s: float) -> Unit:
    """Choose the unit of an axis of time."""
    return _fitting(largest_s, _TIMES, _TIMES[-1])


def length_text(length_s: float) -> str:
    """Write a length of time as short as can be: "640 us"."""
    unit = time_unit(length_s)
    return f"{length_s / unit.size:.4g} {unit.name}"


def rate_unit(largest_bps: float) -> Unit:
    """Choose the unit of an axis of rates."""
    return _fitting(largest_bps, _RATES, Unit("b/s", 1.0))


def size_unit(largest_bytes: float) -> Unit:
    """Choose the unit of an axis of sizes."""
    return _fitting(largest_bytes, _SIZES, Unit("B", 1.0))


def _fitting(largest: float, units: tuple[Unit, ...], least: Unit) -> Unit:
    return next((unit for unit in units if largest >= unit.size), least)
