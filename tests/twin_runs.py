"""Small runs of the twin, and what to ask of them."""

import numpy as np
from reference.emulator import Twin, emulate, invariants
from reference.reading import LANE_INPUT
from reference.small import Small

from wanrdma.kernels import tables as records
from wanrdma.kernels.tables import DATA, PRIORITIES

RTT = 48_000  # of one packet, its own line time included
PACKET = 20_000
TIMEOUT = 1_000_000
THERE, BACK = [0, 2], [3, 1]


def run(small: Small, stop_ps=None, drop=None, lossless=()) -> Twin:
    twin = emulate(small.tables(), stop_ps, drop)
    assert invariants(twin, lossless) == []
    return twin


def lose(*frames):
    """Damage these frames, each named by its port and its place among the port's frames."""
    return lambda port, k: (port, k) in frames


def lane(twin: Twin, port: int, priority: int = 3):
    return twin.lanes[PRIORITIES * port + priority]


def departures(twin: Twin, port: int, kind: int = DATA) -> list[int]:
    return [
        row.time_ps
        for row in twin.probes
        if (row.port, row.kind, row.is_arrival) == (port, kind, 0)
    ]


def by_kernel(small: Small, twin: Twin):
    """Fill tables with what the twin found, as if a kernel had."""
    tables = small.tables()
    probes = np.array([tuple(row) for row in twin.probes], dtype=records.probe)
    stalls = np.array([tuple(row) for row in twin.stalls], dtype=records.stall)
    log = np.array(twin.log, dtype=records.logged)
    tables.groups[0] = tables.groups[0]._replace(probes=probes, stalls=stalls, log=log)
    tables.run["probe_size"] = len(probes)
    tables.run["stalls_size"] = len(stalls)
    tables.run["log_size"] = len(log)
    for n, lane in enumerate(twin.lanes):
        tables.ports["storming"][n // PRIORITIES] |= lane.is_storm << n % PRIORITIES
    for name in ("clock_ps", "operations_left"):
        tables.run[name] = getattr(twin, name)
    of_twin = {"requesters": "queue_pairs", "responders": "queue_pairs"}
    for name in (*of_twin, "rates", "ports", "errors", "lanes", "operations", "flows", "pools"):
        table = getattr(tables, name)
        for row, record in zip(table, getattr(twin, of_twin.get(name, name)), strict=True):
            for column in table.dtype.names:
                is_input = name == "lanes" and column in LANE_INPUT
                if not is_input and hasattr(record, column):
                    row[column] = getattr(record, column)
    return tables
