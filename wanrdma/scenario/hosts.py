"""Hosts by name ("a.0", "a.*", "a.4-7"), how two groups pair, and what waits for what."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

Host = tuple[str, int]
"""A host: its site and its number there, from 0."""

_SELECTOR = re.compile(r"([^.\s]+)\.(?:(\*)|([0-9]{1,9})(?:-([0-9]{1,9}))?)")


def written_well(selector: str | None) -> str | None:
    """Return ``selector``; raises ValueError if it is not SITE.N, SITE.* or SITE.A-B."""
    if selector is None:
        return None
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise ValueError(
            f"{selector[:60]!r} names no hosts; write SITE.N, SITE.* or SITE.A-B, like a.0"
        )
    if match[4] is not None and int(match[3]) > int(match[4]):
        raise ValueError(f"{selector!r} counts downwards; write {match[1]}.{match[4]}-{match[3]}")
    return selector


def site_of(selector: str) -> str:
    """Return the site that a well-written selector names."""
    return selector.rpartition(".")[0]


def expand(selector: str, sizes: Mapping[str, int]) -> list[Host]:
    """List the hosts that ``selector`` names; ``sizes`` is how many hosts each site has.

    Raises ValueError for hosts that a site does not have, KeyError for an unknown site.
    """
    site, numbers = _numbers(selector, sizes)
    return [(site, index) for index in numbers]


def how_many(selector: str, sizes: Mapping[str, int]) -> int:
    """Count the hosts that ``selector`` names, at most those that its site has."""
    try:
        return len(_numbers(selector, sizes)[1])
    except ValueError:
        return sizes[site_of(selector)]


def _numbers(selector: str, sizes: Mapping[str, int]) -> tuple[str, range]:
    """Return the site that ``selector`` names, and the numbers of its hosts."""
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        raise ValueError(f"{selector!r} names no hosts")
    site, every, first, last = match.groups()
    size = sizes[site]
    if every:
        return site, range(size)
    highest = int(last or first)
    if highest >= size:
        has = f"hosts 0 to {size - 1}" if size > 1 else "host 0 only"
        raise ValueError(f"{selector!r}: site {site!r} has {has}")
    return site, range(int(first), highest + 1)


def pair(sources: Sequence[Host], targets: Sequence[Host]) -> list[tuple[Host, Host]]:
    """Pair one to one, or all to one, or one to all when one side is a single host.

    Raises ValueError if the two numbers do not fit, or a host would send to itself.
    """
    if len(sources) != len(targets) and 1 not in (len(sources), len(targets)):
        raise ValueError(
            f"{len(sources)} hosts cannot pair with {len(targets)}; "
            "as many on both sides, or one on one side"
        )
    count = max(len(sources), len(targets))
    pairs = [(sources[i % len(sources)], targets[i % len(targets)]) for i in range(count)]
    for source, target in pairs:
        if source == target:
            raise ValueError(f"{source[0]}.{source[1]} would send to itself")
    return pairs


def after_entry(entry: str) -> tuple[str, Literal["sent", "delivered"]]:
    """Split "NAME.sent", "NAME.delivered" or "NAME" (which means delivered)."""
    name, _, event = entry.partition(".")
    return name, "sent" if event == "sent" else "delivered"
