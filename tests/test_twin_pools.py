"""The twin by itself: buffers that lanes share, to the picosecond and the byte.

Hosts 0 (port 0), 1 (port 2) and 2 (port 5) are at one switch (ports 1, 3, 4). Packet k of host 0
or 1 comes at 21 + 20 k ns and has 980 B there; one leaves at 121 ns and each 100 ns after.
"""

import pytest
from reference.small import Small
from reference.small_lines import share
from twin_runs import departures, lane, run

from wanrdma.kernels.tables import NOWHERE, PFC, PRIORITIES

SHARED = 4900  # five packets


def shared(
    packets: int = 5, others: int = 0, headroom_bytes: int = 10_000, size: int = SHARED, **fields
) -> Small:
    """Let host 0 send so many packets, host 1 so many others. Lanes have 980 B of headroom."""
    small = Small()
    small.log_first = 10
    middle = small.switch()
    for _ in range(2):
        small.link(small.host(), middle)
    small.link(middle, small.host(), ps_per_byte=100)
    fields = {"alpha": 1.0, "headroom_limit_bytes": 980} | fields
    pool = share(small, [(1, 3), (3, 3)], size, **fields)
    pool["headroom_bytes"] = headroom_bytes
    small.send(small.queue_pair([0, 4], [5, 1]), 900 * packets)
    if others:
        small.send(small.queue_pair([2, 4], [5, 3]), 900 * others)
    return small


@pytest.mark.parametrize(
    ("others", "alpha", "stopped_ps"),
    [(0, 1.0, 81_000), (1, 1.0, 61_000), (0, 0.5, 61_000), (0, 0.2, 21_000)],
)
def test_the_threshold_moves_with_what_all_hold(others, alpha, stopped_ps):
    # Alone, with alpha 1, packet 2 makes 2940 B of 2940 that are free, and packet 3 is too much.
    # With a packet of another packet 2 makes 2940 B of 1960; with alpha 1/2, 2940 of 1470; with
    # 1/5 of 4899 B, which is 979, nothing fits.
    twin = run(shared(4, others, alpha=alpha, size=SHARED - (alpha == 0.2)), stop_ps=90_000)
    assert departures(twin, 1, PFC)[0] == stopped_ps + 1680
    assert departures(twin, 3, PFC) == []
    pool = twin.pools[0]
    assert pool.headroom_used_bytes == lane(twin, 1).headroom_used_bytes == 980
    assert pool.shared_used_bytes == 980 * others + lane(twin, 1).ingress_bytes - 980


def test_what_the_threshold_allows_must_fit_too():
    # With alpha 16 the threshold is never met: 3920 B are in the shared part, 580 B free.
    twin = run(shared(5, size=4500, alpha=16.0), stop_ps=110_000)
    assert departures(twin, 1, PFC) == [102_680]
    assert twin.pools[0].max_shared_used_bytes == 3920
    assert run(shared(5, alpha=16.0)).pools[0].max_headroom_used_bytes == 0


def test_what_fits_in_neither_part_is_dropped():
    twin = run(shared(), stop_ps=110_000)
    row, pool = lane(twin, 1), twin.pools[0]
    # Packet 3 goes to the headroom and stops the host, in packet 4, which is dropped at 101 ns.
    assert departures(twin, 0) == [20_000, 40_000, 60_000, 80_000, 100_000]
    assert (row.drops_congestion, row.missing_bytes, row.episode_drop_bytes) == (1, 980, 980)
    assert (row.ingress_bytes, row.headroom_used_bytes, row.max_ingress_bytes) == (3920, 980, 3920)
    assert (pool.max_shared_used_bytes, pool.max_headroom_used_bytes) == (2940, 980)
    assert twin.log == [(83_680, 5, 3, NOWHERE), (101_000, 0, PRIORITIES + 3, 0)]
    assert departures(twin, 1, PFC) == [82_680]


