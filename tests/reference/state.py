"""The final state of a run, of the kernels or of the twin, seen in one way."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from wanrdma.kernels.tables import LOG_ENTITIES, PRIORITIES, Tables

from .records import Row, Stall, Twin


@dataclass
class State:
    """The final state of either side, as records with the same names."""

    ports: list[Any]
    errors: list[Any]
    lanes: list[Any]
    pools: list[Any]
    changes: list[Any]
    queue_pairs: list[Any]
    rates: list[Any]
    operations: list[Any]
    flows: list[Any]
    probes: list[Row]
    log: list[tuple[int, int, int, int]]
    stalls: list[Stall]
    clock_ps: int
    packet_hops: int
    operations_left: int


def state_of(run: Twin | Tables, site: Any = None) -> State:
    """Look at a twin or at the tables of a kernel in one way; `site` is each port's."""
    if isinstance(run, Twin):
        site = [0] * len(run.ports) if site is None else site
        return State(
            run.ports,
            run.errors,
            run.lanes,
            run.pools,
            run.changes,
            run.queue_pairs,
            run.rates,
            run.operations,
            run.flows,
            sorted(run.probes, key=lambda row: site[row.port]),
            sorted(run.log, key=lambda row: (row[0], site[_port_of(run, row)])),
            sorted(run.stalls, key=lambda row: (row.time_ps, site[_sender_of(run, row)])),
            run.clock_ps,
            run.packet_hops,
            run.operations_left,
        )
    rows = run.probe_rows()
    columns = [rows[name].tolist() for name in Row._fields]
    return State(
        _records(run.ports),
        _records(run.errors),
        _lanes(run),
        _records(run.pools),
        _records(run.changes),
        [
            SimpleNamespace(**vars(sends) | vars(receives))
            for sends, receives in zip(
                _records(run.requesters), _records(run.responders), strict=True
            )
        ],
        _records(run.rates),
        _records(run.operations),
        _records(run.flows),
        [Row(*values) for values in zip(*columns, strict=True)],
        run.log_rows().tolist(),
        [Stall(*row) for row in run.stall_rows().tolist()],
        int(run.run["clock_ps"].max()),
        run.packet_hops(),
        run.total("operations_left"),
    )


def _lanes(tables: Tables) -> list[Any]:
    """Return the lanes, each with its bit of its port's storms."""
    lanes = _records(tables.lanes)
    storming = tables.ports["storming"].tolist()
    for n, lane in enumerate(lanes):
        lane.is_storm = storming[n // PRIORITIES] >> n % PRIORITIES & 1
    return lanes


def _port_of(twin: Twin, row: tuple[int, int, int, int]) -> int:
    """Return the port that a row of the log is of; a queue pair's is its sender's."""
    _, kind, entity, _ = row
    if LOG_ENTITIES[kind] == "queue_pair":
        return twin.queue_pairs[entity].sender_port
    return entity // PRIORITIES if LOG_ENTITIES[kind] == "lane" else entity


def _sender_of(twin: Twin, row: Stall) -> int:
    return twin.queue_pairs[row.queue_pair].sender_port


def _records(table: Any) -> list[SimpleNamespace]:
    """Take records as Python numbers."""
    names = table.dtype.names
    return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in table.tolist()]
