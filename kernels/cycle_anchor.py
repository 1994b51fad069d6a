"""The anchor of a cycle: one end of a queue pair, at whose packets a group is looked back at."""

from .jit import jit, jit_inlined
from .tables import LAST_OF_MESSAGE, NOWHERE

LONG_IDLE_EVENTS = 1 << 14
LONG_MESSAGE = 256  # packets: in a longer one it is looked every
ANCHOR_EVERY = 64


@jit_inlined
def pass_anchor(run, q, is_receiver, packet):
    """Note that a host sends or receives a data packet."""
    run.last_end = 2 * q + is_receiver
    if run.last_end == run.anchor:
        note_anchor(run, packet)


@jit
def note_anchor(run, packet):
    """Let an image be looked at after this event: at the end of a message, or now and then."""
    run.since_end += 1
    if packet.flags & LAST_OF_MESSAGE:
        run.since_end = 0
        run.anchored = 1
    elif run.since_end >= LONG_MESSAGE and packet.psn % ANCHOR_EVERY == 0:
        run.anchored = 1


@jit
def choose_anchor(run):
    """Let the end that was last at work be the anchor, if this one has long been idle."""
    if run.anchor != NOWHERE and run.events - run.anchor_events < LONG_IDLE_EVENTS:
        return
    run.anchor = run.last_end
    run.anchor_events = run.events
    run.since_end = 0
    run.image_ps = NOWHERE
