"""From the run's record to the rows of its tables: ``get_port(run, p)``, ``get_lane(run, i)``.

A kernel gets one record, `run`, that holds the address and the length of every table; a row
is a record in place, so that ``get_port(run, p).queued_bytes += size`` changes the table.
Measured: passing the tables themselves (17 arrays of 7 words) cost 600 of 700 ns a packet-hop
in copies and reference counts. The engine owns the tables and keeps them alive.

With NUMBA_BOUNDSCHECK=1 a row that does not exist raises IndexError, as for arrays.
"""

import ctypes
from functools import lru_cache

import numpy as np
from numba import from_dtype, types
from numba.core import config
from numba.extending import intrinsic

from . import tables
from .jit import jit

CHECKED = bool(config.BOUNDSCHECK) or config.DISABLE_JIT
INT64 = np.dtype(np.int64)


def _row_maker(dtype):
    """Return a function (address, row) -> the record there."""
    record = from_dtype(dtype)

    @intrinsic
    def row(_typing, _address, _place):
        def make(context, builder, _signature, arguments):
            size = context.get_constant(types.int64, dtype.itemsize)
            where = builder.add(arguments[0], builder.mul(arguments[1], size))
            return builder.inttoptr(where, context.get_value_type(record))

        return record(types.int64, types.int64), make

    return row


@intrinsic
def load(_typing, _address, _place):
    """Return one element of the int64 array at an address."""

    def make(context, builder, _signature, arguments):
        return builder.load(_element(context, builder, arguments))

    return types.int64(types.int64, types.int64), make


@intrinsic
def store(_typing, _address, _place, _value):
    """Set one element of the int64 array at an address."""

    def make(context, builder, _signature, arguments):
        builder.store(arguments[2], _element(context, builder, arguments))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), make


def _element(context, builder, arguments):
    size = context.get_constant(types.int64, INT64.itemsize)
    where = builder.add(arguments[0], builder.mul(arguments[1], size))
    return builder.inttoptr(where, context.get_value_type(types.int64).as_pointer())


@lru_cache(maxsize=4096)
def _memory(address, dtype):
    """Return the element at an address, in plain Python (JIT off, tests only)."""
    return np.frombuffer((ctypes.c_char * dtype.itemsize).from_address(address), dtype)


class _Row:
    """A record in plain Python. np.record hides a field that is called as one of its own: `flags`.

    Numba widens what it reads to 64 bits; so does this.
    """

    __slots__ = ("_record",)

    def __init__(self, record):
        object.__setattr__(self, "_record", record)

    def __getattr__(self, name):
        return self._record[name].item()

    def __setattr__(self, name, value):
        self._record[name] = value


if config.DISABLE_JIT:

    def _row_maker(dtype):
        size = dtype.itemsize
        return lambda address, place: _Row(_memory(int(address + place * size), dtype)[0])

    def load(address, place):
        """Return one element of the int64 array at an address."""
        return int(_memory(int(address + 8 * place), INT64)[0])

    def store(address, place, value):
        """Set one element of the int64 array at an address."""
        _memory(int(address + 8 * place), INT64)[0] = value


_port = _row_maker(tables.port)
_lane = _row_maker(tables.lane)
_packet = _row_maker(tables.packet)
_queue_pair = _row_maker(tables.queue_pair)
_operation = _row_maker(tables.operation)
_flow = _row_maker(tables.flow)
_event = _row_maker(tables.event)
_probe = _row_maker(tables.probe)
_logged = _row_maker(tables.logged)


@jit
def check(place, count):
    """Raise IndexError for a row that a table does not have, where that is asked for."""
    if CHECKED and not 0 <= place < count:
        raise IndexError("no such row")


@jit
def get_port(run, p):
    """Return port p."""
    check(p, run.ports_count)
    return _port(run.ports_at, p)


@jit
def get_lane(run, i):
    """Return lane i: lane c of port p is row PRIORITIES * p + c."""
    check(i, run.lanes_count)
    return _lane(run.lanes_at, i)


@jit
def get_packet(run, i):
    """Return packet i of the pool."""
    check(i, run.packets_count)
    return _packet(run.packets_at, i)


@jit
def get_queue_pair(run, q):
    """Return queue pair q."""
    check(q, run.queue_pairs_count)
    return _queue_pair(run.queue_pairs_at, q)


@jit
def get_operation(run, o):
    """Return operation o."""
    check(o, run.operations_count)
    return _operation(run.operations_at, o)


@jit
def get_flow(run, f):
    """Return flow f."""
    check(f, run.flows_count)
    return _flow(run.flows_at, f)


@jit
def get_event(run, place):
    """Return the event at a place of the heap."""
    check(place, run.heap_count)
    return _event(run.heap_at, place)


@jit
def get_probe(run, row):
    """Return a row of the per-packet probe."""
    check(row, run.probes_count)
    return _probe(run.probes_at, row)


@jit
def get_logged(run, row):
    """Return a row of the log."""
    check(row, run.log_count)
    return _logged(run.log_at, row)


@jit
def get_path_port(run, at):
    """Return the port at a place of the paths."""
    check(at, run.paths_count)
    return load(run.paths_at, at)


@jit
def get_successor(run, place):
    """Return the operation at a place of the successors."""
    check(place, run.successors_count)
    return load(run.successors_at, place)
