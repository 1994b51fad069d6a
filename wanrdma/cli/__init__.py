"""The command line: one module a command, each imported when it is used."""

import importlib
import os
import sys
from typing import Any

import click

from ..errors import WanrdmaError

COMMANDS = {
    "run": "wanrdma.cli.run",
    "scenarios": "wanrdma.cli.scenarios",
    "schema": "wanrdma.cli.schema",
    "validate": "wanrdma.cli.validate",
}
"""Each command and the module whose ``command`` it is."""

BAD_INPUT = 2
"""Exit status for input that cannot be used, or nowhere to write."""


class LazyGroup(click.Group):
    """A group that imports a command's module only for that command, or to list its help.

    What a person can put right (WanrdmaError), or a disk that refuses, is told on stderr,
    without a traceback.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program. Writing to a full or broken output ends it with a message."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            what = error.filename or "standard output"
            click.echo(f"cannot write to {what}: {error.strerror}", err=True)
            # What is left in the buffer would be tried again, and complained about, at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(BAD_INPUT)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands' names."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except WanrdmaError as error:
            click.echo(str(error), err=True)
            ctx.exit(BAD_INPUT)


@click.group(
    "wanrdma",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: wanrdma run perftest --set 'lines.0.distance=100 km'",
)
@click.version_option(package_name="wanrdma")
def main() -> None:
    """Packet-level emulator of lossless RDMA over wide-area optical networks."""
