"""Checks of the rows of traffic: what each is, between which hosts, and what waits for what."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .found import Found, Place, among, unknown_site
from .hosts import Host, after_entry, expand, pair, site_of

if TYPE_CHECKING:
    from .schema import Line, Site, Work

Sites = Mapping[str, "Site | None"]
Rows = Sequence["Work | None"]

_AFTER = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:\.(sent|delivered))?")
_OF_A_TRANSFER = {
    "from": "source",
    "to": "target",
    "bytes": "bytes",
    "message": "message",
    "queue_pairs": "queue_pairs",
    "queue_pairs_of": "queue_pairs_of",
    "slots": "slots",
    "priority": "priority",
}
"""Keys that only a transfer has, and the attributes they become."""


def check(
    sites: Sites, lines: Sequence["Line | None"], traffic: Rows, row_names: Collection[str]
) -> list[Found]:
    """Find all that is wrong with the rows; arguments as in ``checks.across``."""
    found: list[Found] = []
    for index, work in enumerate(traffic):
        if work is not None:
            row: Place = ("traffic", index)
            found += [one.below(*row) for one in _kind(work)]
            found += _hosts(work, row, sites)
            found += _route(work, row, sites, lines)
    found += _names(traffic)
    found += _shared_queue_pairs(sites, traffic)
    found += _after(sites, traffic, row_names)
    found += _circles(traffic)
    return found


def _kind(work: "Work") -> Iterator[Found]:
    """See that a row is a transfer or a computation, complete, and not a mixture."""
    given = work.model_fields_set
    if given & {"compute", "at"}:
        for key, attribute in _OF_A_TRANSFER.items():
            if attribute in given:
                text = f"{key!r} belongs to a transfer; a computation has compute and at"
                yield Found([(key,), ("compute",), ("at",)], text)
        if work.compute is None:
            yield Found([("compute",)], "is missing; how long a computation lasts, like 10 ms")
        if work.at is None:
            yield Found([("at",)], "is missing; the hosts that compute, like a.*")
        return
    for key, example in (("from", "a.0"), ("to", "b.0"), ("bytes", "1 GiB")):
        if getattr(work, _OF_A_TRANSFER[key]) is None:
            text = "is missing; a transfer has from, to and bytes (a computation compute and at)"
            yield Found([(key,), ("compute",), ("at",)], f"{text}, for example '{key}: {example}'")
    if work.slots is not None and work.message is not None:
        yield Found([("message",), ("slots",)], "each slot is a message; give message or slots")


def _hosts(work: "Work", row: Place, sites: Sites) -> Iterator[Found]:
    """See that the hosts exist and can be paired."""
    groups: list[list[Host]] = []
    places: list[Place] = [(*row, "to"), (*row, "from")]
    for key, selector in (("at", work.at), ("from", work.source), ("to", work.target)):
        if selector is None:
            continue
        name = site_of(selector)
        if name not in sites:
            yield Found([(*row, key)], unknown_site(name, sites))
        elif (site := sites[name]) is not None:
            places.append(("sites", name, "hosts"))
            try:
                groups.append(expand(selector, {name: site.hosts}))
            except ValueError as error:
                yield Found([(*row, key), ("sites", name, "hosts")], str(error))
    if len(groups) == 2 and work.at is None:
        try:
            pair(groups[0], groups[1])
        except ValueError as error:
            yield Found(places, str(error))


def _route(
    work: "Work", row: Place, sites: Sites, lines: Sequence["Line | None"]
) -> Iterator[Found]:
    """See that lines lead from the sender's site to the receiver's."""
    if work.source is None or work.target is None or None in lines:
        return
    here, there = site_of(work.source), site_of(work.target)
    ends = [line.between for line in lines if line is not None]
    if any(name not in sites for name in (here, there, *(end for two in ends for end in two))):
        return
    if there not in _reached(here, ends):
        between: list[Place] = [("lines", index, "between") for index in range(len(lines))]
        between = between or [("lines",)]
        text = f"no line leads from {here!r} to {there!r}"
        yield Found([(*row, "to"), (*row, "from"), *between], text)


def _reached(start: str, ends: Sequence[Sequence[str]]) -> set[str]:
    reached, ahead = {start}, [start]
    while ahead:
        here = ahead.pop()
        for two in ends:
            if here in two:
                new = set(two) - reached
                reached |= new
                ahead += new
    return reached


def _names(traffic: Rows) -> Iterator[Found]:
    first: dict[str, int] = {}
    for index, work in enumerate(traffic):
        if work is None:
            continue
        if work.name in first:
            earlier = first[work.name]
            places: list[Place] = [("traffic", index, "name"), ("traffic", earlier, "name")]
            yield Found(places, f"{work.name!r} is the name of traffic.{earlier} too")
        first.setdefault(work.name, index)


def _shared_queue_pairs(sites: Sites, traffic: Rows) -> Iterator[Found]:
    """See that a row that sends on another's queue pairs can."""
    earlier: dict[str, tuple[int, Work]] = {}
    for index, work in enumerate(traffic):
        if work is None:
            continue
        if work.queue_pairs_of is not None:
            yield from _shared(work, index, sites, earlier)
        if work.compute is None:
            earlier.setdefault(work.name, (index, work))


