"""What would find no room: a frame in a buffer, a level in what headroom leaves, queue pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..theory import headroom_bytes
from .found import Found, Place
from .hosts import how_many, site_of
from .units import show_bytes

if TYPE_CHECKING:
    from .schema import Line, Nic, Site, Work

MOST_QUEUE_PAIRS_IN_ALL = 1_000_000
"""Some 2 KiB each, tables and names together."""


def largest_frame_bytes(nic: "Nic") -> int:
    """Return the line time, in bytes, of the largest frame that a NIC sends."""
    framing = nic.framing
    return max(nic.mtu + framing.overhead + framing.reth, framing.ack)


def check_buffers(
    sites: Mapping[str, "Site | None"], lines: Sequence["Line | None"], nics: Mapping[str, "Nic"]
) -> Iterator[Found]:
    """See that every buffer holds a frame: else it could pass nothing on.

    ``nics`` are the settings that hold at each site.
    """
    largest = max(nics, key=lambda name: largest_frame_bytes(nics[name]))
    frame = largest_frame_bytes(nics[largest])
    about: list[Place] = [
        (*above, key) for above in (("nic",), ("sites", largest, "nic")) for key in _OF_A_FRAME
    ]
    for name, site in sites.items():
        pfc = site.fabric.pfc if site is not None else None
        if (
            pfc is not None
            and pfc.headroom is not None
            and pfc.xoff + pfc.headroom < frame
            and pfc.shared is None
        ):
            places: list[Place] = [
                ("sites", name, "fabric", "pfc", key) for key in ("headroom", "xoff")
            ]
            yield Found(places + about, _no_room("xoff + headroom", pfc.xoff + pfc.headroom, frame))
        if pfc is not None and pfc.shared is not None:
            yield from _shared(("sites", name, "fabric", "pfc"), pfc.shared, pfc.alpha, frame)
    for index, line in enumerate(lines):
        if line is not None and line.otn.shared is not None:
            yield from _shared(("lines", index, "otn"), line.otn.shared, line.otn.alpha, frame)
        if line is not None and line.otn.flow_control != "none":
            yield from (one.extended(about) for one in _terminal(line, index, frame))


_OF_A_FRAME = ("mtu", "framing")


def _terminal(line: "Line", index: int, frame: int) -> Iterator[Found]:
    otn = line.otn
    place: Place = ("lines", index)
    sizes = {"buffer": otn.buffer, "client_buffer": otn.client_buffer}
    if otn.flow_control == "transparent":
        del sizes["client_buffer"]
    for key, size in sizes.items():
        if size < frame:
            places: list[Place] = [(*place, "otn", key), (*place, "otn", "flow_control")]
            yield Found(places, _no_room(key, size, frame))
    if otn.xoff is not None or otn.xon is None:
        return  # two levels that are both given were compared where they stand
    headroom = headroom_bytes(line.rate.ps_per_byte, line.way_ps + line.back_ps, frame)
    xoff = max(0, otn.buffer - headroom)
    if otn.xon > xoff:
        keys = ("xon", "buffer", "xoff", "latency", "flow_control")
        places = [(*place, "otn", key) for key in keys]
        places += [(*place, key) for key in ("rate", "distance", "delay")]
        yield Found(
            places,
            f"xon ({show_bytes(otn.xon)}) may not be above xoff ({show_bytes(xoff)}), which is "
            f"what the buffer ({show_bytes(otn.buffer)}) leaves beside the worst-case headroom "
            f"({show_bytes(headroom)}); write 'xon: auto', or a larger buffer",
        )


def _shared(place: Place, shared: int, alpha: float, frame: int) -> Iterator[Found]:
    """See that a port that has a shared buffer alone may store a frame in it."""
    if min(1.0, alpha) * shared < frame:
        places: list[Place] = [(*place, "shared"), (*place, "alpha")]
        yield Found(places, _no_room("alpha x shared", int(min(1.0, alpha) * shared), frame))


def _no_room(what: str, size: int, frame: int) -> str:
    return f"{what} ({show_bytes(size)}) must hold a frame of {show_bytes(frame)}"


def check_queue_pairs(
    sites: Mapping[str, "Site | None"], traffic: Sequence["Work | None"], nics: Mapping[str, "Nic"]
) -> Iterator[Found]:
    """Count the queue pairs of all rows, and find the row that asks for too many."""
    sizes = {name: site.hosts for name, site in sites.items() if site is not None}
    total = 0
    for index, work in enumerate(traffic):
        if work is None or work.queue_pairs_of is not None or not (work.source and work.target):
            continue
        ends = (work.source, work.target)
        names = [site_of(end) for end in ends]
        if any(name not in nics for name in names):
            continue
        flows = max(how_many(end, sizes) for end in ends)
        each = work.queue_pairs or nics[names[0]].queue_pairs
        total += flows * each * (2 if work.slots else 1)  # slots come back on their own
        if total > MOST_QUEUE_PAIRS_IN_ALL:
            places: list[Place] = [("traffic", index, "queue_pairs")]
            places += [("sites", names[0], "nic", "queue_pairs"), ("nic", "queue_pairs")]
            places += [("traffic", index, key) for key in ("from", "to", "slots")]
            places += [("sites", name, "hosts") for name in names]
            yield Found(
                places,
                f"traffic asks for {total:,} queue pairs, {work.name!r} and the rows before it; "
                f"at most {MOST_QUEUE_PAIRS_IN_ALL:,}",
            )
            return
