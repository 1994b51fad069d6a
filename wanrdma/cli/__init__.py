"""The command line: one module a command, each imported when it is used."""

import sys

INTERRUPTED = 130
"""Exit status, as shells have it: 128 + SIGINT."""

try:
    import contextlib
    import importlib
    import os
    from typing import Any

    import click

    from ..errors import WanrdmaError
except KeyboardInterrupt:  # a tenth of a second in which a traceback would tell nothing
    sys.exit(INTERRUPTED)

COMMANDS = {
    "bench": "wanrdma.cli.bench",
    "plot": "wanrdma.cli.plot",
    "presets": "wanrdma.cli.presets",
    "run": "wanrdma.cli.run",
    "scenarios": "wanrdma.cli.scenarios",
    "schema": "wanrdma.cli.schema",
    "size": "wanrdma.cli.size",
    "validate": "wanrdma.cli.validate",
}
"""Each command and the module whose ``command`` it is."""

BAD_INPUT = 2
"""Exit status for input that cannot be used, or nowhere to write."""


def say(text: str) -> None:
    """Tell the user something on standard error. If that is full, the work goes on without."""
    try:
        click.echo(text, err=True)
    except OSError:
        _drop_unwritten(sys.stderr)


class LazyGroup(click.Group):
    """A group that imports a command's module only for that command, or to list its help.

    What a person can put right (WanrdmaError), or a disk that refuses, is told on stderr,
    without a traceback.
    """

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program. Writing to a full or broken output ends it with a message."""
        _open_closed_streams()
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            what = error.filename or "standard output"
            say(f"cannot write to {what}: {error.strerror}")
            _drop_unwritten(sys.stdout)
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for; name the nearest if there is none."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            from ..scenario.found import among

            ctx.fail(
                f"No such command {name!r}; {among(name, self.list_commands(ctx), 'commands')}"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except WanrdmaError as error:
            say(str(error))
            ctx.exit(BAD_INPUT)
        except KeyboardInterrupt:
            say("interrupted")
            ctx.exit(INTERRUPTED)


def _open_closed_streams() -> None:
    """Put /dev/null where a stream was closed: else the next file opened would take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _drop_unwritten(stream: Any) -> None:
    """Send what is left in a stream's buffer nowhere: at exit it would be tried again."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(
    "wanrdma",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: wanrdma run perftest --set 'lines.0.distance=100 km'",
)
@click.version_option(package_name="wanrdma")
def main() -> None:
    """Packet-level emulator of lossless RDMA over wide-area optical networks."""
