"""Asking a port to serve.

The first port that an event asks is kept aside in `run.port_to_serve`: most often nothing
comes before its service, and it need not pass through the heap.
"""

from .access import get_port
from .heap import SERVICE, push
from .jit import jit_inlined
from .tables import NOWHERE


@jit_inlined
def ask_to_serve(run, p):
    """Give port p a service event now, unless it has one or is sending."""
    port = get_port(run, p)
    if port.service_pending:
        return
    port.service_pending = 1
    if run.port_to_serve == NOWHERE:
        run.port_to_serve = p
    else:
        push(run, run.now_ps, SERVICE, p)
