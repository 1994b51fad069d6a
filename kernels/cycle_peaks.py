"""The largest queue of a port: since a group's image was taken, of a time bin, of the run."""

from .access import get_own_port, get_port
from .jit import jit, jit_apart


@jit_apart
def begin_cycle_peaks(run):
    """Begin anew with the largest queues since the image."""
    for place in range(run.own_ports_count):
        port = get_port(run, get_own_port(run, place))
        port.cycle_peak_bytes = port.queued_bytes


@jit_apart
def note_peaks(run):
    """Note the largest queues so far, and begin anew."""
    for place in range(run.own_ports_count):
        note_peak(get_port(run, get_own_port(run, place)))


@jit
def note_peak(port):
    """Note the largest queue of a port so far, and begin anew."""
    port.bin_max_queued_bytes = max(port.bin_max_queued_bytes, port.peak_bytes)
    port.max_queued_bytes = max(port.max_queued_bytes, port.peak_bytes)
    port.cycle_peak_bytes = max(port.cycle_peak_bytes, port.peak_bytes)
    port.peak_bytes = port.queued_bytes
