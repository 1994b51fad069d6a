"""What a small network can have besides cables: lines, their ways, pools and watchdogs."""

import random

from wanrdma.kernels.tables import (
    GO,
    HINT,
    NOWHERE,
    PACKETS,
    PRIORITIES,
    RATE,
    STOP,
    STORM_BEGINS,
    STORM_ENDS,
    SWITCH,
)

from .small import Row, Small, busier


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


def busiest(seed: int) -> Small:
    """Let all that can happen to lines and buffers happen to a busy network."""
    chance = random.Random(f"busiest {seed}")
    small = busier(seed)
    ends, hosts = (0, 1), range(3, len(small.ports), 2)
    rows = [*lay(small, 0)]  # the first of each pair leaves from port 0
    for _ in range(2):
        rows += add_way(small, 0, chance.choice([0, 20_000, 400_000]))
    for row in rows:
        if chance.random() < 0.5:
            edges = sorted(chance.randrange(3_000_000) for _ in range(4))
            break_line(small, row, *zip(edges[::2], edges[1::2], strict=True))
        if chance.random() < 0.5:
            control = add_control(small, row, chance.choice([1, 50_000]), pause_ps=300_000)
            if chance.random() < 0.5:
                break_line(small, small.ports[control]["line"], (500_000, 900_000))
    for end in ends:
        for _ in range(chance.choice([0, 2])):
            way, overtakes = chance.choice(rows[end::2]), chance.choice([0, 1])
            small.change(chance.randrange(2_000_000), SWITCH, end, way, overtakes)
        if chance.random() < 0.5:
            at = chance.randrange(1_000_000)
            small.change(at, STOP, end)
            small.change(at + chance.randrange(500_000), GO, end)
    if chance.random() < 0.5:
        at, byte_ps = chance.randrange(1_000_000), chance.choice([5, 30])
        for end in ends:
            small.change(at, RATE, end, byte_ps)
    for port in chance.sample(hosts, 2):
        at = chance.randrange(1_000_000)
        small.change(at, STORM_BEGINS, port, chance.choice([0x01, 0x09, 0xFF]))
        small.change(at + chance.randrange(1_000_000), STORM_ENDS, port, 0xFF)
    for q in range(len(small.queue_pairs)):
        small.change(chance.randrange(1_000_000), HINT, q, 50_000, 700_000)
    for fields in small.ports:
        if fields["stands_for"] == fields["way"] and chance.random() < 0.7:
            fields["watch_ps"] = chance.choice([30_000, 200_000])
            fields["restore_ps"] = chance.choice([0, 100_000])
            fields["watch_drops"] = chance.choice([0, 1])
    for left in (0, 1):
        ports = [left, *range(2 + 2 * left, 14, 4)]  # of one switch
        lanes = [(p, c) for p in ports for c in range(PRIORITIES) if small.is_lossless(p, c)]
        lanes = [lane for lane in lanes if chance.random() < 0.7]
        limit = chance.choice([1000, 6000])
        pool = share(small, lanes, 20_000, alpha=0.7, headroom_limit_bytes=limit)
        pool["headroom_bytes"] = 2 * limit
    return small


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
