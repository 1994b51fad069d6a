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

CHECKED = bool(config.BOUNDSCHECK)
INT64 = np.dtype(np.int64)


def _row_maker(name, dtype):
    """Return a function (run, place) -> the record at a place of table `name`."""
    record = from_dtype(dtype)

    @intrinsic
    def row(_typing, run, _place):
        def make(context, builder, _signature, arguments):
            _check(context, builder, name, arguments)
            where = _address(context, builder, name, arguments, dtype.itemsize)
            return builder.inttoptr(where, context.get_value_type(record))

        return record(run, types.int64), make

    return row


def _loader(name):
    """Return a function (run, place) -> the element at a place of the int64 table `name`."""

    @intrinsic
    def load(_typing, run, _place):
        def make(context, builder, _signature, arguments):
            _check(context, builder, name, arguments)
            where = _address(context, builder, name, arguments, INT64.itemsize)
            word = context.get_value_type(types.int64).as_pointer()
            return builder.load(builder.inttoptr(where, word))

        return types.int64(run, types.int64), make

    return load


def _storer(name):
    """Return a function (run, place, value) that sets an element of the int64 table `name`."""

    @intrinsic
    def store(_typing, run, _place, _value):
        def make(context, builder, _signature, arguments):
            _check(context, builder, name, arguments)
            where = _address(context, builder, name, arguments, INT64.itemsize)
            word = context.get_value_type(types.int64).as_pointer()
            builder.store(arguments[2], builder.inttoptr(where, word))
            return context.get_dummy_value()

        return types.void(run, types.int64, types.int64), make

    return store


def _check(context, builder, name, arguments):
    """Raise IndexError for a row that a table does not have, where that is asked for."""
    if not CHECKED:
        return
    count = builder.load(_field(context, builder, f"{name}_count", arguments))
    # As unsigned numbers the negative ones are the largest.
    with builder.if_then(builder.icmp_unsigned(">=", arguments[1], count), likely=False):
        context.call_conv.return_user_exc(builder, IndexError, ("no such row",))


def _field(context, builder, field, arguments):
    """Return where a word of the run's record is."""
    offset = context.get_constant(types.int64, tables.run.fields[field][1])
    word = context.get_value_type(types.int64).as_pointer()
    at = builder.add(builder.ptrtoint(arguments[0], context.get_value_type(types.int64)), offset)
    return builder.inttoptr(at, word)


def _address(context, builder, name, arguments, item_bytes):
    """Return where a row is. A table does not move while a kernel runs: LLVM may keep its base."""
    base = builder.load(_field(context, builder, f"{name}_at", arguments))
    base.set_metadata("invariant.load", builder.module.add_metadata([]))
    size = context.get_constant(types.int64, item_bytes)
    return builder.add(base, builder.mul(arguments[1], size))


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


def _row_at(dtype):
    """Return a function (address, place) -> the record at a place of a table at an address."""
    record = from_dtype(dtype)

    @intrinsic
    def row(_typing, _at, _place):
        def make(context, builder, _signature, arguments):
            size = context.get_constant(types.int64, dtype.itemsize)
            where = builder.add(arguments[0], builder.mul(arguments[1], size))
            return builder.inttoptr(where, context.get_value_type(record))

        return record(types.int64, types.int64), make

    return row


