"""What a comparison is: a row has one figure, here and elsewhere; a section has a table of rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

HEAD = ("what", "conditions", "here", "theirs", "difference", "allowed", "kind", "source")


@dataclass(frozen=True)
class Row:
    """One figure here and theirs: a sum by hand, a formula, a table, another program.

    They must be equal, unless ``within`` says how much they may differ. Counts, bytes and
    picoseconds are whole numbers and shown in full, the rest to five digits.
    """

    quantity: str
    conditions: str
    here: float
    theirs: float
    source: str
    unit: str = ""
    kind: Literal["predicted", "calibrated", "assumed"] = "predicted"
    allowed: float = 0
    because: str = ""

    def within(self, difference: float, because: str) -> "Row":
        """Allow a difference, in the same unit; say what it is: a sampling error, a rounding."""
        return replace(self, allowed=difference, because=because)

    @property
    def agrees(self) -> bool:
        return abs(self.here - self.theirs) <= self.allowed

    @property
    def cells(self) -> list[str]:
        """Return what stands in the table, in the order of its head."""
        because = f", {self.because}" if self.because else ""
        return [
            self.quantity,
            self.conditions,
            self._with_unit(self.here),
            self._with_unit(self.theirs),
            self._share(self.here - self.theirs, "+"),
            self._share(self.allowed) + because if self.allowed else "exact",
            self.kind,
            self.source,
        ]

    def _with_unit(self, figure: float) -> str:
        return f"{shown(figure)} {self.unit}".rstrip()

    def _share(self, figure: float, sign: str = "") -> str:
        """Show a difference as a share of theirs; as it is where all of theirs is allowed."""
        if figure == 0:
            return "0"
        if self.allowed >= abs(self.theirs):
            return _plain(f"{figure:{sign}.2g}")
        return _plain(f"{100 * figure / self.theirs:{sign}.2g} %")


@dataclass(frozen=True)
class Section:
    """A heading, what is compared, the rows, and what is to be said about them."""

    title: str
    text: str
    rows: Callable[[], list[Row]]
    notes: Callable[[], str] = str  # may have figures in it; none where there are none

    def markdown(self) -> str:
        """Make the runs, and return the section of the page."""
        parts = [f"## {self.title}", self.text, table(self.rows()), self.notes()]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"


def shown(figure: float) -> str:
    """Return a whole number in full, any other to five digits."""
    return f"{figure:,}" if isinstance(figure, int) else _plain(f"{figure:.5g}")


def _plain(text: str) -> str:
    return text.replace("e-0", "e-").replace("e+0", "e+")


def table(rows: list[Row]) -> str:
    """Return the rows as a table, a source that is the same as above as a ditto mark."""
    lines: list[tuple[str, ...]] = [HEAD]
    above = ""
    for row in rows:
        *cells, source = row.cells
        lines.append((*cells, '"' if source == above else source))
        above = source
    head, *others = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(HEAD), *others])


def disagreeing(rows: list[Row]) -> str:
    """Return the table of those that do not agree, nothing if all do."""
    found = [row for row in rows if not row.agrees]
    return table(found) if found else ""


def farthest(interval: tuple[float, float], expected: float) -> float:
    """Return how far the ends of an interval lie from what is expected, the farther one."""
    least, most = interval
    return float(max(expected - least, most - expected))
