"""Time series in a fixed number of bins: when they are full, each two become one.

So a run of a microsecond and one of a day cost the same memory, and idle time costs nothing.
All rows of a bin lie side by side in memory: that is how they are written.
"""

import numpy as np

from .access import get_flow, get_lane, get_own_flow, get_own_port, get_port, load, store
from .bits import highest_bit
from .cycle_peaks import note_peak
from .jit import entry, jit
from .pfc import open_pause
from .serve import has_ended_quietly, settle
from .tables import PRIORITIES


@jit
def close_bins(run, now_ps):
    """Write what the current bin gathered, and move on to the bin of `now_ps`."""
    _store_flows(run)
    while now_ps // run.bin_width_ps >= run.bins:
        _store_ports(run, (run.bin + 1) * run.bin_width_ps)
        _fill_to_end(run)
        _fold(run)
    target = now_ps // run.bin_width_ps
    while run.bin < target:
        _store_ports(run, (run.bin + 1) * run.bin_width_ps)
        run.bin += 1
    run.bin_end_ps = (run.bin + 1) * run.bin_width_ps


@jit
def close_played_bin(run):
    """Write what a bin gathered that a jump goes over (kernels/cycle_tape.py), and move on."""
    _store_flows(run)
    for place in range(run.own_ports_count):
        p = get_own_port(run, place)
        port = get_port(run, p)
        at = run.bin * run.ports_count + p
        _store_queue_and_sent(run, port, at, port.border_bytes)
        _store_pauses(run, p, at, run.bin_end_ps)
    if run.bin + 1 == run.bins:
        _fold(run)
    run.bin += 1
    run.bin_end_ps = (run.bin + 1) * run.bin_width_ps


@entry
def store_partial_bin(runs, before_ps):
    """Write what the current bin gathered so far, up to the clock. May be done repeatedly.

    `before_ps`: all events before this time have been handled. A group may already be in a later
    bin than the clock, by an event that then proved void: all are brought to the same bin.
    """
    clock_ps = np.int64(0)
    end_ps = np.int64(0)
    for g in range(len(runs)):
        clock_ps = max(clock_ps, _clock(runs[g], before_ps))
        end_ps = max(end_ps, runs[g].bin * runs[g].bin_width_ps)
    end_ps = max(end_ps, clock_ps)
    for g in range(len(runs)):
        _store_up_to(runs[g], end_ps)
        runs[g].clock_ps = clock_ps
        for place in range(runs[g].own_ports_count):
            settle(runs[g], get_own_port(runs[g], place), before_ps)


@jit
def _clock(run, before_ps):
    """Return the time of the last thing that happened; frees nothing: bins are still open."""
    clock_ps = run.clock_ps
    for place in range(run.own_ports_count):
        port = get_port(run, get_own_port(run, place))
        if has_ended_quietly(port, before_ps):
            clock_ps = max(clock_ps, port.busy_until_ps)
    return clock_ps


@jit
def _store_up_to(run, end_ps):
    if end_ps >= run.bin_end_ps:
        close_bins(run, end_ps)
    _store_flows(run)
    _store_ports(run, end_ps)


@jit
def _fill_to_end(run):
    while run.bin < run.bins - 1:
        run.bin += 1
        _store_ports(run, (run.bin + 1) * run.bin_width_ps)


@jit
def _store_flows(run):
    for place in range(run.own_flows_count):
        f = get_own_flow(run, place)
        flow = get_flow(run, f)
        _add(run.goodput_bins_at, run.bin * run.flows_count + f, flow.bin_bytes)
        flow.bin_bytes = 0


@jit
def _store_ports(run, end_ps):
    for place in range(run.own_ports_count):
        p = get_own_port(run, place)
        port = get_port(run, p)
        at = run.bin * run.ports_count + p
        settle(run, p, end_ps)
        _store_queue_and_sent(run, port, at, port.queued_bytes)
        _store_pauses(run, p, at, end_ps)


@jit
def _store_pauses(run, p, at, end_ps):
    """Write how long a port was paused in a bin that ends at a time."""
    port = get_port(run, p)
    if port.rx_pause == 0:
        return
    total = port.paused_ps
    paused = port.paused
    while paused:
        priority = highest_bit(paused)
        paused &= ~(1 << priority)
        total += open_pause(get_lane(run, p * PRIORITIES + priority), end_ps)
    _add(run.pause_bins_at, at, total - port.binned_pause_ps)
    port.binned_pause_ps = total


@jit
def _store_queue_and_sent(run, port, at, queued_bytes):
    """Write the largest queue of a bin, and what was sent; the next one begins with a queue."""
    note_peak(port)
    largest = max(load(run.queue_bins_at, at), port.bin_max_queued_bytes)
    store(run.queue_bins_at, at, largest)
    port.peak_bytes = queued_bytes
    port.bin_max_queued_bytes = queued_bytes
    sent_bytes = port.tx_bytes - port.binned_tx_bytes
    if sent_bytes > 0:
        _add(run.sent_bins_at, at, sent_bytes)
        port.binned_tx_bytes = port.tx_bytes


@jit
def _add(series_at, place, value):
    store(series_at, place, load(series_at, place) + value)


@jit
def _fold(run):
    """Make one bin of each two, and move on to the first that is free then."""
    half = run.bins // 2
    for b in range(half):
        for place in range(run.own_flows_count):
            f = get_own_flow(run, place)
            _fold_bin(run.goodput_bins_at, b, run.flows_count, f, False)
        for place in range(run.own_ports_count):
            p = get_own_port(run, place)
            _fold_bin(run.pause_bins_at, b, run.ports_count, p, False)
            _fold_bin(run.queue_bins_at, b, run.ports_count, p, True)
            _fold_bin(run.sent_bins_at, b, run.ports_count, p, False)
    run.bin_width_ps *= 2
    run.bin = half - 1


@jit
def _fold_bin(series_at, b, rows, row, largest):
    """Make bin b of a series of bins 2 b and 2 b + 1, which become free."""
    places = 2 * b * rows + row, (2 * b + 1) * rows + row
    first, second = load(series_at, places[0]), load(series_at, places[1])
    store(series_at, places[0], 0)
    store(series_at, places[1], 0)
    store(series_at, b * rows + row, max(first, second) if largest else first + second)
