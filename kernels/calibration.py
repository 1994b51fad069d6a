"""A loop to compare machines by: a binary heap of 64 pending events.

It stands for itself and shares no code with the emulator, so that it never changes with it.
"""

import numba

PENDING = 64


@numba.njit(nogil=True)  # not kept between runs: it is compiled in no time
def calibrate(times_ps, keys, events):
    """Take the first of the pending events and put it back later, so many times.

    `times_ps` and `keys` are int64 of length PENDING, sorted by time. Returns the last time.
    """
    step = 1
    for _ in range(events):
        step = (step * 1103515245 + 12345) & 0x7FFFFFFF  # ANSI C's rand: all that is wanted
        time_ps = times_ps[0] + (step >> 12)
        key = keys[0]
        place = 0
        child = 1
        while child < PENDING:
            right = child + 1
            if right < PENDING and (
                times_ps[right] < times_ps[child]
                or (times_ps[right] == times_ps[child] and keys[right] < keys[child])
            ):
                child = right
            if time_ps < times_ps[child] or (time_ps == times_ps[child] and key < keys[child]):
                break
            times_ps[place] = times_ps[child]
            keys[place] = keys[child]
            place = child
            child = 2 * place + 1
        times_ps[place] = time_ps
        keys[place] = key
    return times_ps[0]
