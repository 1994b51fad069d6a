"""Cycles: what a group of sites does again and again is done once, and then as often at once.

A transfer that has settled does the same with each message, a little later: every time moves by
one period, every packet number by as many packets, and nothing else has changed. So an image is
taken (kernels/cycle_image.py) when a packet of one queue pair, the **anchor**, is sent or
received, and compared at the next such packets. Where it fits, kernels/cycle_limits.py says how
many more periods must follow, and kernels/cycle_jump.py does them. Nothing is approximated:
docs/architecture.md, "Cycles".
"""

from .access import get_own_port
from .cycle_image import (
    list_pending,
    list_standing,
    same_account,
    same_rows,
    take_image,
    words_of_image,
)
from .cycle_jump import jump
from .cycle_limits import (
    MANY_PERIODS,
    at_most,
    forget_transits,
    limit_gaps,
    limit_pending,
    limit_ports,
    limit_requesters,
    limit_responders,
    same_standing,
)
from .cycle_lines import limit_by_room, limit_by_what_comes, limit_lines
from .cycle_peaks import begin_cycle_peaks, note_peaks
from .cycle_tape import end_tape, start_tape
from .jit import jit, jit_apart
from .serve import settle
from .tables import NEVER_PS, NOWHERE

LONGEST_PATIENCE = 64
MUCH_IN_VAIN = 32  # looks: after as many again, half as much is spent on them
WORDS_A_QUEUE_PAIR = 8
MOST_CREDIT = 16  # images


@jit_apart
def look_back(run, g, end_ps):
    """Compare group g with its image, and jump if that is found; up to and with a time."""
    run.anchored = 0
    earned = (run.events - run.credit_events) * run.words_an_event
    earned >>= min(run.in_vain // MUCH_IN_VAIN, 4)
    run.credit_events = run.events
    run.anchor_events = run.events
    most = MOST_CREDIT * words_of_image(run)
    run.credit = min(run.credit + earned, most)
    if run.credit < 0:
        return
    settle_all(run)
    if run.image_ps != NOWHERE:
        if match(run, g):
            end_tape(run)
            if follow(run, g, end_ps):
                run.credit = most
                run.in_vain = 0
            begin_cycle_peaks(run)
            take_image(run, g)
            run.tries = 0
            run.patience = 1
            start_tape(run)
            return
        run.tries += 1
        run.in_vain += 1
        if run.tries < run.patience:
            return
        run.patience = 2 * run.patience if run.patience < LONGEST_PATIENCE else 1
    run.taping = 0
    run.is_taped = 0
    run.tries = 0
    note_peaks(run)
    begin_cycle_peaks(run)
    take_image(run, g)
    run.credit -= words_of_image(run)


@jit_apart
def settle_all(run):
    """Settle all frames that have ended quietly: a group has one image and not several.

    Whoever looks next would settle them; nothing else hangs on when it is done.
    """
    for place in range(run.own_ports_count):
        settle(run, get_own_port(run, place), run.now_ps)


@jit_apart
def match(run, g):
    """Tell whether a group does again what it did; `most_periods` of that must follow."""
    run.period_ps = run.now_ps - run.image_ps
    run.most_periods = MANY_PERIODS
    run.latest_ps = NEVER_PS
    if run.period_ps == 0 or not same_account(run):
        return False
    run.credit -= WORDS_A_QUEUE_PAIR * (run.own_requesters_count + run.own_responders_count)
    if not (limit_requesters(run) and limit_responders(run, g)):
        return False
    forget_transits(run)
    run.credit -= 2 * words_of_image(run)
    if not same_rows(run):
        return False
    if not (list_standing(run) and same_standing(run, g)):
        return False
    list_pending(run)
    if not (limit_pending(run) and limit_gaps(run)):
        return False
    if not limit_lines(run, g):
        return False
    limit_ports(run)
    return True


@jit_apart
def follow(run, g, end_ps):
    """Jump, if that is worth it, up to and with a time; False if not."""
    note_peaks(run)
    run.latest_ps = min(run.latest_ps, end_ps)
    if not run.is_taped:
        run.latest_ps = min(run.latest_ps, run.bin_end_ps - 1)
    at_most(run, (run.latest_ps - run.now_ps) // run.period_ps)
    if not is_worth_it(run):
        return False
    limit_by_what_comes(run, g)
    limit_by_room(run, g)
    if run.most_periods == 0 or not is_worth_it(run):
        return False
    jump(run, g, run.most_periods)
    note_peaks(run)
    return True


@jit
def is_worth_it(run):
    """Tell whether enough events are saved."""
    return run.most_periods * (run.events - run.image_events) >= run.least_jump
