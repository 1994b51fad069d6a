"""``wanrdma run``: one scenario, once."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..errors import OutputError, RunInterrupted, ScenarioError
from . import BAD_INPUT, INTERRUPTED, say
from .given import load_given, print_problems, scenario_argument, settings_option

if TYPE_CHECKING:
    from ..build.network import Network
    from ..results.summary import RunResult
    from ..scenario.load import LoadedScenario


@click.command("run", epilog="Example: wanrdma run perftest --set lines.0.distance='500 km'")
@scenario_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write the trace here, not to NAME-SEED.h5.",
)
@click.option("--force", is_flag=True, help="Let -o overwrite FILE and FILE.part.")
@click.option(
    "--seed",
    type=int,
    metavar="N",
    help="Seed of everything random, in place of the scenario's.",
)
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Work on so many sites at a time (default: the cores there are). Changes no result.",
)
@click.option(
    "--bins",
    type=click.Choice([str(2**n) for n in range(10, 18)]),
    default="1024",
    show_default=True,
    metavar="N",
    help="Time bins of the trace, at most, a power of 2 up to 131072: more show more, and take "
    "more memory.",
)
@click.option(
    "--exact-events",
    is_flag=True,
    help="Handle every event, also those of cycles that could be left out. Same result, slower.",
)
@click.option("--no-trace", is_flag=True, help="Write no HDF5 file.")
@click.option("--quiet", is_flag=True, help="Print no tables and no progress.")
@click.pass_context
def command(
    context: click.Context,
    scenario: str,
    output: str | None,
    force: bool,
    seed: int | None,
    settings: tuple[str, ...],
    as_json: bool,
    threads: int | None,
    bins: str,
    exact_events: bool,
    no_trace: bool,
    quiet: bool,
) -> None:
    """Emulate SCENARIO and say what came of it.

    SCENARIO is a built-in's name, a YAML file, or - for standard input. The course of the run over
    time goes into an HDF5 file in the current folder.

    Exit status: 0 the work was done; 1 it ran, but the work is unfinished; 2 bad input, or
    nowhere to write; 130 interrupted.
    """
    if no_trace and output is not None:
        raise click.UsageError("-o names a trace, --no-trace wants none: give one of them.")
    if force and output is None:
        raise click.UsageError("--force goes with -o: without -o nothing is overwritten.")
    if output == "-":
        raise click.UsageError(
            "-o - : a trace does not go to standard output; --json prints the figures there."
        )
    unwritten: OutputError | None = None
    cut_short = False
    try:
        from .. import api

        loaded = load_given(scenario, settings)
        with _Interrupts() as interrupts, _progress(quiet, as_json) as shown:

            def on_slice(network: Network) -> bool:
                interrupts.running = True
                shown(network)
                return interrupts.asked

            try:
                result = api.run(
                    loaded,
                    seed,
                    trace=output,
                    numbered_trace=not no_trace,
                    force=force,
                    threads=threads,
                    bins=int(bins),
                    exact_events=exact_events,
                    on_slice=on_slice,
                    command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                )
            except OutputError as error:
                if error.result is None:
                    raise
                unwritten, result = error, error.result
            except RunInterrupted as stop:
                cut_short, result = True, stop.result
    except ScenarioError as error:
        if not as_json:
            raise
        print_problems(error.problems)
        context.exit(BAD_INPUT)
    except KeyboardInterrupt:
        say("interrupted; nothing was kept")
        context.exit(INTERRUPTED)
    if not quiet:
        for warning in result.warnings:
            say(f"warning: {warning}")
    if as_json:
        _print(json.dumps(result.to_json(), indent=2, allow_nan=False))
    elif not quiet:
        _show(result, loaded)
    if unwritten is not None:
        raise unwritten
    if cut_short or (interrupts.asked and result.status == "stopped"):
        kept = f"; what there is of the trace is in {result.trace}" if result.trace else ""
        say(f"interrupted after {result.simulated_s:.6g} s of simulated time{kept}")
        context.exit(INTERRUPTED)
    context.exit(0 if result.status == "completed" else 1)


class _Interrupts:
    """What Ctrl-C does: it ends the compiling and building at once.

    When the emulator runs, the first one asks it to stop after its slice, so as not to fall
    between two steps of it; the next ends it at once.
    """

    def __init__(self) -> None:
        self.asked = self.running = False
        self.before: Any = None

    def __enter__(self) -> _Interrupts:
        if threading.current_thread() is threading.main_thread():  # no other hears signals
            self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True  # also where the exception is lost in a callback of the compiler
        if not self.running:
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):
            # Not by Python's streams: one may be in the middle of a write.
            os.write(2, b"\nstopping; Ctrl-C again stops at once\n")

    def __exit__(self, *_error: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


@contextmanager
def _progress(quiet: bool, as_json: bool) -> Iterator[Callable[[Network], None]]:
    """Show on standard error how far a run is: simulated time, speed, share done, time left.

    Where that is no terminal, only say if the emulator has to be compiled first.
    """
    preparing, lasts = ("", False) if quiet else _preparing()
    if quiet or not (sys.stderr.isatty() and os.environ.get("TERM")):
        if lasts and not as_json:
            say(f"{preparing}; this takes some 15 seconds")
        yield lambda _network: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    from ..results.summary import asked_bytes
    from ..results.table import styles_wanted
    from ..scenario.units import PS_PER_S

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    console = Console(stderr=True, color_system="auto" if styles_wanted() else None)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(preparing, total=None)
        began = time.perf_counter()

        def show_progress(network: Network) -> None:
            tables = network.tables
            simulated_s = int(tables.run["clock_ps"].max()) / PS_PER_S
            speed = tables.packet_hops() / max(time.perf_counter() - began, 1e-3) / 1e6
            progress.update(
                task,
                total=sum(asked_bytes(network)) or None,
                completed=int(network.tables.flows["delivered_bytes"].sum()),
                description=f"{simulated_s:.6f} s simulated, {speed:.1f} M packet-hops/s",
            )

        yield show_progress


def _preparing() -> tuple[str, bool]:
    """Say what comes before a run, and whether it lasts."""
    from ..kernels.jit import CACHE_FOLDER

    if CACHE_FOLDER is None:
        return "compiling the emulator: there is no folder to keep the machine code in", True
    if any(CACHE_FOLDER.rglob("*.nbi")):
        return "loading the emulator", False
    return "compiling the emulator, only this first time", True


def _show(result: RunResult, loaded: LoadedScenario) -> None:
    from ..results.table import new_console, show

    text = io.StringIO()
    console = new_console(text, for_terminal=sys.stdout.isatty())
    show(result, loaded.scenario, result.network, console)
    lines = text.getvalue().rstrip("\n").split("\n")
    _print("\n".join(line.rstrip() for line in lines))  # cells are filled with blanks


def _print(text: str) -> None:
    # A name that the terminal's character set lacks must not lose the result.
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
