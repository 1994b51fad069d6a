"""A trace as a picture: what happened over time, and where along a flow's path."""

from __future__ import annotations

import os
from pathlib import Path

from .output import check_output, write_output

KINDS = ("overview", "space-time", "both")


def plot(
    trace: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    kind: str = "both",
    flow: str | None = None,
    from_ps: int | None = None,
    to_ps: int | None = None,
    force: bool = False,
) -> Path:
    """Draw a trace into a PNG, SVG or PDF file, and return the file's path.

    ``flow`` (default: the one that delivered most) has its path drawn and is named among the
    goodputs. ``from_ps`` and ``to_ps`` are the simulated times at which the picture begins and
    ends. The same trace gives the same bytes. Raises TraceError for what is no trace or has not
    what is asked for, OutputError if the picture cannot be written.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    path = Path(output)
    file_format = check_output(path, force)
    from .figure import draw
    from .read import read_trace

    image = draw(read_trace(Path(trace)), kind, file_format, flow, from_ps, to_ps)
    write_output(path, image, force)
    return path
