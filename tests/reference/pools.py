"""Where lossless lanes store what comes in: in buffers of their own, or shared ones."""

import math
from enum import Enum, auto

from .records import Lane, Pool


class Part(Enum):
    """Of a buffer."""

    SHARED = auto()  # or a lane's own
    HEADROOM = auto()  # of a shared one


def part_for(lane: Lane, pool: Pool | None, size: int) -> Part | None:
    """Say where so many bytes are to be stored that came by a lossless lane, if there is room."""
    if pool is None:
        fits = lane.ingress_bytes + size <= lane.ingress_limit_bytes
        return Part.SHARED if fits else None
    fits_threshold = outside_headroom(lane) + size <= threshold(lane, pool)
    if fits_threshold and pool.shared_used_bytes + size <= pool.shared_bytes:
        return Part.SHARED
    fits_lane = lane.headroom_used_bytes + size <= lane.headroom_limit_bytes
    if fits_lane and pool.headroom_used_bytes + size <= pool.headroom_bytes:
        return Part.HEADROOM
    return None


def store(lane: Lane, pool: Pool | None, size: int, part: Part) -> bool:
    """Store bytes that came by a lossless lane, and tell whether its peer should stop."""
    lane.ingress_bytes += size
    if pool is None:
        return lane.ingress_bytes > lane.xoff_bytes
    if part is Part.SHARED:
        pool.shared_used_bytes += size
        pool.max_shared_used_bytes = max(pool.max_shared_used_bytes, pool.shared_used_bytes)
        return False
    lane.headroom_used_bytes += size
    pool.headroom_used_bytes += size
    pool.max_headroom_used_bytes = max(pool.max_headroom_used_bytes, pool.headroom_used_bytes)
    return True


def free(lane: Lane, pool: Pool | None, size: int) -> bool:
    """Free bytes that came by a lossless lane, and tell whether its peer may go on."""
    lane.ingress_bytes -= size
    if pool is None:
        return lane.ingress_bytes <= lane.xon_bytes
    of_headroom = min(size, lane.headroom_used_bytes)
    lane.headroom_used_bytes -= of_headroom
    pool.headroom_used_bytes -= of_headroom
    pool.shared_used_bytes -= size - of_headroom
    if lane.headroom_used_bytes:
        return False
    u = outside_headroom(lane)
    return u == 0 or u + lane.xon_bytes <= threshold(lane, pool)


def outside_headroom(lane: Lane) -> int:
    """Return what a lane has in the shared part."""
    return lane.ingress_bytes - lane.headroom_used_bytes


def threshold(lane: Lane, pool: Pool) -> int:
    """Return what a lane may have in the shared part: it hangs on what is free."""
    return math.floor(lane.alpha * (pool.shared_bytes - pool.shared_used_bytes))
