"""Measured error ratios over time, from a CSV file beside the scenario.

A row is a time in seconds and a ratio, or ``down``; a first row of names may stand above. The
rows are put in place of the file's name, so that a scenario is whole wherever it goes.
"""

import csv
from pathlib import Path
from typing import Any

from ..errors import Problem
from .found import Place

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
        with path.open("rb") as file:
            data = file.read(MOST_CSV_BYTES + 1)
        if len(data) > MOST_CSV_BYTES:
            return [], Problem("is larger than 512 KiB, the most that is read", str(path))
        written = list(csv.reader(data.decode("utf-8-sig").splitlines(), strict=True))
    except OSError as error:
        return [], Problem(f"cannot be read: {(error.strerror or str(error)).lower()}", str(path))
    except (UnicodeDecodeError, csv.Error) as error:
        return [], Problem(f"is no CSV file in UTF-8: {error}", str(path))
    rows = []
    for number, cells in enumerate(written, 1):
        if not cells or (number == 1 and not _is_number(cells[0])):
            continue  # an empty line, or the names of the columns
        row = _row(cells)
        if row is None:
            said = f"got {','.join(cells)[:60]!r}; a row is a time in seconds and a ratio or 'down'"
            return [], Problem(said, str(path), number, 1)
        rows.append(row)
    if not rows:
        return [], Problem("has no rows; a row is a time in seconds and a ratio", str(path))
    if len(rows) > MOST_ROWS:
        return [], Problem(f"has {len(rows)} rows; at most {MOST_ROWS}", str(path))
    return rows, None


def _row(cells: list[str]) -> dict[str, Any] | None:
    if len(cells) != 2 or not _is_number(cells[0]):
        return None
    at = {"at": f"{cells[0].strip()} s"}
    if cells[1].strip().lower() == DOWN:
        return at | {"down": True}
    return at | {"ratio": float(cells[1])} if _is_number(cells[1]) else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
