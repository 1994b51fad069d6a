"""What each error process does to frames: how often, and in what bursts.

Frames as on a busy line: 4178 B of line time each, one after the other, sometimes with a pause.
"""

import math

import numpy as np
import pytest
from scipy import stats

from wanrdma.build.assemble import aligned
from wanrdma.build.errors import error_process
from wanrdma.kernels import tables as kt
from wanrdma.kernels.errors import hits_frame
from wanrdma.kernels.jit import entry
from wanrdma.scenario.schema import Errors
from wanrdma.theory import (
    DELIVERED_CODEWORD_BITS,
    block_loss,
    failed_codewords,
    frame_loss,
    post_fec_ber,
    uncorrected_codewords,
)

SIZE_BYTES = 4178
EXPOSED_BYTES = SIZE_BYTES - 20


@entry
def send(runs, size_bytes, byte_ps, pause_ps, damaged):
    """Send frames from port 0, with a pause after each, and mark those that are damaged."""
    now_ps = 0
    for n in range(len(damaged)):
        damaged[n] = hits_frame(runs[0], 0, size_bytes, now_ps)
        now_ps += size_bytes * byte_ps + pause_ps


def damaged_frames(
    settings: dict[str, object], frames: int, byte_ps: int = 20, pause_ps: int = 0, seed: int = 1
) -> np.ndarray:
    """Return which of so many frames a process damages."""
    process = error_process(Errors.model_validate(settings), byte_ps)
    assert process is not None
    run, ports, errors = (aligned(1, of) for of in (kt.run, kt.port, kt.errors))
    run["seed"], ports["ps_per_byte"], ports["has_errors"] = seed, byte_ps, 1
    errors["gap"] = kt.NOWHERE
    for name, value in process.settings().items():
        errors[name] = value
    for name, table in (("ports", ports), ("errors", errors)):
        run[f"{name}_at"], run[f"{name}_count"] = table.ctypes.data, 1
    damaged = np.zeros(frames, np.uint8)
    send(run, SIZE_BYTES, byte_ps, pause_ps, damaged)
    return damaged


CASES = {
    "bits": ({"post_fec_ber": 1e-8}, frame_loss(1e-8, EXPOSED_BYTES)),
    "packets": ({"packet_loss": 1e-3}, 1e-3),
    "codewords": ({"post_fec_ber": 1e-7}, block_loss(failed_codewords(1e-7), 2, EXPOSED_BYTES)),
    "pre-fec": ({"pre_fec_ber": 9e-4}, block_loss(uncorrected_codewords(9e-4), 2, EXPOSED_BYTES)),
}


@pytest.mark.parametrize("pause_ps", [0, 777_777])
@pytest.mark.parametrize("process", CASES)
def test_realised_rate(process: str, pause_ps: int) -> None:
    settings, expected = CASES[process]
    frames = math.ceil(4000 / expected)
    hit = int(damaged_frames({"process": process} | settings, frames, pause_ps=pause_ps).sum())
    assert hit > 1000
    # As if each frame were hit for itself. A bad block that hits two makes it a little wider.
    assert abs(hit - frames * expected) < 3 * math.sqrt(frames * expected)


@pytest.mark.parametrize("interleaved", [1, 2, 4])
def test_frames_a_failed_block_damages(interleaved: int) -> None:
    """One, or two if it lies over a gap between frames; rarely more than one block in a row."""
    settings = {"process": "codewords", "post_fec_ber": 3e-7, "interleaved": interleaved}
    damaged = damaged_frames(settings, 4_000_000)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], damaged, [0]))))
    lengths = edges[1::2] - edges[::2]
    assert len(lengths) > 1000
    # A block may begin anywhere in a frame's time. It touches two frames if it reaches over the
    # 20 bytes between them.
    two = (interleaved * DELIVERED_CODEWORD_BITS / 8 - 20) / SIZE_BYTES
    seen = np.array([(lengths == 1).sum(), (lengths == 2).sum()])
    assert seen.sum() > 0.99 * len(lengths)
    assert stats.chisquare(seen, np.array([1 - two, two]) * seen.sum()).pvalue > 0.001


