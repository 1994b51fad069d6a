"""Notices: the far end of a line tells the near end that a frame came damaged.

A seed technology (DOMAIN 1: the optical network tells the NICs what it knows): a NIC that has
been told can take a loss for an error of the line and keep its rate (kernels/recovery.py).
"""

from .access import get_port
from .jit import jit_apart
from .link import start_frame
from .packets import take
from .serve import ask_to_serve
from .tables import CONTROL_FRAME_BYTES, NOTICE, NOWHERE


@jit_apart
def request_notice(run, p):
    """Have port p tell its peer, as soon as it can, that a damaged frame has come."""
    get_port(run, p).notice_requested = 1
    ask_to_serve(run, p)


@jit_apart
def send_notice(run, p, now_ps):
    """Send one notice for all the damaged frames since the last."""
    get_port(run, p).notice_requested = 0
    i = take(run, NOTICE, NOWHERE, 0, CONTROL_FRAME_BYTES, 0)
    start_frame(run, p, i, now_ps)