def _shared(
    work: "Work", index: int, sites: Sites, earlier: Mapping[str, tuple[int, "Work"]]
) -> Iterator[Found]:
    place: Place = ("traffic", index, "queue_pairs_of")
    name = work.queue_pairs_of or ""
    if name not in earlier:
        yield Found([place], f"no earlier transfer {name[:60]!r}; {among(name, earlier, 'rows')}")
        return
    for key in ("queue_pairs", "priority", "slots"):
        if key in work.model_fields_set:
            text = f"the queue pairs are those of {name!r}; leave {key} out"
            yield Found([("traffic", index, key), place], text)
    other_index, other = earlier[name]
    if _ends(work, sites) != _ends(other, sites):
        about = [*_about(index, work), *_about(other_index, other)]
        text = f"{work.name!r} and {name!r} must have the same from and to"
        yield Found([place, *about], text)


def _by_name(traffic: Rows) -> dict[str, tuple[int, "Work"]]:
    rows: dict[str, tuple[int, Work]] = {}
    for index, work in enumerate(traffic):
        if work is not None:
            rows.setdefault(work.name, (index, work))
    return rows


def _after(sites: Sites, traffic: Rows, row_names: Collection[str]) -> Iterator[Found]:
    """See that what a row waits for exists, and happens at its own hosts."""
    rows = _by_name(traffic)
    known = list(dict.fromkeys([*rows, *row_names]))
    for index, work in enumerate(traffic):
        for number, entry in enumerate(work.after if work is not None else []):
            place: Place = ("traffic", index, "after", number)
            match = _AFTER.fullmatch(entry)
            if match is None:
                text = f"{entry[:60]!r}: write NAME, NAME.delivered or NAME.sent"
                yield Found([place], text)
                continue
            name, event = after_entry(entry)
            if name not in known:
                yield Found([place], f"no row {name[:60]!r}; {among(name, known, 'rows')}")
            elif work is not None and name in rows:
                other_index, other = rows[name]
                about = [place, *_about(index, work), *_about(other_index, other)]
                if other.compute is not None and match[2]:
                    yield Found(about, f"{name!r} is a computation; write {name!r} alone")
                if apart := _not_local(work, other, event, sites):
                    yield Found(about, apart)


def _about(index: int, work: "Work") -> list[Place]:
    """Name the values that tell a row's name and hosts."""
    selectors = [one for one in (work.source, work.target, work.at) if one is not None]
    keys = ("name", "from", "to", "compute", "at")
    places: list[Place] = [("traffic", index, key) for key in keys]
    return places + [("sites", site_of(one), "hosts") for one in selectors]


def _ends(work: "Work", sites: Sites) -> list[tuple[Host, Host]]:
    """List where each piece of a row starts and ends; nothing if that cannot be known."""
    sizes = {name: site.hosts for name, site in sites.items() if site is not None}
    try:
        if work.at is not None:
            return [(host, host) for host in expand(work.at, sizes)]
        return pair(expand(work.source or "", sizes), expand(work.target or "", sizes))
    except (ValueError, KeyError):  # said of the hosts themselves
        return []


def _not_local(work: "Work", other: "Work", event: str, sites: Sites) -> str | None:
    """Say why a row cannot know of ``event`` of another, or None if it can.

    Piece i waits for piece i when both rows have as many pieces, otherwise for all of them.
    """
    waiting = [start for start, _ in _ends(work, sites)]
    happens = [start if event == "sent" else end for start, end in _ends(other, sites)]
    if not waiting or not happens or work is other:
        return None
    if len(waiting) == len(happens):
        apart = next(((w, h) for w, h in zip(waiting, happens, strict=True) if w != h), None)
    else:
        here, there = sorted(set(waiting)), sorted(set(happens))
        apart = next(((w, h) for w in here for h in there if w != h), None)
    if apart is None:
        return None
    (site, index), (far_site, far_index) = apart
    what = "ends" if other.compute is not None else f"is {event}"
    return (
        f"{work.name!r} waits at {site}.{index}, but {other.name!r} {what} at "
        f"{far_site}.{far_index}; a host knows of another's work only by a message it receives"
    )


def _circles(traffic: Rows) -> Iterator[Found]:
    """Find rows that wait for each other: one finding a circle, at the entry that closes it."""
    rows = _by_name(traffic)
    done: set[str] = set()
    for first in rows:
        trail: dict[str, Iterator[tuple[int, str]]] = {}
        ahead = first if first not in done else None
        # A loop and a trail, not recursion: there may be thousands of rows.
        while ahead is not None or trail:
            if ahead is not None:
                trail[ahead] = iter(list(enumerate(rows[ahead][1].after)))
            here = next(reversed(trail))
            ahead = None
            for number, entry in trail[here]:
                name = after_entry(entry)[0] if _AFTER.fullmatch(entry) else ""
                if name in trail:
                    names = list(trail)
                    ring = " -> ".join([*names[names.index(name) :], name])
                    place: Place = ("traffic", rows[here][0], "after", number)
                    yield Found([place], f"waits for itself: {ring}")
                elif name in rows and name not in done:
                    ahead = name
                    break
            else:
                done.add(here)
                del trail[here]
