"""What an ingress lane may store: in a buffer of its own, or in one that its node's lanes share.

A shared buffer has a part for all and a headroom for what still comes after XOFF. Each lane may
have of the shared part `alpha` times what is free there: A. K. Choudhury and E. L. Hahne,
IEEE/ACM Trans. Networking 6 (1998), as switches do it and ns-3's RDMA model has it (SwitchMmu).
"""

import numpy as np

from .access import get_pool
from .jit import jit, jit_apart, jit_inlined
from .tables import NOWHERE

REFUSED, STORED, STORED_ABOVE_XOFF = np.arange(3)


@jit_inlined
def admit(run, lane, stored):
    """Store so many bytes that came by a lossless ingress lane, if there is room; say how."""
    if lane.pool != NOWHERE:
        return _admit_to_pool(run, lane, stored)
    after = lane.ingress_bytes + stored
    if after > lane.ingress_limit_bytes:
        return REFUSED
    lane.ingress_bytes = after
    lane.max_ingress_bytes = max(lane.max_ingress_bytes, after)
    return STORED_ABOVE_XOFF if after > lane.xoff_bytes else STORED


@jit_apart
def _admit_to_pool(run, lane, stored):
    pool = get_pool(run, np.int64(lane.pool))
    shared = lane.ingress_bytes - lane.headroom_used_bytes
    how = STORED
    if shared + stored > threshold(lane, pool) or (
        pool.shared_used_bytes + stored > pool.shared_bytes
    ):
        if lane.headroom_used_bytes + stored > lane.headroom_limit_bytes:
            return REFUSED
        if pool.headroom_used_bytes + stored > pool.headroom_bytes:
            return REFUSED
        how = STORED_ABOVE_XOFF
        lane.headroom_used_bytes += stored
        pool.headroom_used_bytes += stored
        pool.max_headroom_used_bytes = max(pool.max_headroom_used_bytes, pool.headroom_used_bytes)
    else:
        pool.shared_used_bytes += stored
        pool.max_shared_used_bytes = max(pool.max_shared_used_bytes, pool.shared_used_bytes)
    lane.ingress_bytes += stored
    lane.max_ingress_bytes = max(lane.max_ingress_bytes, lane.ingress_bytes)
    return how


@jit
def threshold(lane, pool):
    """Return what a lane may have of the shared part now, in bytes."""
    return np.int64(lane.alpha * (pool.shared_bytes - pool.shared_used_bytes))


@jit_inlined
def leave_ingress(run, lane, stored):
    """Free so many bytes that came by an ingress lane: of its headroom first."""
    lane.ingress_bytes -= stored
    if lane.pool != NOWHERE:
        _leave_pool(run, lane, stored)


@jit_apart
def _leave_pool(run, lane, stored):
    pool = get_pool(run, np.int64(lane.pool))
    of_headroom = min(stored, lane.headroom_used_bytes)
    lane.headroom_used_bytes -= of_headroom
    pool.headroom_used_bytes -= of_headroom
    pool.shared_used_bytes -= stored - of_headroom


@jit_inlined
def is_drained(run, lane):
    """Tell whether a lossless ingress lane holds so little that its peer may go on."""
    if lane.pool != NOWHERE:
        return _is_drained_in_pool(run, lane)
    return lane.ingress_bytes <= lane.xon_bytes


@jit_apart
def _is_drained_in_pool(run, lane):
    if lane.headroom_used_bytes > 0:
        return False
    pool = get_pool(run, np.int64(lane.pool))
    return lane.ingress_bytes == 0 or lane.ingress_bytes + lane.xon_bytes <= threshold(lane, pool)
