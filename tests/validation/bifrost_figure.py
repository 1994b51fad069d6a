"""Draw docs/bifrost-knee.svg: ``python -m tests.validation.bifrost_figure docs/bifrost-knee.svg``.

Throughput against XOFF on Bifrost's line, for the three drains of test_bifrost.py, and where theory
has the knees. It takes half a minute. An ending of .png gives a PNG.
"""

import io
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does, pyproject.toml's pythonpath

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validation.test_bifrost import (
    DRAINS_GBPS,
    XOFF_TO_XON_BYTES,
    drained_bytes,
    share,
)
from wanrdma.plot.style import GREY, LINES, SETTINGS

MB = 1_000_000
HALVES_MB = tuple(half / 2 for half in range(1, 25))
LEAST, MOST = 64, 102  # % of the throughput
PUBLISHED_MB = 6  # Bifrost's own traffic was at full throughput from there on
NAMES = {100.0: "100 Gb/s, but for bursts"}
MARKERS = "os^"
PUBLISHED_MARK: dict[str, Any] = {"marker": "v", "color": "black", "linestyle": "", "markersize": 6}
METADATA: dict[str, Any] = {"svg": {"Date": None, "Creator": None}, "png": {}}
SIZE_IN, DOTS_AN_INCH = (6.4, 4.0), 150


def knee_mb(drain_gbps: float) -> float:
    """Return what theory says that XOFF must be, test_bifrost.knee's formula."""
    return (drained_bytes(drain_gbps) + XOFF_TO_XON_BYTES) / MB


def figure() -> Figure:
    made = Figure(figsize=SIZE_IN, dpi=DOTS_AN_INCH)
    axes = made.add_axes((0.1, 0.12, 0.87, 0.75))
    for drain, (colour, dashes), marker in zip(DRAINS_GBPS, LINES, MARKERS, strict=False):
        shares = [100 * share(drain, round(xoff * MB)) for xoff in HALVES_MB]
        name = NAMES.get(drain, f"{drain:g} Gb/s")
        axes.plot(
            HALVES_MB,
            shares,
            color=colour,
            linestyle=dashes,
            marker=marker,
            markersize=4,
            label=f"drain {name}",
        )
        knee = knee_mb(drain)
        axes.axvline(knee, color=colour, linestyle=dashes, linewidth=0.8)
        axes.text(knee, MOST + 0.2, f"{knee:.2f}", ha="center", va="bottom", color=colour)
    axes.plot(PUBLISHED_MB, 101.1, **PUBLISHED_MARK)
    axes.set_title("Throughput on Bifrost's line: 80 km, 100 Gb/s, 400 us one way", pad=18)
    axes.set(
        xlabel="XOFF, MB (XON two frames below)",
        ylabel="throughput, % of that without pauses",
        xlim=(0, 12),
        ylim=(LEAST, MOST),
    )
    axes.set_xticks(range(13))
    axes.grid(color=GREY, linewidth=0.3, alpha=0.5)
    handles, labels = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", linewidth=0.8))
    labels.append("theory's knee, MB: drain x RTT + (XOFF - XON)")
    handles.append(Line2D([], [], **PUBLISHED_MARK))
    labels.append("published: full from here on, drain not given")
    axes.legend(handles, labels, loc="lower right", framealpha=1)
    return made


def image(file_format: str) -> bytes:
    """Return the file's bytes, the same each time and whatever this person's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        written = io.BytesIO()
        figure().savefig(
            written, format=file_format, dpi=DOTS_AN_INCH, metadata=METADATA[file_format]
        )
    return written.getvalue()


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_bytes(image(path.suffix.removeprefix(".")))