def _copier(dtype):
    """Return a function (source, target) that copies a record of a table, all its words at once."""
    record = from_dtype(dtype)

    @intrinsic
    def copy(_typing, _source, _target):
        def make(context, builder, _signature, arguments):
            words = types.UniTuple(types.int64, dtype.itemsize // INT64.itemsize)
            whole = context.get_value_type(words).as_pointer()
            source, target = (builder.bitcast(record, whole) for record in arguments)
            builder.store(builder.load(source), target)
            return context.get_dummy_value()

        return types.void(record, record), make

    return copy


if config.DISABLE_JIT:

    def _element_of(run, name, place, dtype):
        if not 0 <= place < getattr(run, f"{name}_count"):
            raise IndexError("no such row")
        return _memory(int(getattr(run, f"{name}_at") + place * dtype.itemsize), dtype)

    def _row_at(dtype):
        size = dtype.itemsize
        return lambda address, place: _Row(_memory(int(address + place * size), dtype)[0])

    def _copier(dtype):
        def copy(source, target):
            for name in dtype.names:
                setattr(target, name, getattr(source, name))

        return copy

    def _row_maker(name, dtype):
        return lambda run, place: _Row(_element_of(run, name, place, dtype)[0])

    def _loader(name):
        return lambda run, place: int(_element_of(run, name, place, INT64)[0])

    def _storer(name):
        def store(run, place, value):
            _element_of(run, name, place, INT64)[0] = value

        return store

    def load(address, place):
        """Return one element of the int64 array at an address."""
        return int(_memory(int(address + 8 * place), INT64)[0])

    def store(address, place, value):
        """Set one element of the int64 array at an address."""
        _memory(int(address + 8 * place), INT64)[0] = value


get_port = _row_maker("ports", tables.port)
get_errors = _row_maker("errors", tables.errors)
get_lane = _row_maker("lanes", tables.lane)  # lane c of port p is row PRIORITIES * p + c
get_packet = _row_maker("packets", tables.packet)
get_requester = _row_maker("requesters", tables.requester)
get_responder = _row_maker("responders", tables.responder)
get_rate = _row_maker("rates", tables.rate)
get_operation = _row_maker("operations", tables.operation)
get_flow = _row_maker("flows", tables.flow)
get_event = _row_maker("heap", tables.event)
get_near = _row_maker("near", tables.near)  # port p: 2 p its next arrival, 2 p + 1 its service
get_bucket = _row_maker("buckets", tables.bucket)
get_line = _row_maker("lines", tables.line)
get_probe = _row_maker("probes", tables.probe)
get_logged = _row_maker("log", tables.logged)
get_stall = _row_maker("stalls", tables.stall)
get_error_change = _row_maker("error_changes", tables.error_change)
get_spell = _row_maker("spells", tables.spell)
get_change = _row_maker("changes", tables.change)
get_pool = _row_maker("pools", tables.pool)
get_own_port = _loader("own_ports")
get_own_flow = _loader("own_flows")
get_own_line = _loader("own_lines")
get_own_requester = _loader("own_requesters")
get_own_responder = _loader("own_responders")
get_own_transit = _loader("own_transits")
get_path_port = _loader("paths")
get_successor = _loader("successors")
get_acked, set_acked = _loader("acked"), _storer("acked")
get_held, set_held = _loader("held"), _storer("held")
get_mark, set_mark = _loader("marks"), _storer("marks")
get_agenda_ps = _loader("agenda_ps")
get_agenda_operation = _loader("agenda_operation")

get_block = _row_maker("blocks", tables.block)
get_delta = _row_maker("deltas", tables.delta)
get_pending = _row_maker("pending", tables.event)
get_standing = _row_maker("standing", tables.standing)
get_taped = _row_maker("tape", tables.taped)
get_motion = _loader("motions")
get_data_shift, set_data_shift = _loader("data_shifts"), _storer("data_shifts")
get_ack_shift, set_ack_shift = _loader("ack_shifts"), _storer("ack_shifts")

copy_packet = _copier(tables.packet)
_packet_at = _row_at(tables.packet)
_port_at = _row_at(tables.port)
_errors_at = _row_at(tables.errors)
_requester_at = _row_at(tables.requester)
_responder_at = _row_at(tables.responder)


@jit
def get_on_line(line, number):
    """Return the packet that was the `number`-th to be put on a line."""
    return _packet_at(line.ring_at, number & (line.ring_count - 1))


@jit
def imaged_port(run, place):
    """Return the row of the image that is of a group's own port."""
    return _port_at(run.image_at, place)


@jit
def imaged_errors(run, place):
    """Return the row of the image that is of the errors of a group's own port."""
    return _errors_at(run.image_at + 8 * run.image_errors, place)


@jit
def imaged_requester(run, place):
    """Return the row of the image that is of a queue pair that sends from a group."""
    return _requester_at(run.image_at + 8 * run.image_requesters, place)


@jit
def imaged_responder(run, place):
    """Return the row of the image that is of a queue pair that receives in a group."""
    return _responder_at(run.image_at + 8 * run.image_responders, place)
