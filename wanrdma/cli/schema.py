"""``wanrdma schema``: what a scenario file may say, for editors and for people."""

import json

import click


@click.command(
    "schema",
    epilog="Example: wanrdma schema > scenario.schema.json; then, as a scenario's first line: "
    "# yaml-language-server: $schema=scenario.schema.json",
)
@click.option("--key", metavar="KEY", help="Only what is at this key, like lines.0.otn.buffer.")
def command(key: str | None) -> None:
    """Print the JSON Schema of scenario files, by which editors complete and check.

    Each key has its meaning, its default, its unit (x-unit) and its source (x-source).
    """
    from ..scenario.json_schema import json_schema, schema_at

    click.echo(json.dumps(json_schema() if key is None else schema_at(key), indent=2))
