"""The watchdog of pauses: a lane that is stopped for too long stops no more."""

from .records import Lane, Port


def look(port: Port, lane: Lane, now: int) -> tuple[bool, int | None]:
    """Look after a lane at its watch event.

    Return whether a storm begins, and when to look again, if ever.
    """
    if lane.is_storm:
        over_ps = lane.last_stop_ps + port.restore_ps
        if over_ps > now:
            return False, over_ps
        lane.is_storm = 0
        return False, None
    if now >= lane.pause_until_ps:
        return False, None
    if now - lane.paused_since_ps < port.watch_ps:
        return False, lane.paused_since_ps + port.watch_ps
    if not lane.has_something:
        return False, now + port.watch_ps
    lane.is_storm = 1
    lane.storms += 1
    lane.pause_until_ps = now
    lane.close_pause(now)
    return True, max(now, lane.last_stop_ps + port.restore_ps)


def drops_arrival(port: Port, lane: Lane) -> bool:
    """Tell whether a packet that would join this lane is dropped."""
    return bool(lane.is_storm and port.watch_drops)
