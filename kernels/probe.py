"""The per-packet probe: one row a departure and one an arrival, off by default."""

from .access import get_packet, get_probe
from .jit import jit_inlined
from .tables import NOWHERE, PFC

ROWS_AN_EVENT = 3  # at most


@jit_inlined
def record(run, time_ps, p, i, is_arrival):
    """Note that packet i left port p (departure) or entered it (arrival)."""
    if not run.probing:
        return
    packet = get_packet(run, i)
    row = get_probe(run, run.probe_size)
    row.time_ps = time_ps
    row.port = p
    row.queue_pair = NOWHERE if packet.kind >= PFC else packet.queue_pair
    row.psn = packet.psn
    row.size_bytes = packet.size_bytes
    row.kind = packet.kind
    row.flags = packet.flags
    row.is_arrival = is_arrival
    run.probe_size += 1
