"""``wanrdma validate``: whether a scenario can be used, and all that is wrong if not."""

import click

from ..errors import Problem, ScenarioError
from . import BAD_INPUT
from .given import load_given, print_problems, scenario_argument, settings_option


@click.command(
    "validate", epilog="Example: wanrdma validate mine.yaml --set lines.0.distance='500 km'"
)
@scenario_argument
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
@click.pass_context
def command(
    context: click.Context, scenario: str, settings: tuple[str, ...], as_json: bool
) -> None:
    """Check SCENARIO without running it.

    SCENARIO is a built-in's name, a YAML file, or - for standard input. All that is wrong is said
    at once, each with file, line and column. Exit status: 0 there is nothing wrong; 2 there is.
    """
    from ..scenario.derived import derived

    problems: list[Problem] = []
    try:
        loaded = load_given(scenario, settings)
    except ScenarioError as error:
        if not as_json:
            raise
        problems = error.problems
    if as_json:
        print_problems(problems)
    else:
        click.echo(f"{loaded.scenario.name}: no errors")
        for line in derived(loaded.scenario):
            click.echo(line)
    context.exit(BAD_INPUT if problems else 0)
