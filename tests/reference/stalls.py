"""How long a queue pair stands still for a loss: docs/protocol.md, "Stalls"."""

from wanrdma.kernels.tables import BY_NAK, BY_TIMEOUT, NOWHERE

from .records import QueuePair, Stall

KEPT = 3  # the longest


def learn(pair: QueuePair, now: int, by: int) -> bool:
    """Count what told of a loss, and tell whether that opened a stall."""
    opens = pair.stall_by == NOWHERE
    if opens:
        pair.stall_by = by
        pair.stall_packet = pair.oldest
        pair.stall_noticed_ps = now
        pair.stall_naks = pair.stall_timeouts = 0
    pair.stall_naks += by == BY_NAK
    pair.stall_timeouts += by == BY_TIMEOUT
    return opens


def end(pair: QueuePair, q: int, now: int, log_first: int) -> Stall | None:
    """End the stall that is open, if one is, and return its row, if it becomes one.

    It began when the queue pair last moved, which is so until the progress that ends it.
    """
    if pair.stall_by == NOWHERE:
        return None
    row = Stall(
        time_ps=now,
        queue_pair=q,
        packet=pair.stall_packet,
        began_ps=pair.moved_ps,
        noticed_ps=pair.stall_noticed_ps,
        ended_ps=NOWHERE if pair.in_error else now,
        by=pair.stall_by,
        naks=pair.stall_naks,
        timeouts=pair.stall_timeouts,
    )
    lasted = now - pair.moved_ps
    third = pair.longest[KEPT - 1] if len(pair.longest) >= KEPT else 0
    pair.stall_by = NOWHERE
    pair.stalls += 1
    pair.stalled_ps += lasted
    pair.longest = sorted([*pair.longest, lasted], reverse=True)[:KEPT]
    return row if pair.stalls <= log_first or lasted > third or pair.in_error else None
