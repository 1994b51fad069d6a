"""The largest and smallest values that a scenario may give, where no standard says so."""

MOST_MESSAGE_BYTES = 2**31
"""The largest RDMA message (InfiniBand specification); longer ones are cut."""

LEAST_FRAME_BYTES = 24
"""Preamble, gap and at least an FCS: less would leave nothing to store."""
MOST_QUEUE_PAIRS = 65_536
"""From one host to another."""
MOST_LATENCY_PS = 10**12
"""A second: more is a slip."""
MOST_PERIOD_PS = 24 * 3600 * 10**12
"""A day."""
MOST_CABLE_M = 100e3
MOST_DELAY_PS_PER_M = 1e6
"""A millisecond a kilometre, two hundred times that of glass."""
MOST_HEADER_BYTES = 4096
"""Headers larger than any payload are a slip; packets hold their size in 15 bits."""
MOST_SHARED_BYTES = 2**50
"""Times an alpha of 64 it is still a whole number of 64 bits."""
MOST_SEED = 2**63 - 1
MOST_REORDER = 2**20
"""Packets that a receiver holds; each takes memory, used or not."""
MOST_TIMEOUT = 31
"""InfiniBand specification: the exponent has 5 bits."""

NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
SITE_NAME = r"^[a-z][a-z0-9_-]*$"
