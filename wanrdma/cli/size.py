"""``wanrdma size``: how large lossless buffers have to be."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from ..errors import ScenarioError
from . import BAD_INPUT, say
from .given import load_given, print_problems, scenario_argument, settings_option

INTRODUCTION = """\
Whole buffers (XOFF + headroom) of one lossless priority: by the formula for the worst case, the
smallest that dropped nothing, and the smallest that cost no throughput (XON two frames below XOFF).
"""


@click.command("size", epilog="Example: wanrdma size incast-pfc --port 'b.otn0>*'")
@scenario_argument
@settings_option
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of everything random, in place of the scenario's.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Work on so many sites at a time (default: the cores there are). Changes no result.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.001,
    show_default=True,
    help="How much later a run may be over and still have full throughput, as a share.",
)
@click.option(
    "--port",
    "ports",
    default="*",
    metavar="PATTERN",
    help="Size only ports whose name (node>peer) matches, like 'b.*>a.*'.",
)
@click.option("--sonic", is_flag=True, help="Print lines for SONiC's pg_profile_lookup.ini only.")
@click.pass_context
def command(
    context: click.Context,
    scenario: str,
    settings: tuple[str, ...],
    seed: int | None,
    threads: int | None,
    as_json: bool,
    tolerance: float,
    ports: str,
    sonic: bool,
) -> None:
    """Find how large the buffers of SCENARIO have to be, where a port pauses its peer.

    SCENARIO is a built-in's name, a YAML file, or - for standard input. It is run some dozens of
    times, with other buffers. What the columns are: docs/size.md.

    Exit status: 0 the work was done; 1 the scenario, with buffers without limits, leaves work
    unfinished (what there is of the figures is printed); 2 bad input; 130 interrupted.
    """
    if as_json and sonic:
        raise click.UsageError("--json and --sonic: give one of them.")
    try:
        from .. import api

        loaded = load_given(scenario, settings)
        with _progress() as shown:
            sizes = api.size(
                loaded, seed, ports=ports, tolerance=tolerance, threads=threads, on_run=shown
            )
    except ScenarioError as error:
        if not as_json:
            raise
        print_problems(error.problems)
        context.exit(BAD_INPUT)
    from ..results import sizes as figures

    if as_json:
        click.echo(json.dumps(sizes.to_json(), indent=2, allow_nan=False))
    elif not sizes.ports:
        which = "No port" if ports == "*" else "No port that matches"
        say_or_print = say if sonic else click.echo
        say_or_print(f"{which} paused its peer: there is nothing to size.")
    elif sonic:
        click.echo(figures.sonic(sizes.ports))
    else:
        click.echo(f"{INTRODUCTION}\n{figures.table(sizes)}")
        switches = tuple(port for port in sizes.ports if not port.is_terminal)
        if switches:
            click.echo(f"\n{figures.sonic(switches)}")
        click.echo(f"\n{sizes.runs} runs.")
    if sizes.status != "completed":
        say(f"{sizes.status}: {sizes.reason}")
        context.exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], object]]:
    """Show on standard error, where that is a terminal, which run is made."""
    if not (sys.stderr.isatty() and os.environ.get("TERM")):
        yield lambda _text: None
        return
    from rich.console import Console

    from ..results.table import styles_wanted

    console = Console(stderr=True, color_system="auto" if styles_wanted() else None)
    with console.status("loading the emulator") as status:
        yield status.update
