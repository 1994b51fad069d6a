"""What each error process does to frames: how often, and in what bursts.

Frames as on a busy line: 4178 B of line time each, one after the other, sometimes with a pause.
"""

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from validation.compared import Row, Section, disagreeing, shown
from wanrdma.build.assemble import aligned
from wanrdma.build.errors import error_process
from wanrdma.kernels import tables as kt
from wanrdma.kernels.errors import draw_gap, hits_frame
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

pytestmark = pytest.mark.validation

SIZE_BYTES = 4178
EXPOSED_BYTES = SIZE_BYTES - 20
TWO_SIDED = 3.29  # sigma: 99.9 %


@entry
def send(runs, size_bytes, byte_ps, pause_ps, damaged):
    """Send frames from port 0, with a pause after each, and mark those that are damaged."""
    now_ps = 0
    for n in range(len(damaged)):
        damaged[n] = hits_frame(runs[0], 0, size_bytes, byte_ps, now_ps)
        now_ps += size_bytes * byte_ps + pause_ps


@entry
def draw_gaps(runs, gaps):
    """Draw one gap after the other, as port 0 does."""
    for n in range(len(gaps)):
        gaps[n] = draw_gap(runs[0], 0)


def tables_of(settings: dict[str, object], byte_ps: int, seed: int) -> list[np.ndarray]:
    """Return the tables of one port with errors; the first, the run's, tells where others lie."""
    process = error_process(Errors.model_validate(settings), byte_ps)
    assert process is not None
    run, ports, errors = (aligned(1, of) for of in (kt.run, kt.port, kt.errors))
    run["seed"], ports["ps_per_byte"], ports["has_errors"] = seed, byte_ps, 1
    errors["gap"] = kt.NOWHERE
    for name, value in process.settings().items():
        errors[name] = value
    for name, table in (("ports", ports), ("errors", errors)):
        run[f"{name}_at"], run[f"{name}_count"] = table.ctypes.data, 1
    return [run, ports, errors]


def damaged_frames(
    settings: dict[str, object], frames: int, byte_ps: int = 20, pause_ps: int = 0, seed: int = 1
) -> np.ndarray:
    """Return which of so many frames a process damages."""
    tables = tables_of(settings, byte_ps, seed)
    damaged = np.zeros(frames, np.uint8)
    send(tables[0], SIZE_BYTES, byte_ps, pause_ps, damaged)
    return damaged


