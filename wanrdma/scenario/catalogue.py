"""The built-in scenarios, which come with the package."""

from importlib.resources import files
from pathlib import Path

from ..errors import Problem, ScenarioError
from .found import among


def names() -> list[str]:
    """List the built-in scenarios' names, in alphabetical order."""
    folder = files("wanrdma.scenarios")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def read(name: str) -> str:
    """Return the text of a built-in scenario, comments and all.

    Raises ScenarioError for a name that is not built in, with the nearest that is.
    """
    known = names()
    if name not in known:
        message = f"no built-in scenario of this name; {among(name, known, 'built in')}"
        if Path(name).is_file():
            message += f"; for the file write ./{name}"
        raise ScenarioError([Problem(message, name)])
    return files("wanrdma.scenarios").joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def describe(name: str) -> str:
    """Return the one line that a built-in scenario says of itself. Raises ScenarioError."""
    from ruamel.yaml import YAML

    return str(YAML(typ="safe", pure=True).load(read(name))["description"])
