"""What a small network can have besides cables: lines, their ways, pools and watchdogs."""

from wanrdma.kernels.tables import NOWHERE, PACKETS

from .small import Row, Small


def lay(small: Small, port: int) -> tuple[int, int]:
    """Make the cable at a port a line, and return its rows of `lines`, there and back."""
    ends = (port, small.ports[port]["peer"])
    there, back = (_row(small, end) for end in ends)
    for end, out, into in ((port, there, back), (ends[1], back, there)):
        small.ports[end].update(line=out, line_in=into)
    return there, back


def add_way(small: Small, port: int, delay_ps: int) -> tuple[int, int]:
    """Give the line at a port another way, and return its rows of `lines`, there and back."""
    return lay(small, stand_in(small, port, delay_ps))


def add_control(small: Small, row: int, delay_ps: int, **fields: int) -> int:
    """Give a row of `lines` a control channel, and return the port that this leaves from.

    The keywords are fields of that port.
    """
    port = small.ports[small.lines[row]["port"]]["stands_for"]
    control = stand_in(small, port, delay_ps, **fields)
    lay(small, control)
    small.lines[row]["control"] = control
    if small.ports[port]["line"] == row:
        small.ports[port]["control"] = control
    return control


def stand_in(small: Small, port: int, delay_ps: int, **fields: int) -> int:
    """Add two ports that stand for this one and its peer, and return the first."""
    first = len(small.ports)
    peer = small.ports[port]["peer"]
    for real, other in ((port, first + 1), (peer, first)):
        row = small.ports[real]
        small.port(
            peer=other,
            is_host=row["is_host"],
            stands_for=real,
            way=len(small.ports),
            ps_per_byte=row["ps_per_byte"],
            delay_ps=delay_ps,
        )
    small.ports[first].update(fields)
    return first


def break_line(small: Small, row: int, *spells: tuple[int, int]) -> None:
    """Lose what is in service within these times by a row of `lines`."""
    port = small.lines[row]["port"]
    small.lines[row]["has_errors"] = 1
    if small.ports[port]["line"] == row:
        small.ports[port]["has_errors"] = 1
    first = len(small.spells)
    small.spells += [{"from_ps": begin, "to_ps": end} for begin, end in spells]
    process = {"process": PACKETS} | small.errors[port]
    small.errors[port] = process | {"spell": first, "spell_end": len(small.spells)}


def share(small: Small, lanes: list[tuple[int, int]], shared_bytes: int, **fields: float) -> Row:
    """Let lanes, each a port and a priority, share a buffer, and return its row of `pools`.

    The keywords are fields of the lanes.
    """
    small.pools.append({"shared_bytes": shared_bytes})
    pool = len(small.pools) - 1
    for port, priority in lanes:
        small.lane(port, priority).update(ingress_limit_bytes=1, pool=pool, **fields)
    return small.pools[pool]


def _row(small: Small, port: int) -> int:
    row = small.ports[port]
    small.lines.append(
        {
            "port": port,
            "delay_ps": row["delay_ps"],
            "has_errors": row.get("has_errors", 0),
            "control": NOWHERE,
        }
    )
    return len(small.lines) - 1
