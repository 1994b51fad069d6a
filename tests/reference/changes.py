"""Scenario events: docs/protocol.md, phase 0."""

from typing import TYPE_CHECKING

from wanrdma.kernels.tables import GO, HINT, RATE, STOP, STORM_BEGINS, STORM_ENDS, SWITCH

from . import lines
from .records import Event

if TYPE_CHECKING:
    from .network import Network


def happen(network: "Network", event: Event) -> None:
    """Do what a row of `changes` says."""
    if event.kind == HINT:
        pair = network.queue_pairs[event.entity]
        pair.window_bytes, pair.round_trip_ps = event.value, event.other
        network.check_ready(event.entity)
        return
    p, port = event.entity, network.ports[event.entity]
    if event.kind == STOP:
        port.is_stopped = 1
    elif event.kind == GO:
        port.is_stopped = 0
        network.ask_to_serve(p)
    elif event.kind == SWITCH:
        lines.switch(network.twin, port, event.value, event.other == 1)
    elif event.kind == RATE:
        port.ps_per_byte = event.value
    elif event.kind == STORM_BEGINS:
        port.pausing |= event.value
        network.request_pfc(p, event.value)
    else:
        assert event.kind == STORM_ENDS
        port.pausing &= ~event.value
