"""Measured error ratios over time, from a CSV file beside the scenario.

A row is a time in seconds and a ratio, or ``down``; a first row of names may stand above. The
rows are put in place of the file's name, so that a scenario is whole wherever it goes.
"""

import csv
from pathlib import Path
from typing import Any

from ..errors import Problem
from .found import Place
from .units import MOST_TIME_PS, PS_PER_S

MOST_ROWS = 5000
MOST_CSV_BYTES = 512 * 1024
DOWN = "down"


def put_in(tree: Any, origin: str) -> list[tuple[Problem, Place]]:
    """Replace each line's ``errors.series`` that is text by the rows of the file of that name.

    Changes ``tree``, a scenario as plain mappings and lists. Returns what was wrong, and where
    the file's name stands.
    """
    found: list[tuple[Problem, Place]] = []
    for place in series_files(tree):
        _, i, *_ = place
        errors = tree["lines"][i]["errors"]
        if not isinstance(errors["series"], str):
            continue  # an alias of one that has been read
        path = Path(origin).parent / errors["series"]
        rows, problem = _read(path)
        if problem is not None:
            found.append((problem, place))
        errors["series"] = rows
    return found


def series_files(tree: Any) -> list[Place]:
    """Return where a scenario names a file for a line's ``errors.series``."""
    lines = tree.get("lines") if isinstance(tree, dict) else None
    found: list[Place] = []
    for i, line in enumerate(lines if isinstance(lines, list) else ()):
        errors = line.get("errors") if isinstance(line, dict) else None
        if isinstance(errors, dict) and isinstance(errors.get("series"), str):
            found.append(("lines", i, "errors", "series"))
    return found


def _read(path: Path) -> tuple[list[dict[str, Any]], Problem | None]:
    try:
        if not path.is_file():
            what = "is no plain file" if path.exists() else "no such file"
            return [], Problem(f"cannot be read: {what}", str(path))
        with path.open("rb") as file:
            data = file.read(MOST_CSV_BYTES + 1)
        if len(data) > MOST_CSV_BYTES:
            return [], Problem("is larger than 512 KiB, the most that is read", str(path))
        written = list(csv.reader(data.decode("utf-8-sig").splitlines(), strict=True))
    except OSError as error:
        return [], Problem(f"cannot be read: {(error.strerror or str(error)).lower()}", str(path))
    except (ValueError, csv.Error) as error:  # no name of a file, or no text
        return [], Problem(f"is no CSV file in UTF-8: {error}", str(path))
    rows: list[dict[str, Any]] = []
    last_ps = -1
    for number, cells in enumerate(written, 1):
        if not cells or (number == 1 and not any(_number(cell) is not None for cell in cells)):
            continue  # an empty line, or the names of the columns
        row = _row(cells)
        if row is None:
            said = f"got {','.join(cells)[:60]!r}; a row is a time in seconds and a ratio below 1, "
            return [], Problem(said + "or 'down'", str(path), number, 1)
        at_ps = row.pop("at_ps")
        if at_ps <= last_ps:
            return [], Problem("its time must come after the one before it", str(path), number, 1)
        last_ps = at_ps
        rows.append({"at": f"{at_ps} ps"} | row)
    if not rows:
        return [], Problem("has no rows; a row is a time in seconds and a ratio", str(path))
    if len(rows) > MOST_ROWS:
        return [], Problem(f"has {len(rows)} rows; at most {MOST_ROWS}", str(path))
    return rows, None


def _row(cells: list[str]) -> dict[str, Any] | None:
    """Return the time and the ratio of a row; None if it is none."""
    at_s = _number(cells[0])
    if len(cells) != 2 or at_s is None or not 0 <= at_s * PS_PER_S <= MOST_TIME_PS:
        return None
    at = {"at_ps": round(at_s * PS_PER_S)}
    if cells[1].strip().lower() == DOWN:
        return at | {"down": True}
    ratio = _number(cells[1])
    return at | {"ratio": ratio} if ratio is not None and 0 <= ratio < 1 else None


def _number(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None
