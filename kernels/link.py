"""Putting a frame on a link: the departure of its last bit, and its arrival at the peer."""

import numpy as np

from .access import get_packet, get_port
from .calendar import push_arrival
from .cycle_note import tape
from .errors import what_hits
from .jit import jit
from .line import put_on_line
from .packets import join_flight
from .probe import record
from .tables import NOTICE, NOWHERE, PFC, SENDS


@jit
def start_frame(run, p, i, now_ps):
    """Start the service of packet i at port p; return its departure."""
    port = get_port(run, p)
    packet = get_packet(run, i)
    size = np.int64(packet.size_bytes)
    departure = now_ps + size * port.ps_per_byte
    if port.has_errors:
        packet.flags |= what_hits(run, np.int64(port.way), size, port.ps_per_byte, now_ps)
    packet.arrival_ps = departure + port.delay_ps
    if packet.kind == PFC:
        port.tx_pause += 1
    elif packet.kind != NOTICE:
        port.tx_packets += 1
        port.tx_bytes += size
        if run.taping:
            left = 0 if port.released_lane == NOWHERE else np.int64(port.released_bytes)
            tape(run, SENDS, p, size, departure, left)
    port.busy_until_ps = departure
    record(run, departure, p, i, 0)
    if port.line != NOWHERE:
        put_on_line(run, port, i)
        return departure
    first_in_flight = port.flight_head == NOWHERE
    join_flight(run, port, i)
    if first_in_flight:
        push_arrival(run, p, packet, i)
    return departure
