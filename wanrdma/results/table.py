"""A run's figures as a person reads them: the answer first, then what lies behind it."""

from __future__ import annotations

import os
import shutil
from statistics import median_low
from typing import IO, TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table

from ..scenario.units import PS_PER_S, show_bytes, show_rate, show_time
from .cycles import Cycles
from .losses import Stall
from .summary import FlowResult, RunResult

if TYPE_CHECKING:
    from ..build.network import Network
    from ..scenario.schema import Scenario

PIPED_WIDTH = 110  # columns where there is no terminal to ask
UNBOUNDED = 100_000  # columns, more than any table has
MOST_FLOWS = 12  # listed one by one; more are grouped
FULLEST_QUEUES = 5
MOST_DROPS = 10

# What a total means to somebody who meets it for the first time.
MEANINGS = {
    "drops_congestion": ("congestion drops", "packets that found a full buffer"),
    "drops_error": ("error drops", "frames that errors on a line damaged"),
    "lost_on_line": ("lost on lines", "frames lost with a line that was down"),
    "drops_watchdog": ("watchdog drops", "packets dropped by a PFC watchdog in a pause storm"),
    "retransmitted_packets": (
        "retransmitted",
        "packets sent again (go-back-N: all from the lost one on)",
    ),
    "naks": ("NAKs", "times a sender was told that a packet is missing"),
    "timeouts": (
        "timeouts",
        "ACK timers that ran out: a loss without a NAK, or a timer below the RTT",
    ),
    "qp_errors": (
        "queue pair errors",
        "queue pairs that used up their retries, all or those of a period",
    ),
    "pause_frames": ("PFC frames", "stop and go-on frames, sent by buffers that filled"),
}


def new_console(file: IO[str] | None = None, *, for_terminal: bool = False) -> Console:
    """Give a console that writes to ``file`` (standard output by default).

    What it writes is plain and of one width, or as wide as the terminal that it is for.
    """
    return Console(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        force_terminal=for_terminal,
        color_system="auto" if for_terminal and styles_wanted() else None,
        width=shutil.get_terminal_size().columns if for_terminal else PIPED_WIDTH,
    )


def styles_wanted() -> bool:
    """Whether a terminal understands escape codes, and its user has not forbidden colours."""
    known = os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    return known and not os.environ.get("NO_COLOR")


def show(result: RunResult, scenario: Scenario, network: Network, console: Console) -> None:
    """Print everything about one run that fits a screen."""
    # Sentences are not wrapped here: a terminal does it, and a pipe wants whole lines.
    console.print(answer(result, nic_rates_bps(network)), soft_wrap=True)
    _print_table(console, _flow_table(result))
    _print_table(console, _totals_table(result))
    _print_table(console, _loss_table(result))
    _print_table(console, _drop_table(result))
    _print_table(console, _queue_table(result))
    console.print()
    for line in (_convergence(scenario), _speed(result), _cycles(result.cycles), _trace(result)):
        if line:
            console.print(line, soft_wrap=True)


def nic_rates_bps(network: Network) -> dict[str, float]:
    """Give the sending NIC's rate in bit/s of each flow that has a queue pair."""
    tables = network.tables
    rates: dict[str, float] = {}
    for pair, flow in enumerate(network.queue_pair_flow):
        if flow >= 0:
            port = tables.ports[int(tables.requesters[pair]["sender_port"])]
            rates[network.flow_names[flow]] = 8e12 / int(port["ps_per_byte"])
    return rates


def answer(result: RunResult, nic_bps: dict[str, float]) -> str:
    """Say in one sentence what came of the run."""
    sentence = _achieved(result, nic_bps)
    if result.status == "completed":
        return sentence
    how = "Stopped" if result.status == "stopped" else "Incomplete"
    return f"{how} after {_seconds(result.simulated_s)}: {result.reason.rstrip('.')}. {sentence}"


def _achieved(result: RunResult, nic_bps: dict[str, float]) -> str:
    flows = result.flows
    if not flows:
        return f"No data was to be sent; the work took {_seconds(result.simulated_s)}."
    groups = list(dict.fromkeys(flow.group for flow in flows))
    if len(flows) == 1:
        return f"{flows[0].name}: {_one(flows[0], nic_bps)}"
    name = groups[0] if len(groups) == 1 else "all traffic"
    total = show_bytes(sum(flow.bytes for flow in flows))
    unfinished = [flow for flow in flows if flow.completion_s is None]
    if unfinished:
        delivered = show_bytes(sum(flow.counters["delivered_bytes"] for flow in flows))
        return (
            f"{name}: {delivered} of {total} delivered; {len(unfinished)} of {len(flows)} "
            "flows unfinished"
        )
    slowest = _slowest(flows)
    return (
        f"{name}: {total} in {len(flows)} flows; the slowest, {slowest.name}: "
        f"{_one(slowest, nic_bps)}"
    )


