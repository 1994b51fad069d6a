"""What follows from a scenario by hand calculation, in lines for people."""

from collections.abc import Sequence

from .schema import Scenario
from .units import show_time

MOST_SHOWN = 8


def derived(scenario: Scenario) -> list[str]:
    """Give each site's convergence, each line's round trip, and how many transfers there are."""
    ratios = [(site, scenario.convergence(site)) for site in scenario.sites]
    known = [f"{site} {ratio:.3g}:1" for site, ratio in ratios if ratio is not None]
    lines = []
    for line in scenario.lines:
        lines.append(f"{'-'.join(line.between)} {show_time(2 * line.way_ps)}")
    transfers = [work for work in scenario.traffic if work.is_transfer]
    flows = sum(len(scenario.pairs(work)) for work in transfers)
    said = []
    if known:
        said.append(f"convergence (NICs : lines): {_listed(known)}")
    if lines:
        said.append(f"round trip of each line, light and terminals: {_listed(lines)}")
    rows = _count(len(scenario.traffic), "row")
    said.append(f"work: {_count(flows, 'transfer')} from host to host, in {rows} of traffic")
    return said


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _listed(entries: Sequence[str]) -> str:
    more = len(entries) - MOST_SHOWN
    return ", ".join(entries[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
