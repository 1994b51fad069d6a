"""The scenario that a command line names, and what is wrong with it as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .completion import scenario_names

if TYPE_CHECKING:
    from ..errors import Problem
    from ..scenario.load import LoadedScenario

scenario_argument = click.argument("scenario", shell_complete=scenario_names)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the scenario; may be repeated.",
)


def load_given(scenario: str, settings: Sequence[str]) -> LoadedScenario:
    """Load a file, a built-in by name, or standard input ("-"). Raises ScenarioError."""
    from ..scenario import yaml_file
    from ..scenario.load import load, loads

    if scenario != "-":
        return load(scenario, settings)
    origin = "standard input"
    data = sys.stdin.buffer.read(yaml_file.MOST_FILE_BYTES + 1)
    return loads(yaml_file.decode(data, origin), settings, origin=origin)


def print_problems(problems: Sequence[Problem]) -> None:
    """Print what is wrong with a scenario, nothing perhaps, as one JSON value."""
    errors = [_entry(problem) for problem in problems]
    click.echo(json.dumps({"valid": not errors, "errors": errors}, indent=2))


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
