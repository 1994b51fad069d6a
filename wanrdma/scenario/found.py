"""Something wrong with a scenario, before it has a line and a column."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass

Place = tuple[str | int, ...]
"""Keys and list indices down to a value."""


@dataclass(frozen=True)
class Found:
    """Something wrong, and all values that it follows from, the one to blame first."""

    places: list[Place]
    message: str

    def below(self, *place: str | int) -> "Found":
        """Return the same, seen from further up."""
        return Found([(*place, *lower) for lower in self.places], self.message)

    def extended(self, places: list[Place]) -> "Found":
        """Return the same, following from these values too."""
        return Found(self.places + places, self.message)


def is_index(part: str) -> bool:
    """Whether a part of a dotted key is the number of a list's entry."""
    return part.isascii() and part.isdigit()


def among(word: str, allowed: Collection[str], label: str = "allowed") -> str:
    """Write "did you mean 'x'? allowed: x, y" (the first part only if a word is near)."""
    lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(word[:100].lower(), lower, n=1, cutoff=0.6)
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    most = 40
    listed = ", ".join(list(allowed)[:most]) or "none"
    more = f" and {len(allowed) - most} more" if len(allowed) > most else ""
    return f"{hint}{label}: {listed}{more}"


def unknown_site(name: str, sites: Collection[str]) -> str:
    """Say that there is no such site, and which there are."""
    return f"no site {name[:60]!r}; {among(name, sites, 'sites')}"
