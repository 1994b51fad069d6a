"""A line between two sites: what is on it, from the sender's hand to the receiver's.

The sites may be of two groups that advance apart, neither further than light takes from the
one to the other. So a line is a ring of packets: the sender adds at one end, the receiver
takes at the other, and it sees what was sent when the two meet (`hand_over`).
"""

import numpy as np

from .access import copy_packet, get_line, get_on_line, get_own_line, get_packet, get_port
from .calendar import push_arrival
from .jit import jit, jit_inlined
from .packets import give_back, take_any
from .tables import LOST, NOWHERE, TRAIN
from .train import write_out

KEPT_SHARE = 4  # a quarter of a ring keeps what has been taken, for kernels/cycle.py to look at


@jit_inlined
def put_on_line(run, port, i):
    """Send packet i over the line of a port.

    Where it was another way not long ago, a longer one, what is still on that is not overtaken.
    """
    line = get_line(run, np.int64(port.line))
    packet = get_packet(run, i)
    line_ps = packet.size_bytes * port.ps_per_byte
    packet.arrival_ps = max(packet.arrival_ps, line.last_ps + line_ps)
    if not packet.flags & LOST:
        packet.arrival_ps = max(packet.arrival_ps, port.last_arrival_ps + line_ps)
        port.last_arrival_ps = packet.arrival_ps
    line.last_ps = packet.arrival_ps
    put_on_way(run, line, i)


@jit_inlined
def put_on_way(run, line, i):
    """Move packet i from the pool to a line, where it arrives after the one before it."""
    copy_packet(get_packet(run, i), get_on_line(line, line.sent))
    line.sent += 1
    give_back(run, i)
    if line.is_inside:
        hand_over(run, line)


@jit_inlined
def take_from_line(run, line_index):
    """Move the packet that reaches the end of a line to the pool, and announce the next."""
    line = get_line(run, line_index)
    i = take_any(run)
    copy_packet(get_on_line(line, line.received), get_packet(run, i))
    get_packet(run, i).next = NOWHERE
    line.received += 1
    line.announced = 0
    announce(run, line)
    return i


@jit
def hand_over(run, line):
    """Let the receiver know of all that was sent. `run` is the receiver's."""
    line.visible = line.sent
    line.freed = freed_of(line)
    announce(run, line)


@jit
def announce(run, line):
    """Announce the arrival of the next packet on a line, unless that is done or there is none."""
    if line.announced or line.received == line.visible:
        return
    line.announced = 1
    packet = get_on_line(line, line.received)
    if packet.kind == TRAIN:
        write_out(line, line.received)
    push_arrival(run, line.port, packet, NOWHERE)


@jit
def announce_lines(run, g):
    """Announce what has become visible on the lines to group g since it was last at work."""
    for i in range(run.lines_count):
        line = get_line(run, i)
        if get_port(run, get_port(run, line.port).peer).group == g:
            announce(run, line)


@jit
def freed_of(line):
    """Return how many of the packets that were ever put on a line may be written over."""
    return max(0, line.received - line.ring_count // KEPT_SHARE)


@jit
def room_on(line):
    """Return how many packets can be sent before a line is full."""
    # Of another group's hand it is known only what it had taken at the last meeting.
    freed = freed_of(line) if line.is_inside else line.freed
    return line.ring_count - (line.sent - freed)


@jit
def room_on_lines(run):
    """Return how many packets can be sent before a line that leaves from the group is full."""
    room = run.packets_count
    for place in range(run.own_lines_count):
        room = min(room, room_on(get_line(run, get_own_line(run, place))))
    return room