def _one(flow: FlowResult, nic_bps: dict[str, float]) -> str:
    if flow.completion_s is None:
        delivered = show_bytes(flow.counters["delivered_bytes"])
        text = f"{delivered} of {show_bytes(flow.bytes)} delivered"
    else:
        text = f"{show_bytes(flow.bytes)} in {_seconds(flow.completion_s)}"
    if flow.steady_goodput_bps is None:
        return text
    text += f", {show_rate(flow.steady_goodput_bps)} steady"
    if flow.name in nic_bps:
        share = flow.steady_goodput_bps / nic_bps[flow.name]
        text += f" ({share:.1%} of the {show_rate(nic_bps[flow.name])} NIC)".replace("%", " %", 1)
    return text


def _slowest(flows: tuple[FlowResult, ...] | list[FlowResult]) -> FlowResult:
    """Pick the flow that took longest; one that never finished took longer than any."""

    def slowness(flow: FlowResult) -> tuple[bool, float]:
        return flow.completion_s is None, flow.completion_s or 0.0

    return max(flows, key=slowness)


def _flow_table(result: RunResult) -> Table | None:
    if not result.flows:
        return None
    if len(result.flows) <= MOST_FLOWS:
        return _each_flow(result.flows)
    return _grouped_flows(result.flows)


def _each_flow(flows: tuple[FlowResult, ...]) -> Table:
    table = _table(
        "flow", ">bytes", ">time", ">goodput", ">steady", ">resent", ">NAKs", ">timeouts"
    )
    for flow in flows:
        table.add_row(
            flow.name,
            show_bytes(flow.bytes),
            _time_or_share(flow),
            _rate(flow.goodput_bps),
            _rate(flow.steady_goodput_bps),
            _count(flow.counters["retransmitted_packets"]),
            _count(flow.counters["packet_seq_err"]),
            _count(flow.counters["local_ack_timeout_err"]),
        )
    return table


def _grouped_flows(flows: tuple[FlowResult, ...]) -> Table:
    table = _table(
        "traffic",
        ">flows",
        ">done",
        ">bytes each",
        ">time min",
        ">median",
        ">max",
        ">steady min",
        ">median",
        ">max",
        "slowest",
    )
    groups: dict[str, list[FlowResult]] = {}
    for flow in flows:
        groups.setdefault(flow.group, []).append(flow)
    for name, members in groups.items():
        times = [flow.completion_s for flow in members if flow.completion_s is not None]
        rates = [f.steady_goodput_bps for f in members if f.steady_goodput_bps is not None]
        sizes = {flow.bytes for flow in members}
        table.add_row(
            name,
            _count(len(members)),
            _count(len(times)),
            show_bytes(sizes.pop()) if len(sizes) == 1 else "various",
            *(_seconds(f(times)) if times else "-" for f in (min, median_low, max)),
            *(show_rate(f(rates)) if rates else "-" for f in (min, median_low, max)),
            _slowest(members).name,
        )
    return table


def _totals_table(result: RunResult) -> Table | None:
    rows = [(MEANINGS[key], count) for key, count in result.totals.items() if count]
    if not rows:
        return None
    table = _table("what went wrong or was held back", ">count")
    table.add_column("meaning")  # sentences: the one column that may be folded
    for (name, meaning), count in rows:
        table.add_row(name, _count(count), meaning)
    return table


def _loss_table(result: RunResult) -> Table | None:
    if not result.costliest_losses:
        return None
    table = _table("costliest losses", ">packet", ">at", ">stood still", "how it was noticed")
    for stall in result.costliest_losses:
        table.add_row(
            stall.queue_pair,
            _count(stall.packet),
            _seconds(stall.began_s),
            _how_long(stall),
            _how_noticed(stall),
        )
    return table


def _how_long(stall: Stall) -> str:
    text = _seconds(stall.stalled_s)
    if stall.ended_s is not None:
        return text
    return f"{text}, gave up" if stall.gave_up else f"{text} so far"


