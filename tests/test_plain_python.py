"""The kernels as plain Python, and with every row checked, against the twin.

Numba reads its switches when it is imported, so each case is a process of its own: this file
run as a program. It runs test_twin_agrees.py with fewer examples.
"""

import os
import subprocess
import sys

import pytest

from wanrdma import engine
from wanrdma.build import Network, build
from wanrdma.scenario import load

EXAMPLES = {"NUMBA_DISABLE_JIT": "15", "NUMBA_BOUNDSCHECK": "50"}


@pytest.mark.parametrize("switch", EXAMPLES)
def test_the_twin_agrees_and_a_wrong_row_is_an_error(switch: str):
    engine.run(small_network())  # now the cache has code without the checks
    fewer = {"WANRDMA_TWIN_EXAMPLES": EXAMPLES[switch]}
    command = [sys.executable, __file__]
    environment = fewer | os.environ | {switch: "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def small_network() -> Network:
    return build(load("slots-nccl", ["traffic.0.bytes=64 KiB"]).scenario)


def take_a_wrong_row() -> None:
    """Send packets to a port that does not exist."""
    network = small_network()
    network.tables.paths[1] = len(network.tables.ports)
    with pytest.raises(IndexError, match="no such row"):
        engine.run(network)


if __name__ == "__main__":
    from test_twin_agrees import test_every_packet_and_counter

    test_every_packet_and_counter()
    take_a_wrong_row()
