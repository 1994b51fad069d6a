"""The kernels as plain Python, and with every row checked, against the twin.

Numba reads its switches when it is imported, so each case is a process of its own: this file
run as a program. What is compared is what test_twin_agrees.py compares, with fewer examples.
"""

import os
import subprocess
import sys

import pytest

from wanrdma import engine
from wanrdma.build import build
from wanrdma.scenario import load

EXAMPLES = {"NUMBA_DISABLE_JIT": 25, "NUMBA_BOUNDSCHECK": 60}
"""How many are tried by default; WANRDMA_EXAMPLES sets another number."""


@pytest.mark.parametrize("switch", EXAMPLES)
def test_the_twin_agrees_and_a_wrong_row_is_an_error(switch: str):
    engine.run(_small_network())  # the cache has code without the checks now
    examples = os.environ.get("WANRDMA_EXAMPLES", str(EXAMPLES[switch]))
    done = subprocess.run(
        [sys.executable, __file__, examples],
        env=os.environ | {switch: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{examples} examples agree" in done.stdout


def _small_network():
    return build(load("slots-nccl", ["traffic.0.bytes=64 KiB"]).scenario)


def compare(examples: int) -> None:
    """Try random small scenarios."""
    from drawn.scenarios import scenarios
    from hypothesis import HealthCheck, Phase, given, settings
    from test_twin_agrees import test_every_packet_and_counter

    tried = []

    @settings(
        deadline=None,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.shrink},  # test_twin_agrees.py finds small ones, and faster
    )
    @given(scenarios())
    def agree(drawn):
        test_every_packet_and_counter.hypothesis.inner_test(drawn)
        tried.append(drawn)

    agree()
    assert len(tried) >= examples
    print(f"{examples} examples agree")


def take_a_wrong_row() -> None:
    """Send packets to a port that does not exist."""
    network = _small_network()
    network.tables.paths[1] = len(network.tables.ports)
    with pytest.raises(IndexError, match="no such row"):
        engine.run(network)


if __name__ == "__main__":
    compare(int(sys.argv[1]))
    take_a_wrong_row()