def test_how_long_the_line_is_bad() -> None:
    """Nearly every frame is hit while it is: once two are, one more is with e^(-frame / mean)."""
    settings = {"process": "gilbert-elliott", "bad_ber": 0.4, "good_time": "50 us"}
    damaged = damaged_frames(settings | {"bad_time": "1 us"}, 4_000_000)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], damaged, [0]))))
    lengths = edges[1::2] - edges[::2]
    more = lengths[lengths >= 2] - 2
    ratio = math.exp(-SIZE_BYTES * 20 / 1e6)
    tail = stats.geom(1 - ratio, loc=-1)
    edges_of_bins = np.arange(0, 41, 4)
    seen = np.histogram(more, [*edges_of_bins, 10**9])[0]
    expected = np.diff(np.append(tail.cdf(edges_of_bins - 1), 1)) * len(more)
    assert len(more) > 1000
    assert stats.chisquare(seen, expected).pvalue > 0.001


@pytest.mark.parametrize("pause_ps", [0, 3_333_333, 1_000_000_000])
def test_share_of_frames_on_a_line_that_is_bad_by_turns(pause_ps: int) -> None:
    """However seldom frames are sent. Bad for 1 of 11 us, and a frame is hit that meets it."""
    settings = {"process": "gilbert-elliott", "bad_ber": 0.4, "good_time": "10 us"}
    damaged = damaged_frames(settings | {"bad_time": "1 us"}, 400_000, pause_ps=pause_ps)
    frame_ps = EXPOSED_BYTES * 20
    expected = 1 - 10 / 11 * math.exp(-frame_ps / 10e6)
    turns = 400_000 * min(1.0, (SIZE_BYTES * 20 + pause_ps) / 11e6)  # that can tell anything
    sigma = math.sqrt(expected / turns) * 400_000
    assert abs(damaged.sum() - 400_000 * expected) < 3 * sigma


def test_gaps_between_damaged_packets_are_geometric() -> None:
    damaged = damaged_frames({"process": "packets", "packet_loss": 0.01}, 2_000_000)
    gaps = np.diff(np.flatnonzero(damaged)) - 1
    bins = stats.geom(0.01, loc=-1).ppf(np.linspace(0, 1, 11)[1:-1])
    seen = np.bincount(np.digitize(gaps, bins), minlength=10)
    edges = np.concatenate(([0], stats.geom(0.01, loc=-1).cdf(np.ceil(bins) - 1), [1]))
    assert stats.chisquare(seen, np.diff(edges) * len(gaps)).pvalue > 0.001


# DOMAIN 5: how many times fewer frames are lost to codewords than to bits, at one BER, which is
# low: the higher it is the more bits of a failed codeword are bad (1.5 % more at 1e-8).
FEWER = {1: 13.2, 2: 11.6, 4: 9.4}


@pytest.mark.parametrize("interleaved", FEWER)
def test_codewords_lose_fewer_frames_than_bits(interleaved: int) -> None:
    by_codewords = block_loss(failed_codewords(1e-15), interleaved, EXPOSED_BYTES)
    ratio = frame_loss(1e-15, EXPOSED_BYTES) / by_codewords
    assert ratio == pytest.approx(FEWER[interleaved], abs=0.05)


# DOMAIN 5: pre-FEC bit error ratio and frame loss.
CLIFF = {2.4e-4: 6e-12, 4e-4: 1e-8, 5e-4: 2e-7, 7e-4: 1.7e-5, 1e-3: 1.1e-3}


@pytest.mark.parametrize("pre_fec_ber", CLIFF)
def test_the_cliff_of_the_fec(pre_fec_ber: float) -> None:
    loss = block_loss(uncorrected_codewords(pre_fec_ber), 1, EXPOSED_BYTES)
    assert loss == pytest.approx(CLIFF[pre_fec_ber], rel=0.06)


@pytest.mark.parametrize("pre_fec_ber", [1e-5, 5e-4, 1e-2, 0.4])
def test_codewords_by_what_is_left_and_by_what_was_there(pre_fec_ber: float) -> None:
    there = uncorrected_codewords(pre_fec_ber)
    assert failed_codewords(post_fec_ber(pre_fec_ber)) == pytest.approx(there, rel=1e-6)


def test_a_line_with_hopeless_errors_lets_nothing_through() -> None:
    assert damaged_frames({"process": "pre-fec", "pre_fec_ber": 0.4}, 1000).all()
    assert damaged_frames({"process": "bits", "post_fec_ber": 0.4}, 1000).all()


def test_what_is_bad_between_frames_hits_none() -> None:
    """A thousandth of the time is used: a thousandth of the bad blocks can hit, not all."""
    settings = {"process": "codewords", "post_fec_ber": 1e-6}
    busy = damaged_frames(settings, 200_000)
    idle = damaged_frames(settings, 200_000, pause_ps=1000 * SIZE_BYTES * 20)
    assert idle.sum() == pytest.approx(busy.sum(), rel=0.15)
