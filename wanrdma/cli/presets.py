"""``wanrdma presets``: what known NICs and libraries are set to."""

import json
from typing import Any

import click

from .completion import preset_names


@click.command(
    "presets",
    epilog="Example: wanrdma presets connectx-gbn\n\n"
    "Used as: wanrdma run perftest --set nic.preset=connectx-gbn",
)
@click.argument("name", required=False, shell_complete=preset_names)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def command(name: str | None, as_json: bool) -> None:
    """List the NIC presets; with NAME, its values and where each is from."""
    from ..scenario import presets
    from ..scenario.found import among

    known = presets.names()
    if name is None:
        listed = [{"name": one, "description": presets.read(one)["description"]} for one in known]
        if as_json:
            click.echo(json.dumps(listed))
            return
        width = max(map(len, known))
        for one in listed:
            click.echo(f"{one['name']:{width}}  {one['description']}")
        return
    if name not in known:
        raise click.UsageError(f"no preset {name!r}; {among(name, known, 'presets')}")
    preset = presets.read(name)
    if as_json:
        click.echo(json.dumps({"name": name, **preset}))
        return
    click.echo(f"{name}: {preset['description']}")
    for key, value, source in _lines(preset):
        click.echo(f"\n{key}: {value}\n  {source}")


def _lines(section: dict[str, Any], path: str = "") -> list[tuple[str, object, str]]:
    """Return each value of a preset with its dotted key and its source."""
    found = []
    for key, entry in section.items():
        if isinstance(entry, dict) and "value" in entry:
            found.append((path + key, entry["value"], entry["source"]))
        elif isinstance(entry, dict):
            found += _lines(entry, f"{path}{key}.")
    return found
