"""What each port sent over time: every byte of line time is in one bin, also when bins fold."""

import numpy as np
import pytest
from small_scenarios import line, scenario, transfer

from wanrdma import engine
from wanrdma.build import build

FRAME_BYTES = 4096 + 82
NIC = {"rate": "400 Gbps"}


@pytest.mark.parametrize("bins", [1024, 16])
def test_bytes_in_the_bins_are_those_that_were_sent(bins: int):
    network = build(scenario(nic=NIC, traffic=[transfer("t", "a.0", "b.0")]), bins=bins)
    engine.run(network)
    tables = network.tables
    folded = tables.run["bin_width_ps"][0] > 10**6
    assert folded == (bins == 16)
    assert tables.ports["tx_bytes"].sum() > 3 * 2**20  # host, switch, line, switch
    assert np.array_equal(tables.sent_bins.sum(axis=1), tables.ports["tx_bytes"])


def test_a_port_that_sends_without_a_break_fills_its_bins():
    rows = [transfer("t", "a.0", "b.0", bytes="4 MiB")]
    near = [line("a", "b", distance="1 km")]
    network = build(scenario(nic=NIC, lines=near, traffic=rows))
    engine.run(network)
    sent_bytes = network.tables.sent_bins[network.port_names.index("a.0>a.switch")]
    in_a_bin = 10**6 / 20  # 1 us at 20 ps a byte
    middle = sent_bytes[5:50].astype(float)
    assert np.all(np.abs(middle - in_a_bin) <= FRAME_BYTES + 16)


def test_bytes_count_where_their_frame_begins():
    rows = [transfer("t", "a.0", "b.0", bytes="4096 B", start="2.5 us")]
    network = build(scenario(nic=NIC, traffic=rows))
    engine.run(network)
    (sent,) = np.flatnonzero(network.tables.sent_bins[network.port_names.index("a.0>a.switch")])
    assert sent == 2
    delivered = network.tables.sent_bins[network.port_names.index("b.switch>b.0")]
    # One store at 400 Gb/s and 10 km of fibre later, and the same store once more.
    came_us = 2.5 + 2 * FRAME_BYTES * 20e-6 + 10 * 4.9
    assert np.flatnonzero(delivered).tolist() == [int(came_us)]
