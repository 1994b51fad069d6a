"""How threads take groups of sites through a stretch of time, with the work itself left out."""

import signal
import threading
import time
from concurrent import futures

import numpy as np
import pytest
from validation.runs import Trial

from wanrdma.kernels import loop
from wanrdma.stretch import Stretch


@pytest.mark.parametrize("first", ["in its own step", "while the others end theirs"])
def test_nothing_is_at_work_after_ctrl_c(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if it is pressed again while the other threads finish their step."""
    at_work: list[int] = []

    def advance(_self: Stretch, g: int) -> int:
        if threading.current_thread() is threading.main_thread():
            time.sleep(0.1)  # until the others are at work
            if first == "in its own step":
                raise KeyboardInterrupt
            return loop.LINES_SHORT
        at_work.append(g)
        for _ in range(4):
            time.sleep(0.1)
            signal.raise_signal(signal.SIGINT)  # the main thread handles it
        at_work.remove(g)
        return loop.TIME_IS_UP

    monkeypatch.setattr(Stretch, "_advance", advance)
    network = Trial("perftest", groups=[]).network
    with futures.ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        Stretch(network, range(2), range(1, 100), 1).go_on(pool, threads=2)
    assert not at_work


def test_what_goes_wrong_on_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(_self: Stretch, _g: int) -> int:
        if threading.current_thread() is threading.main_thread():
            return loop.TIME_IS_UP
        raise IndexError("no such row")

    monkeypatch.setattr(Stretch, "_advance", advance)
    network = Trial("perftest", groups=[]).network
    with futures.ThreadPoolExecutor(1) as pool, pytest.raises(IndexError):
        Stretch(network, range(2), range(1, 10_000), 1).go_on(pool, threads=2)


def test_no_group_is_more_than_a_step_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each sees of the others what they had done by the end of their last step."""
    taken: list[tuple[int, int]] = []

    def advance(self: Stretch, g: int) -> int:
        step = self.steps_done[g]
        taken.append((g, step))
        lines = self.network.tables.lines
        others_steps = lines["visible"][self.lines_to[g]]
        assert np.all((step - 1 <= others_steps) & (others_steps <= step + 1))
        time.sleep(0.001 * ((7 * g + step) % 3))
        lines["sent"][self.lines_from[g]] = step + 1
        return loop.TIME_IS_UP

    monkeypatch.setattr(Stretch, "_advance", advance)
    network = Trial("perftest", groups=[]).network
    whole = Stretch(network, range(2), range(1, 51), 1)
    with futures.ThreadPoolExecutor(1) as pool:
        assert whole.go_on(pool, threads=2) == set()
    assert whole.is_done()
    assert sorted(taken) == [(g, k) for g in range(2) for k in range(50)]


def test_a_stretch_that_takes_too_long_is_cut_where_all_can_meet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def advance(_self: Stretch, g: int) -> int:
        time.sleep(0.01 * (1 + g))
        return loop.TIME_IS_UP

    monkeypatch.setattr(Stretch, "_advance", advance)
    network = Trial("perftest", groups=[]).network
    whole = Stretch(network, range(2), range(1, 10_000), 1, longest_s=0.1)
    with futures.ThreadPoolExecutor(1) as pool:
        assert whole.go_on(pool, threads=2) == set()
    assert whole.is_done()
    assert 2 <= len(whole.ends_ps) < 50
    assert set(whole.steps_done.values()) == {len(whole.ends_ps)}


def test_a_stretch_that_is_cut_where_all_have_met_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """No one is at work then who could tell a thread that waits."""

    def advance(self: Stretch, g: int) -> int:
        if g == 1:
            self.cut_s = 0.0  # long past when the next step is looked for
        return loop.TIME_IS_UP

    monkeypatch.setattr(Stretch, "_advance", advance)
    whole = Stretch(Trial("perftest", groups=[]).network, range(2), range(1, 10), 1)
    with futures.ThreadPoolExecutor(1) as pool:
        alone = threading.Thread(target=whole.go_on, args=(pool, 1), daemon=True)
        alone.start()
        alone.join(timeout=10)
    assert not alone.is_alive()
    assert (whole.is_done(), whole.ends_ps) == (True, [1])
