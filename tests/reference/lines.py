"""Lines and their ways: when what is put on one arrives, and whether it does in one piece."""

from wanrdma.kernels.tables import DAMAGED, LOST, NOWHERE

from .errors import Line
from .records import Packet, Port, Twin

AFTER_ANOTHER_PS = 1  # between two arrivals by a control channel


def arrival_ps(twin: Twin, port: Port, departure_ps: int, line_ps: int, is_lost: bool) -> int:
    """Put a frame of so much line time on what leaves from a port, and say when it arrives."""
    if port.line == NOWHERE:
        return departure_ps + port.delay_ps
    way = twin.ways[port.line]
    arrival = max(departure_ps + port.delay_ps, way.last_ps + line_ps)
    if not is_lost:
        arrival = max(arrival, port.last_arrival_ps + line_ps)
        port.last_arrival_ps = arrival
    way.last_ps = arrival
    return arrival


def control_arrival_ps(twin: Twin, port: Port, now: int) -> int:
    """Put a message on the control channel of a port, and say when it arrives."""
    delay_ps = twin.ways[twin.ports[port.control].line].delay_ps
    port.last_control_ps = max(now + delay_ps, port.last_control_ps + AFTER_ANOTHER_PS)
    return port.last_control_ps


def switch(twin: Twin, port: Port, row: int, may_overtake: bool) -> None:
    """Let what a port sends from now on go by another row of `lines`."""
    way = twin.ways[row]
    port.line = row
    port.delay_ps, port.has_errors = way.delay_ps, way.has_errors
    port.way, port.control = way.port, way.control
    if may_overtake:
        port.last_arrival_ps = 0


def fate(
    twin: Twin, row: int, byte_ps: int, frame: Packet, start_ps: int, departure_ps: int
) -> int:
    """Return what a row of the errors does to a frame, as a flag: LOST, DAMAGED, or none."""
    line = Line(twin.seed, row, byte_ps, twin.errors[row])
    if line.loses(start_ps, departure_ps, twin.spells):
        return LOST
    if start_ps == departure_ps:  # a control message: it has no bits on the line
        return 0
    return DAMAGED if line.hits(frame, start_ps, twin.error_changes) else 0
