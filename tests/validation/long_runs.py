"""Much data, many packets, wide windows and long times: the rows of tests/test_long_runs.py."""

from functools import cache

import test_long_runs as tests

from validation.compared import Row, Section
from validation.held import held


@cache
def rows() -> list[Row]:
    return [
        tests.flow_above_4_gib(),
        *(tests.loss_beyond(sent_bytes) for sent_bytes in tests.BEYOND),
        Row(
            "every packet's times",
            "a queue pair that begins 5000 packets before 2^23, 2^24, 2^31, 2^32, with losses",
            *held(tests.test_a_queue_pair_that_begins_elsewhere_does_the_same),
            "one that begins at 0",
            "cases",
        ),
        tests.more_packets_than_psns(),
        tests.half_the_psns(),
        *tests.day_mostly_idle(),
    ]


SECTION = Section(
    "Long runs",
    """
Numbers that leave 32 bits, the 24 bits of a PSN, and the time that anything else takes.
""",
    rows,
)
