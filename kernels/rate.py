"""How fast a queue pair sends: fixed pacing, or DCQCN.

DCQCN as in Zhu et al., "Congestion Control for Large-Scale RDMA Deployments", SIGCOMM 2015,
section 5: the sender halves at a CNP by a remembered share (alpha), and grows back in steps of
a timer and of a byte counter. Nothing ticks: what the timers would have done since they were
last looked at is done when a packet is sent or a CNP comes (docs/protocol.md, "Rate").
"""

import math

import numpy as np

from .access import get_rate, get_requester
from .calendar import PACE, push
from .jit import jit, jit_apart
from .tables import DCQCN

BIT_PS_A_BYTE = 8 * 10**12


@jit_apart
def must_wait(run, q):
    """Tell whether queue pair q, which has a rate, may not send yet; it will be asked then."""
    rate = get_rate(run, q)
    if rate.next_send_ps <= run.now_ps:
        return False
    if not rate.pace_pending:
        rate.pace_pending = 1
        push(run, rate.next_send_ps, PACE, q)
    return True


@jit_apart
def space_out(run, q, size_bytes, now_ps):
    """Note that a data packet's service starts: when the next may, and what DCQCN counts."""
    rate = get_rate(run, q)
    if rate.rate_control == DCQCN:
        bring_up_to_date(rate, now_ps)
    gap_ps = (BIT_PS_A_BYTE * size_bytes + rate.rate_bps - 1) // rate.rate_bps
    rate.next_send_ps = now_ps + gap_ps
    if rate.rate_control == DCQCN and rate.rate_bps < rate.line_bps:
        rate.sent_bytes += size_bytes
        while rate.sent_bytes >= rate.increase_bytes:
            rate.sent_bytes -= rate.increase_bytes
            rate.byte_steps += 1
            increase(rate)


@jit_apart
def receive_cnp(run, q, now_ps):
    """Slow queue pair q down: a packet of it met congestion."""
    qp = get_requester(run, q)
    qp.rp_cnp_handled += 1
    rate = get_rate(run, q)
    if qp.in_error or rate.rate_control != DCQCN:
        return
    quiet = (now_ps - rate.alpha_since_ps) // rate.alpha_ps
    if quiet > 0:
        rate.alpha *= math.exp(quiet * math.log1p(-rate.gain))
    bring_up_to_date(rate, now_ps)
    rate.target_bps = rate.rate_bps
    cut = np.int64(math.floor(rate.rate_bps * (1.0 - rate.alpha / 2.0)))
    rate.rate_bps = max(rate.least_bps, cut)
    rate.alpha = (1.0 - rate.gain) * rate.alpha + rate.gain
    rate.alpha_since_ps = now_ps
    rate.rate_since_ps = now_ps
    rate.timer_steps = 0
    rate.byte_steps = 0
    rate.sent_bytes = 0


@jit
def bring_up_to_date(rate, now_ps):
    """Take the steps of the rate timer up to now; there are none at the full rate."""
    while rate.rate_bps < rate.line_bps and rate.rate_since_ps + rate.increase_ps <= now_ps:
        rate.rate_since_ps += rate.increase_ps
        rate.timer_steps += 1
        increase(rate)


@jit
def increase(rate):
    """Grow by a step: fast recovery to the target, then move that up a little, then faster."""
    lesser = min(rate.timer_steps, rate.byte_steps)
    if max(rate.timer_steps, rate.byte_steps) >= rate.fast_steps:
        step = rate.add_bps
        if lesser > rate.fast_steps:
            step = (lesser - rate.fast_steps) * rate.hyper_bps
        rate.target_bps = min(rate.line_bps, rate.target_bps + step)
    rate.rate_bps = (rate.rate_bps + rate.target_bps + 1) // 2
