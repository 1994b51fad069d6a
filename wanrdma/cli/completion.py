"""What a shell completes after a command: scenarios by name, and files."""

import click
from click.shell_completion import CompletionItem


def builtin_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """List the built-in scenarios that begin so."""
    from ..scenario import catalogue

    return [CompletionItem(name) for name in catalogue.names() if name.startswith(incomplete)]


def scenario_names(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """List the built-in scenarios that begin so, and let the shell add files."""
    files = CompletionItem(incomplete, type="file")
    return [*builtin_names(context, parameter, incomplete), files]


def preset_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """List the NIC presets that begin so."""
    from ..scenario import presets

    return [CompletionItem(name) for name in presets.names() if name.startswith(incomplete)]
