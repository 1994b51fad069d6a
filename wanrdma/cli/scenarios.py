"""``wanrdma scenarios``: what is built in."""

import json

import click

from .completion import builtin_names


@click.group(
    "scenarios",
    invoke_without_command=True,
    epilog="Example: wanrdma scenarios show perftest > mine.yaml",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value: names and texts.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the built-in scenarios; 'show NAME' prints one."""
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json is for the list; 'show' prints YAML.")
        return
    from ..scenario import catalogue

    listed = [(name, catalogue.describe(name)) for name in catalogue.names()]
    if as_json:
        click.echo(json.dumps([{"name": name, "description": text} for name, text in listed]))
        return
    width = max(len(name) for name, _ in listed)
    for name, text in listed:
        click.echo(f"{name:{width}}  {text}")


@command.command("show", epilog="Example: wanrdma scenarios show incast-pfc")
@click.argument("name", shell_complete=builtin_names)
def show(name: str) -> None:
    """Print the built-in scenario NAME as it is, with its comments."""
    from ..scenario import catalogue

    click.echo(catalogue.read(name), nl=False)