def _how_noticed(stall: Stall) -> str:
    if stall.noticed_by == "nak":
        after = f", then {_timers(stall.timeouts)}: sent again and lost again"
        return "by a NAK" + (after if stall.timeouts else "")
    return f"by {_timers(stall.timeouts)}, no NAK told of it"


def _timers(count: int) -> str:
    return "the ACK timer" if count == 1 else f"{count} ACK timers"


def _drop_table(result: RunResult) -> Table | None:
    if not result.drops:
        return None
    table = _table("full buffer", ">priority", ">drops", ">its size", ">it lacked")
    for drop in result.drops[:MOST_DROPS]:
        node, _, peer = drop.port.partition(">")
        where = f"{node}, from {peer}" if drop.side == "ingress" else f"{node}, towards {peer}"
        table.add_row(
            where,
            str(drop.priority),
            _count(drop.packets),
            show_bytes(drop.buffer_bytes),
            "not known (lossy)" if drop.missing_bytes is None else show_bytes(drop.missing_bytes),
        )
    more = len(result.drops) - MOST_DROPS
    if more > 0:
        table.caption = f"and {more} more, in --json and in the trace"
    return table


def _queue_table(result: RunResult) -> Table | None:
    fullest = sorted(result.max_queue_bytes.items(), key=lambda item: -item[1])
    rows = [(port, size) for port, size in fullest[:FULLEST_QUEUES] if size > 0]
    if not rows:
        return None
    table = _table("fullest queues (node>next)", ">largest")
    for port, size in rows:
        table.add_row(port, show_bytes(size))
    return table


def _convergence(scenario: Scenario) -> str:
    ratios = ((site, scenario.convergence(site)) for site in scenario.sites)
    known = [f"{site} {ratio:.3g}:1" for site, ratio in ratios if ratio is not None]
    return f"Convergence (NICs : lines): {', '.join(known)}" if known else ""


def _speed(result: RunResult) -> str:
    text = f"Simulated {_seconds(result.simulated_s)} in {_seconds(result.wall_s)}"
    if result.wall_s > 0 and result.simulated_s > 0:
        ratio = result.wall_s / result.simulated_s
        how = f"{ratio:.3g} times slower" if ratio >= 1 else f"{1 / ratio:.3g} times faster"
        text += f", {how} than the network itself"
    text += f"; {_count(result.packet_hops)} packet-hops"
    if result.cpu_s > 0:
        text += f", {result.packet_hops / result.cpu_s / 1e6:.3g} million a CPU second"
    return text + "."


def _cycles(cycles: Cycles) -> str:
    if cycles.exact_events:
        return "Cycles: not looked for; every event was handled."
    if cycles.jumps == 0:
        return "Cycles: none; every event was handled."
    hops, events = _part(cycles.share_of_packet_hops), _part(cycles.share_of_events)
    jumps = "1 jump" if cycles.jumps == 1 else f"{_count(cycles.jumps)} jumps"
    return f"Cycles: {hops} of the packet-hops and {events} of the events done at once, in {jumps}."


def _part(share: float) -> str:
    """Show a share; one that is not all, or not nothing, never as that."""
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{share:.1%}".replace("%", " %")


def _trace(result: RunResult) -> str:
    return f"Trace: {result.trace}" if result.trace else ""


def _seconds(seconds: float) -> str:
    return show_time(seconds * PS_PER_S)


def _time_or_share(flow: FlowResult) -> str:
    if flow.completion_s is not None:
        return _seconds(flow.completion_s)
    share = flow.counters["delivered_bytes"] / flow.bytes if flow.bytes else 0.0
    return f"{share:.1%} done"


def _rate(bps: float | None) -> str:
    return "-" if bps is None else show_rate(bps)


def _count(number: int) -> str:
    return f"{number:,}"


def _table(*columns: str) -> Table:
    """Make a table; a column whose name begins with > is one of figures. None is ever cut."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        justify: JustifyMethod = "right" if name.startswith(">") else "left"
        table.add_column(name.removeprefix(">"), justify=justify, no_wrap=True)
    return table


def _print_table(console: Console, table: Table | None) -> None:
    if table is None:
        return
    for column in table.columns:
        if column.no_wrap:
            column.min_width = max(cell_len(str(cell)) for cell in (column.header, *column.cells))
    # A narrow terminal is to fold the lines itself: Rich would cut figures without a sign.
    unbounded = console.options.update_width(UNBOUNDED)
    needed = Measurement.get(console, unbounded, table).minimum
    width = console.width
    console.width = max(width, needed)
    console.print()
    console.print(table)
    console.width = width
