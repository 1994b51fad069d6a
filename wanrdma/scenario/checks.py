"""What must fit together across the sections of a scenario.

The checks take parts that are right in themselves and return what they found instead of
raising, so that a fault in one part does not hide another. A finding names every value that
it follows from: ``load`` leaves it out if one of those is known to be wrong already.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from . import happenings, room, rows
from .found import Found, Place, unknown_site
from .units import show_bytes

if TYPE_CHECKING:
    from .schema import Event, Line, Nic, Site, Work

CONVERGENCE = r"^[0-9]{1,6}(\.[0-9]{1,6})?:1$"
CONVERGENCE_TOLERANCE = 0.01


def across(
    sites: Mapping[str, "Site | None"],
    lines: Sequence["Line | None"],
    traffic: Sequence["Work | None"],
    nic: "Nic | None",
    row_names: Collection[str] = (),
    events: Sequence["Event | None"] = (),
) -> list[Found]:
    """Check everything that takes more than one section.

    A part that is None could not be read at all: nothing is said about what depends on it.
    ``row_names`` are names of rows of traffic that are None.
    """
    found = list(_lines(sites, lines))
    found += _windows(sites, nic)
    found += _pacing(sites, nic)
    if nic is not None and None not in lines:
        found += _convergences(sites, [line for line in lines if line is not None], nic)
    if nic is not None:
        nics = {name: merged_nic(nic, site.nic) for name, site in sites.items() if site is not None}
        found += room.check_buffers(sites, lines, nics) if len(nics) == len(sites) else []
        found += room.check_queue_pairs(sites, traffic, nics)
    found += rows.check(sites, lines, traffic, row_names)
    found += happenings.check(sites, lines, events)
    return found


def _lines(sites: Mapping[str, "Site | None"], lines: Sequence["Line | None"]) -> Iterator[Found]:
    for index, line in enumerate(lines):
        if line is None:
            continue
        for end, name in enumerate(line.between):
            if name not in sites:
                yield Found([("lines", index, "between", end)], unknown_site(name, sites))
        if line.between[0] == line.between[1]:
            yield Found([("lines", index, "between", 1)], "a line joins two different sites")


def merged_nic(common: "Nic", site: "Nic") -> "Nic":
    """Lay what a site gives over the scenario's NIC settings."""
    changes = {key: getattr(site, key) for key in site.model_fields_set}
    for part in {"framing", "dcqcn", "retry_budget"} & changes.keys():
        own, shared = getattr(site, part), getattr(common, part)
        if own is not None and shared is not None:
            given = {key: getattr(own, key) for key in own.model_fields_set}
            changes[part] = shared.model_copy(update=given)
    return common.model_copy(update=changes)


def _windows(sites: Mapping[str, "Site | None"], nic: "Nic | None") -> Iterator[Found]:
    """Check that each window holds a packet; once only for what all sites share."""
    if nic is None:
        return
    common: list[Place] = [("nic", "window"), ("nic", "mtu")]
    if _too_small(nic):
        yield Found(common, _small_window(nic))
        return
    for name, site in sites.items():
        if site is not None and _too_small(merged := merged_nic(nic, site.nic)):
            own: list[Place] = [("sites", name, "nic", "window"), ("sites", name, "nic", "mtu")]
            yield Found(own + common, _small_window(merged))


def _pacing(sites: Mapping[str, "Site | None"], nic: "Nic | None") -> Iterator[Found]:
    """Check that a pace that is given is kept to."""
    if nic is None:
        return
    for name, site in sites.items():
        if site is None:
            continue
        merged = merged_nic(nic, site.nic)
        if merged.pacing is None and merged.congestion_control == "pacing":
            own = ("sites", name) if "congestion_control" in site.nic.model_fields_set else ()
            yield Found([(*own, "nic", "congestion_control")], "needs a rate: give nic.pacing")
            return
        if merged.pacing is not None and merged.congestion_control != "pacing":
            own = ("sites", name) if site.nic.pacing is not None else ()
            places: list[Place] = [(*own, "nic", "pacing"), ("nic", "congestion_control")]
            yield Found(places, "has no effect without congestion_control: pacing")
            return


def _too_small(nic: "Nic") -> bool:
    return nic.window is not None and nic.window < nic.mtu


def _small_window(nic: "Nic") -> str:
    return f"window ({show_bytes(nic.window or 0)}) must hold a packet of mtu {nic.mtu} B"


def convergence(site: str, host_count: int, nic: "Nic", lines: Sequence["Line"]) -> float | None:
    """Return all NICs' rate over all lines' rate of a site; None for one without lines."""
    line_bps = sum(line.rate.total_bps for line in lines if site in line.between)
    return host_count * nic.rate.total_bps / line_bps if line_bps else None


def _convergences(
    sites: Mapping[str, "Site | None"], lines: Sequence["Line"], nic: "Nic"
) -> Iterator[Found]:
    line_places: list[Place] = [
        ("lines", index, key) for index in range(len(lines)) for key in ("rate", "between")
    ]
    for name, site in sites.items():
        if site is None or site.convergence is None:
            continue
        places: list[Place] = [("sites", name, key) for key in ("convergence", "hosts", "nic")]
        places += [("nic", "rate"), *line_places]
        given = float(site.convergence.removesuffix(":1"))
        own_nic = merged_nic(nic, site.nic)
        derived = convergence(name, site.hosts, own_nic, lines)
        if derived is None:
            yield Found(places, f"site {name!r} has no line to converge on")
        elif abs(given - derived) > CONVERGENCE_TOLERANCE * derived:
            ports = " + ".join(str(line.rate) for line in lines if name in line.between)
            hosts = f"{site.hosts} host{'s' if site.hosts > 1 else ''}"
            yield Found(
                places,
                f"{site.convergence} does not fit: {hosts} x {own_nic.rate} over {ports} is "
                f"{derived:.4g}:1",
            )
