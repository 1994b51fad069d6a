"""How fast a paced queue pair sends: FIXED, or DCQCN (Zhu et al., SIGCOMM 2015, section 5)."""

import math

from wanrdma.kernels.tables import DCQCN

from .records import Rate

BIT_PS = 10**12  # of one bit, at 1 bit/s


def data_starts(rate: Rate, size_bytes: int, now: int) -> None:
    """Say when the next packet may start, as the service of one starts."""
    if rate.rate_control == DCQCN:
        bring_up_to_date(rate, now)
    rate.next_send_ps = now - (-8 * BIT_PS * size_bytes // rate.rate_bps)  # rounded up
    if rate.rate_control == DCQCN and rate.rate_bps < rate.line_bps:
        rate.sent_bytes += size_bytes
        while rate.sent_bytes >= rate.increase_bytes:
            rate.sent_bytes -= rate.increase_bytes
            rate.byte_steps += 1
            increase(rate)


def cnp_comes(rate: Rate, now: int) -> None:
    """Slow down: a packet was marked."""
    periods = (now - rate.alpha_since_ps) // rate.alpha_ps
    if periods > 0:
        rate.alpha = rate.alpha * math.exp(periods * math.log1p(-rate.gain))
    bring_up_to_date(rate, now)
    rate.target_bps = rate.rate_bps
    rate.rate_bps = max(rate.least_bps, math.floor(rate.rate_bps * (1 - rate.alpha / 2)))
    rate.alpha = (1 - rate.gain) * rate.alpha + rate.gain
    rate.alpha_since_ps = rate.rate_since_ps = now
    rate.timer_steps = rate.byte_steps = rate.sent_bytes = 0


def bring_up_to_date(rate: Rate, now: int) -> None:
    """Increase the rate by every period that has passed, until it is the line's."""
    while rate.rate_bps < rate.line_bps and now >= rate.rate_since_ps + rate.increase_ps:
        rate.rate_since_ps += rate.increase_ps
        rate.timer_steps += 1
        increase(rate)


def increase(rate: Rate) -> None:
    """Go half the way to the target, which itself grows after the fast recovery."""
    fewer, more = sorted((rate.timer_steps, rate.byte_steps))
    if more >= rate.fast_steps:
        if fewer > rate.fast_steps:
            rate.target_bps += (fewer - rate.fast_steps) * rate.hyper_bps
        else:
            rate.target_bps += rate.add_bps
        rate.target_bps = min(rate.target_bps, rate.line_bps)
    rate.rate_bps = (rate.rate_bps + rate.target_bps + 1) // 2