def runs_of_damaged(damaged: np.ndarray) -> np.ndarray:
    """Return how many frames in a row are damaged, each time."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], damaged, [0]))))
    return edges[1::2] - edges[::2]


def by_codewords(failed: float) -> float:
    return block_loss(failed, 2, EXPOSED_BYTES)


TOUCHED = "blocks that a frame touches"
# Settings, the share of frames that is lost, where it is from.
CASES: dict[str, tuple[dict[str, float], float, str]] = {
    "bits": (
        {"post_fec_ber": 1e-8},
        frame_loss(1e-8, EXPOSED_BYTES),
        "1 - (1 - BER)^bits, DOMAIN 5",
    ),
    "packets": ({"packet_loss": 1e-3}, 1e-3, "the setting"),
    "codewords": ({"post_fec_ber": 1e-7}, by_codewords(failed_codewords(1e-7)), TOUCHED),
    "pre-fec": ({"pre_fec_ber": 9e-4}, by_codewords(uncorrected_codewords(9e-4)), TOUCHED),
}
PAUSES_PS = [0, 777_777]


def gap_of(pause_ps: int) -> str:
    return f"{round(pause_ps / 1e6, 2):,g} us apart" if pause_ps else "back to back"


@cache
def realised_rate(process: str, pause_ps: int) -> Row:
    """Count the frames hit, as if each were hit for itself.

    A bad block that hits two makes it a little wider.
    """
    settings, loss, source = CASES[process]
    frames = math.ceil(4000 / loss)
    hit = int(damaged_frames({"process": process, **settings}, frames, pause_ps=pause_ps).sum())
    ((key, ratio),) = settings.items()
    where = f"`{process}`, {key} {shown(ratio)}, of {frames:,} {gap_of(pause_ps)}"
    expected = frames * loss
    return Row("frames lost", where, hit, expected, source).within(
        3 * math.sqrt(expected), "3 sigma"
    )


@pytest.mark.parametrize("pause_ps", PAUSES_PS)
@pytest.mark.parametrize("process", CASES)
def test_realised_rate(process: str, pause_ps: int) -> None:
    assert disagreeing([realised_rate(process, pause_ps)]) == ""


@cache
def two_frames(interleaved: int) -> Row:
    """Count the bad blocks that hit two frames: those that lie over a gap between frames.

    A block may begin anywhere in a frame's time. It touches two frames if it reaches over the
    20 bytes between them. There is rarely more than one bad block in a row.
    """
    settings = {"process": "codewords", "post_fec_ber": 3e-7, "interleaved": interleaved}
    lengths = runs_of_damaged(damaged_frames(settings, 4_000_000))
    one, two = int((lengths == 1).sum()), int((lengths == 2).sum())
    blocks = one + two
    assert blocks > max(1000, 0.99 * len(lengths))
    expected = (interleaved * DELIVERED_CODEWORD_BITS / 8 - 20) / SIZE_BYTES
    sigma = math.sqrt(expected * (1 - expected) / blocks)
    where = f"{interleaved} interleaved, {blocks:,} failed"
    what = "failed codewords that damage two frames"
    row = Row(what, where, 100 * two / blocks, 100 * expected, "(block - 20 B) / frame", "%")
    return row.within(100 * TWO_SIDED * sigma, "99.9 % of samples")


@pytest.mark.parametrize("interleaved", [1, 2, 4])
def test_frames_a_failed_block_damages(interleaved: int) -> None:
    assert disagreeing([two_frames(interleaved)]) == ""


def test_how_long_the_line_is_bad() -> None:
    """Nearly every frame is hit while it is: once two are, one more is with e^(-frame / mean)."""
    settings = {"process": "gilbert-elliott", "bad_ber": 0.4, "good_time": "50 us"}
    damaged = damaged_frames(settings | {"bad_time": "1 us"}, 4_000_000)
    lengths = runs_of_damaged(damaged)
    more = lengths[lengths >= 2] - 2
    ratio = math.exp(-SIZE_BYTES * 20 / 1e6)
    tail = stats.geom(1 - ratio, loc=-1)
    edges_of_bins = np.arange(0, 41, 4)
    seen = np.histogram(more, [*edges_of_bins, 10**9])[0]
    expected = np.diff(np.append(tail.cdf(edges_of_bins - 1), 1)) * len(more)
    assert len(more) > 1000
    assert stats.chisquare(seen, expected).pvalue > 0.001


@cache
def share_by_turns(pause_ps: int) -> Row:
    """Count the frames that meet a bad time, however seldom frames are sent."""
    settings = {"process": "gilbert-elliott", "bad_ber": 0.4, "good_time": "10 us"}
    damaged = damaged_frames(settings | {"bad_time": "1 us"}, 400_000, pause_ps=pause_ps)
    frame_ps = EXPOSED_BYTES * 20
    expected = 1 - 10 / 11 * math.exp(-frame_ps / 10e6)
    turns = 400_000 * min(1.0, (SIZE_BYTES * 20 + pause_ps) / 11e6)  # that can tell anything
    sigma = math.sqrt(expected / turns)
    where = f"`gilbert-elliott`, bad 1 of 11 us, 400,000 frames {gap_of(pause_ps)}"
    here = 100 * int(damaged.sum()) / 400_000
    row = Row("frames hit", where, here, 100 * expected, "1 - (10/11) e^(-frame / 10 us)", "%")
    return row.within(100 * 3 * sigma, "3 sigma")


TURNS_PS = [0, 3_333_333, 1_000_000_000]


@pytest.mark.parametrize("pause_ps", TURNS_PS)
def test_share_of_frames_on_a_line_that_is_bad_by_turns(pause_ps: int) -> None:
    assert disagreeing([share_by_turns(pause_ps)]) == ""


@cache
def gaps_between_bad_bits() -> list[Row]:
    """Draw a million gaps: the good bits between two bad ones are geometric.

    At 1e-8 they are as good as continuous. 1.95 / sqrt(n) is the distance that one sample in
    a thousand exceeds (Kolmogorov).
    """
    tables = tables_of({"process": "bits", "post_fec_ber": 1e-8}, byte_ps=20, seed=1)
    gaps = np.zeros(1_000_000, np.int64)
    draw_gaps(tables[0], gaps)
    mean = (1 - 1e-8) / 1e-8
    distance = stats.kstest(gaps, stats.expon(scale=mean).cdf).statistic
    where = "`bits`, BER 1e-8, a million gaps"
    error = 1 / math.sqrt(len(gaps))
    return [
        Row(
            "good bits between two bad ones", where, float(gaps.mean()), mean, "(1 - BER) / BER"
        ).within(TWO_SIDED * error * mean, "99.9 % of samples"),
        Row(
            "the same, largest distance of distributions", where, float(distance), 0.0, "geometric"
        ).within(1.95 * error, "99.9 % of samples, Kolmogorov-Smirnov"),
    ]


def test_gaps_between_bad_bits_are_geometric() -> None:
    assert disagreeing(gaps_between_bad_bits()) == ""


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


def fewer_lost(interleaved: int) -> Row:
    lost = block_loss(failed_codewords(1e-15), interleaved, EXPOSED_BYTES)
    ratio = frame_loss(1e-15, EXPOSED_BYTES) / lost
    where = f"{interleaved} interleaved, 1e-15"
    what = "times fewer frames lost to codewords than to bits"
    return Row(what, where, ratio, FEWER[interleaved], "DOMAIN 5").within(0.05, "rounding")


@pytest.mark.parametrize("interleaved", FEWER)
def test_codewords_lose_fewer_frames_than_bits(interleaved: int) -> None:
    assert disagreeing([fewer_lost(interleaved)]) == ""


# DOMAIN 5: pre-FEC bit error ratio and frame loss.
CLIFF = {2.4e-4: 6e-12, 4e-4: 1e-8, 5e-4: 2e-7, 7e-4: 1.7e-5, 1e-3: 1.1e-3}


def frames_lost_at(pre_fec_ber: float) -> Row:
    loss = block_loss(uncorrected_codewords(pre_fec_ber), 1, EXPOSED_BYTES)
    where = f"{shown(pre_fec_ber)} before the FEC"
    row = Row("share of frames lost", where, loss, CLIFF[pre_fec_ber], "DOMAIN 5")
    return row.within(0.06 * CLIFF[pre_fec_ber], "rounding")


@pytest.mark.parametrize("pre_fec_ber", CLIFF)
def test_the_cliff_of_the_fec(pre_fec_ber: float) -> None:
    assert disagreeing([frames_lost_at(pre_fec_ber)]) == ""


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


@cache
def rows() -> list[Row]:
    return [
        *(realised_rate(process, pause_ps) for process in CASES for pause_ps in PAUSES_PS),
        *(two_frames(interleaved) for interleaved in FEWER),
        *(fewer_lost(interleaved) for interleaved in FEWER),
        *(frames_lost_at(pre_fec_ber) for pre_fec_ber in CLIFF),
        *(share_by_turns(pause_ps) for pause_ps in TURNS_PS),
        *gaps_between_bad_bits(),
    ]


def notes() -> str:
    bits, rare_bits = (ber / failed_codewords(ber) for ber in (1e-8, 1e-15))
    more = f"{100 * (bits / rare_bits - 1):.1f} %"
    return f"""
Post-FEC ratios: at 1e-8 a failed codeword leaves {more} more bad bits than at 1e-15, and codewords
lose that much fewer frames than the table says. The bits before the FEC are taken as bad each for
itself; real lines have errors in bursts that interleaving spreads.
"""


SECTION = Section(
    "Error processes",
    """
Frames of 4178 B of line time at 400 Gb/s, one after the other or some time apart. Where frames lost
are counted, as many are sent as should lose 4000. "Blocks that a frame touches" is
`theory.block_loss`; two codewords are interleaved where nothing else is said.
""",
    rows,
    notes,
)