@pytest.mark.parametrize(("lane_bytes", "pool_bytes"), [(979, 10_000), (10_000, 979)])
def test_the_headroom_of_the_lane_and_of_the_pool_are_limits(lane_bytes, pool_bytes):
    small = shared(4, headroom_bytes=pool_bytes, headroom_limit_bytes=lane_bytes)
    twin = run(small, stop_ps=110_000)
    row = lane(twin, 1)
    # Packet 3 is dropped, and that stops the host.
    assert (row.drops_congestion, row.headroom_used_bytes) == (1, 0)
    assert departures(twin, 1, PFC) == [82_680]


def test_a_drop_of_one_lane_leaves_another_its_headroom():
    small = shared(4, 4, headroom_bytes=980)
    twin = run(small, stop_ps=70_000)
    # After 41 ns both have 1960 B in the shared part, and T is 980. At 61 ns host 0 takes all of
    # the headroom, and host 1 finds none.
    assert [lane(twin, p).headroom_used_bytes for p in (1, 3)] == [980, 0]
    assert [lane(twin, p).drops_congestion for p in (1, 3)] == [0, 1]
    assert twin.pools[0].shared_used_bytes == 3920


@pytest.mark.parametrize(
    ("distance", "resumed_ps"), [(0, 221_000), (980, 221_000), (981, 321_000), (9999, 421_000)]
)
def test_a_lane_goes_on_at_a_distance_below_its_threshold(distance, resumed_ps):
    small = shared(4, xon_bytes=distance)
    twin = run(small)
    # 3920 B at 81 ns, 980 of them in the headroom, which is empty after packet 0. After packet 1
    # u is 1960 B, T 2940; after packet 2, 980 and 3920; after packet 3 nothing is left.
    assert departures(twin, 1, PFC) == [82_680, resumed_ps + 1680]
    assert twin.ports[1].pausing == 0
    assert twin.pools[0].shared_used_bytes == twin.pools[0].headroom_used_bytes == 0


def test_a_lane_with_bytes_in_its_headroom_does_not_go_on():
    small = shared(5, headroom_limit_bytes=1960, xon_bytes=0)
    twin = run(small)
    # Packets 3 and 4 are in the headroom; 121 and 221 ns empty it. Then u is 2940 B and T 1960;
    # at 321 ns u is 1960 B and T 2940.
    assert departures(twin, 1, PFC) == [82_680, 322_680]
    assert twin.pools[0].max_headroom_used_bytes == 1960


def test_what_another_lane_frees_lets_nobody_go_on():
    small = shared(2, 1, alpha=0.25, size=4900)
    small.agenda[0] = (100, 0)
    twin = run(small, stop_ps=122_000)
    # The packet of host 1 comes first, and leaves first. T is 980 then for host 0, then 735.
    assert departures(twin, 1, PFC) == [42_780]
    assert twin.ports[1].pausing == 1 << 3


def test_what_comes_in_a_pause_goes_by_what_is_free_then():
    small = shared(6, headroom_limit_bytes=980)
    small.ports[1].update(pause_ps=50_000)
    twin = run(small, stop_ps=175_000)
    # The pause is heard at 83.68 ns and runs out at 133.68: packet 5 comes at 154.68. Packet 0
    # has left: nothing is in the headroom, u is 2940 B, T 1960: to the headroom again.
    assert departures(twin, 0)[-1] == 153_680
    assert lane(twin, 1).headroom_used_bytes == 980
    assert lane(twin, 1).ingress_bytes == 3920
    small = shared(6, headroom_limit_bytes=980, xon_bytes=9999)
    small.ports[1].update(pause_ps=150_000)
    twin = run(small, stop_ps=260_000)
    # It runs out 100 ns later: u is 1960 B, T 2940. Packet 5 is shared, the lane still pausing.
    assert departures(twin, 0)[-1] == 253_680
    assert (lane(twin, 1).headroom_used_bytes, lane(twin, 1).ingress_bytes) == (0, 2940)
    assert departures(twin, 1, PFC) == [82_680]
    assert twin.ports[1].pausing == 1 << 3


def test_lossy_lanes_and_other_buffers_share_nothing():
    small = shared(5)
    small.lane(1, 3).update(pool=NOWHERE, ingress_limit_bytes=100_000, xoff_bytes=100_000)
    twin = run(small)
    assert twin.pools[0].max_shared_used_bytes == 0
    assert lane(twin, 1).max_ingress_bytes == 4900
