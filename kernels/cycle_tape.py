"""The tape of a cycle: what time bins must know of one period, so that a jump can go over many.

While a period is emulated it is noted what enters each port, what is sent, and what is delivered,
and when. Bins that end in the time that is left out get what of the periods falls into them.
"""

from .access import get_flow, get_own_flow, get_own_port, get_port, get_taped, imaged_port
from .bins import close_played_bin
from .cycle_image import DELIVERED_BYTES, FLOW_WORDS, image_word
from .jit import jit, jit_apart
from .tables import DELIVERS, ENTERS, SENDS


@jit
def start_tape(run):
    """Begin to note what happens."""
    run.taping = 1
    run.tape_size = 0
    run.is_taped = 0


@jit_apart
def end_tape(run):
    """End the tape of a period, and see whether it has all that happened in it."""
    run.is_taped = 0
    if not run.taping:
        return
    run.taping = 0
    for place in range(run.own_ports_count):
        port, then = get_port(run, get_own_port(run, place)), imaged_port(run, place)
        if port.paused or port.rx_pause != then.rx_pause:
            return  # how long it was paused in a bin is not on it
        port.border_bytes = then.tx_bytes - port.tx_bytes
    stored = 0
    delivered = 0
    for k in range(run.tape_size):
        row = get_taped(run, k)
        if row.kind == ENTERS:
            stored += row.bytes
        elif row.kind == SENDS:
            get_port(run, row.entity).border_bytes += row.bytes
            stored -= row.level_bytes
            row.end_ps = end_in_period(run, row)
        else:
            delivered += row.bytes
    for place in range(run.own_flows_count):
        delivered -= delivered_in_period(run, place)
    for place in range(run.own_ports_count):
        if get_port(run, get_own_port(run, place)).border_bytes != 0:
            return
    if stored == 0 and delivered == 0:
        run.is_taped = 1


@jit
def end_in_period(run, row):
    """Return when in a period a frame ends, as if one period were all."""
    end_ps = row.end_ps % run.period_ps
    if end_ps == 0 and get_port(run, row.entity).busy_until_ps != run.now_ps:
        return run.period_ps  # it has ended before the packet at which the period does
    return end_ps


@jit
def delivered_in_period(run, place):
    """Return how much of an own flow was delivered since the image, in bytes."""
    flow = get_flow(run, get_own_flow(run, place))
    return flow.delivered_bytes - image_word(
        run, run.image_flows + FLOW_WORDS * place, DELIVERED_BYTES
    )


@jit_apart
def play_periods(run, periods):
    """Let the ports have sent, and the flows delivered, so many periods; close bins that end."""
    end_ps = run.now_ps + periods * run.period_ps
    if run.bin_end_ps > end_ps:
        for place in range(run.own_ports_count):
            port = get_port(run, get_own_port(run, place))
            port.tx_bytes += periods * (port.tx_bytes - imaged_port(run, place).tx_bytes)
            port.peak_bytes = max(port.peak_bytes, port.cycle_peak_bytes)
        for place in range(run.own_flows_count):
            flow = get_flow(run, get_own_flow(run, place))
            flow.bin_bytes += periods * delivered_in_period(run, place)
        return
    from_ps = 0
    while run.bin_end_ps <= end_ps:
        to_ps = run.bin_end_ps - run.now_ps
        play(run, from_ps, to_ps)
        close_played_bin(run)
        from_ps = to_ps
    play(run, from_ps, -periods)


@jit_apart
def play(run, from_ps, to_ps):
    """Let happen what does between two times after now; to_ps < 0: up to the end of -to_ps periods.

    `border_bytes` of the ports is then what they store, were they only played up to that time.
    """
    period_ps = run.period_ps
    whole_from, part_from = from_ps // period_ps, from_ps % period_ps
    whole_to, part_to = to_ps // period_ps, to_ps % period_ps
    for place in range(run.own_ports_count):
        port = get_port(run, get_own_port(run, place))
        port.border_bytes = port.queued_bytes
    for k in range(run.tape_size):
        row = get_taped(run, k)
        before = times_before(row.after_ps, period_ps, whole_from, part_from)
        after = -to_ps
        if to_ps >= 0:
            after = times_before(row.after_ps, period_ps, whole_to, part_to)
        times = after - before
        if row.kind == DELIVERS:
            get_flow(run, row.entity).bin_bytes += times * row.bytes
            continue
        port = get_port(run, row.entity)
        if row.kind == ENTERS:
            port.border_bytes += after * row.bytes
            if times > 0:
                port.peak_bytes = max(port.peak_bytes, row.level_bytes)
        else:
            port.tx_bytes += times * row.bytes
            left = times_before(row.end_ps, period_ps, whole_to, part_to)
            port.border_bytes -= left * row.level_bytes


@jit
def times_before(after_ps, period_ps, whole, part_ps):
    """Return how often what happens once a period, so long after its begin, has before a time.

    The time is so many whole periods and a part of one from now on.
    """
    if after_ps == period_ps:  # no later than the packet at which the period ends
        return max(0, whole - 1 + (part_ps > 0))
    return whole + (after_ps < part_ps)
