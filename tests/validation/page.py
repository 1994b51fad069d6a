"""The page docs/validation.md: its introduction, its sections, what is not on it yet.

A comparison is added as a row where the runs are made, a subject as a module with a ``SECTION``
and its name here.
"""

from importlib.metadata import version
from pathlib import Path

from validation import (
    long_runs,
    test_bifrost,
    test_bit_errors,
    test_buffers,
    test_dcqcn,
    test_error_processes,
    test_go_back_n,
    test_lossless,
    test_ns3,
    test_perftest,
    test_protection,
    test_selective_repeat,
    test_sizes,
    test_slots,
    timers,
)
from validation.compared import Section

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/validation.md"
LIBRARIES = {"numba": "Numba", "numpy": "NumPy", "scipy": "SciPy"}


def introduction() -> str:
    """Return what stands above the sections."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    libraries = ", ".join(f"{name} {pins[package]}" for package, name in LIBRARIES.items())
    return f"""\
# What has been compared, and how well it agrees

Made by `python -m tests.validation > docs/validation.md` from the modules in `tests/validation`:
change it there. All seeds are fixed, so it comes out the same each time. The tests hold each row
(`pytest tests/validation`; those that take minutes are marked `slow`), and that this page is what
the command writes. Measured with wanrdma {version("wanrdma")}, Python 3.11, {libraries}.

Differences are here - theirs, as a share of theirs, or as they are where more than all of theirs is
allowed. "Allowed" is the largest that the tests let pass, and says what it is: chosen, a sampling
error, the rounding of a table. "Exact" means equal to the picosecond, to the byte or to the packet,
with a sum worked out by hand. Five digits are shown of what is not a whole number.

Kinds: *predicted*, every setting is the scenario's own or stated in the row, and no constant was
fitted; *calibrated*, a constant was fitted to what it is compared with; *assumed*, "theirs" is a
plain choice of ours.

DOMAIN numbers are sections of [domain.md](domain.md); where it states a formula or a figure of its
own, no outside source is claimed. A ditto mark is the source above.
"""


SECTIONS: list[Section] = [
    test_perftest.SECTION,
    test_slots.SECTION,
    test_go_back_n.SECTION,
    test_bit_errors.SECTION,
    test_error_processes.SECTION,
    test_ns3.SECTION,
    test_selective_repeat.SECTION,
    test_dcqcn.SECTION,
    timers.SECTION,
    test_buffers.SECTION,
    test_sizes.SECTION,
    test_bifrost.SECTION,
    test_lossless.SECTION,
    test_protection.SECTION,
    long_runs.SECTION,
]

MISSING = """\
## Not compared yet

- The field trials (DOMAIN 1): training comes later. SONiC's XOFF bytes.
- Another emulator, but for go-back-N. ns-3 lacks the ACK timer, retry limit and OTN buffers that
  most of this is about.
- Real NICs, but for when a ConnectX gives up and how often it sends again (tests/test_recovery.py).
- Errors that change over time and ways of another length, but with the twin.
"""


def page() -> str:
    """Make all runs, some minutes, and return the page as Markdown."""
    return "\n".join([introduction(), *(section.markdown() for section in SECTIONS), MISSING])


def parts(text: str) -> list[str]:
    """Cut the page before each heading of a section, as it was put together."""
    first, *others = text.split("\n## ")
    return [first, *(f"## {other}" for other in others)]
