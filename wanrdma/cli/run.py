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
from typing import TYPE_CHECKING

import click

from ..errors import OutputError
from .completion import scenario_names

if TYPE_CHECKING:
    from ..build.network import Network
    from ..results.summary import RunResult
    from ..scenario.load import LoadedScenario

INTERRUPTED = 130  # exit status, as shells have it: 128 + SIGINT


@click.command("run", epilog="Example: wanrdma run perftest --set lines.0.distance='500 km'")
@click.argument("scenario", shell_complete=scenario_names)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the trace here, not to NAME-SEED.h5.",
)
@click.option("--force", is_flag=True, help="Let -o overwrite a file.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    metavar="N",
    help="Seed of everything random, in place of the scenario's.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the scenario; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
@click.option("--no-trace", is_flag=True, help="Write no HDF5 file.")
@click.option("--quiet", is_flag=True, help="Print no tables and no progress.")
@click.pass_context
def command(
    context: click.Context,
    scenario: str,
    output: Path | None,
    force: bool,
    seed: int | None,
    settings: tuple[str, ...],
    as_json: bool,
    no_trace: bool,
    quiet: bool,
) -> None:
    """Emulate SCENARIO, a built-in's name or a YAML file, and say what came of it.

    The course of the run over time goes into an HDF5 file in the current folder.

    Exit status: 0 the work was done; 1 it ran, but the work is unfinished; 2 bad input, or
    nowhere to write; 130 interrupted.
    """
    if no_trace and output is not None:
        raise click.UsageError("-o names a trace, --no-trace wants none: give one of them.")
    if force and output is None:
        raise click.UsageError("--force goes with -o: without -o nothing is overwritten.")
    unwritten: OutputError | None = None
    try:
        from .. import api
        from ..scenario.load import load

        loaded = load(scenario, settings)
        with _interrupts() as interrupts, _progress(not quiet and sys.stderr.isatty()) as shown:

            def on_slice(network: Network) -> None:
                shown(network)
                if interrupts.asked:
                    raise KeyboardInterrupt  # the engine ends the run as stopped

            try:
                result = api.run(
                    loaded,
                    seed,
                    trace=output,
                    numbered_trace=not no_trace,
                    force=force,
                    on_slice=on_slice,
                    command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                )
            except OutputError as error:
                if error.result is None:
                    raise
                unwritten, result = error, error.result
    except KeyboardInterrupt:
        click.echo("interrupted; nothing was kept", err=True)
        context.exit(INTERRUPTED)
    if not quiet:
        for warning in result.warnings:
            click.echo(f"warning: {warning}", err=True)
    if as_json:
        _print(json.dumps(result.to_json(), indent=2, allow_nan=False))
    elif not quiet:
        _show(result, loaded)
    if unwritten is not None:
        raise unwritten
    if interrupts.cut_short(result):
        kept = f"; what there is of the trace is in {result.trace}" if result.trace else ""
        click.echo(
            f"interrupted after {result.simulated_s:.6g} s of simulated time{kept}", err=True
        )
        context.exit(INTERRUPTED)
    context.exit(0 if result.status == "completed" else 1)


class _Interrupts:
    """Ctrl-C: the first one asks the run to stop after its slice, the second stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):
            # Not by Python's streams: one may be in the middle of a write.
            os.write(2, b"\nstopping; Ctrl-C again stops at once\n")

    def cut_short(self, result: RunResult) -> bool:
        """Tell whether it was the user that stopped the run, and not too late for that."""
        return self.asked and result.status == "stopped"


@contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    """Take over Ctrl-C, so that it never falls between two steps of the emulator's state."""
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # only the main thread hears signals
        return
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress(shown: bool) -> Iterator[Callable[[Network], None]]:
    """Show on standard error how far a run is: simulated time, speed, share done, time left."""
    if not shown:
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

    from ..kernels.jit import CACHE_FOLDER
    from ..results.summary import PS_A_SECOND, asked_bytes

    compiled = CACHE_FOLDER is not None and any(CACHE_FOLDER.rglob("*.nbi"))
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task(
            "loading the emulator" if compiled else "compiling the emulator, only this first time",
            total=None,
        )
        began = time.perf_counter()

        def show_progress(network: Network) -> None:
            run = network.tables.run[0]
            simulated_s = int(run["clock_ps"]) / PS_A_SECOND
            speed = int(run["packet_hops"]) / max(time.perf_counter() - began, 1e-3) / 1e6
            progress.update(
                task,
                total=sum(asked_bytes(network)) or None,
                completed=int(network.tables.flows["delivered_bytes"].sum()),
                description=f"{simulated_s:.6f} s simulated, {speed:.1f} M packet-hops/s",
            )

        yield show_progress


def _show(result: RunResult, loaded: LoadedScenario) -> None:
    from ..results.table import new_console, show

    text = io.StringIO()
    console = new_console(text, for_terminal=sys.stdout.isatty())
    show(result, loaded.scenario, result.network, console)
    lines = text.getvalue().rstrip("\n").split("\n")
    _print("\n".join(line.rstrip() for line in lines))  # cells are filled with blanks


def _print(text: str) -> None:
    if sys.stdout is None:
        return  # closed before the program began
    # A name that the terminal's character set lacks must not lose the result.
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
