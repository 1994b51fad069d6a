"""``wanrdma validate``: whether a scenario can be used, and all that is wrong if not."""

import json

import click

from ..errors import Problem, ScenarioError
from . import BAD_INPUT
from .completion import scenario_names


@click.command(
    "validate", epilog="Example: wanrdma validate mine.yaml --set lines.0.distance='500 km'"
)
@click.argument("scenario", shell_complete=scenario_names)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the scenario; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
@click.pass_context
def command(
    context: click.Context, scenario: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Check SCENARIO, a built-in's name or a YAML file, without running it.

    All that is wrong is said at once, each with file, line and column. Exit status: 0 there is
    nothing wrong; 2 there is.
    """
    from ..scenario import load
    from ..scenario.derived import derived

    problems: list[Problem] = []
    try:
        loaded = load(scenario, settings)
    except ScenarioError as error:
        if not as_json:
            raise
        problems = error.problems
    if as_json:
        errors = [_entry(problem) for problem in problems]
        click.echo(json.dumps({"valid": not errors, "errors": errors}, indent=2))
    else:
        click.echo(f"{loaded.scenario.name}: no errors")
        for line in derived(loaded.scenario):
            click.echo(line)
    context.exit(BAD_INPUT if problems else 0)


def _entry(problem: Problem) -> dict[str, str | int | None]:
    """Give a problem as JSON has it; ``setting`` is the KEY of the --set that it came by."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "message": problem.message,
        "setting": problem.setting,
    }
