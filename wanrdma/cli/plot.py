"""``wanrdma plot``: a trace as a picture."""

from __future__ import annotations

import click


def _time_ps(_context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    from ..scenario.units import QuantityError, parse_time

    try:
        return parse_time(0 if given == "0" else given)
    except QuantityError as error:
        raise click.BadParameter(f"{error}.", param=parameter) from None


@click.command("plot", epilog="Example: wanrdma plot incast-pfc-1.h5 -o incast.png --to '5 ms'")
@click.argument("trace", type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    required=True,
    help="Write the picture here: a .png, .svg or .pdf.",
)
@click.option(
    "--flow", metavar="NAME", help="Draw its path (default: the one that delivered most)."
)
@click.option("--from", "from_ps", callback=_time_ps, metavar="TIME", help="Begin here, as '5 ms'.")
@click.option("--to", "to_ps", callback=_time_ps, metavar="TIME", help="End here.")
@click.option(
    "--kind",
    type=click.Choice(["overview", "space-time", "both"]),
    default="both",
    show_default=True,
    help="What to draw.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def command(
    trace: str,
    output: str,
    flow: str | None,
    from_ps: int | None,
    to_ps: int | None,
    kind: str,
    force: bool,
) -> None:
    """Draw TRACE, the HDF5 file of a run.

    The overview has goodput, queues and pauses over time. The space-time diagram has time to the
    right and the path of a flow upward: data goes up on the line at the speed of light, pauses
    come down. Where a run is much longer than that takes, it shows a part, shaded in the overview;
    --from and --to choose another. How to read them: docs/plot.md.

    Exit status: 0 it was drawn; 2 bad input, or nowhere to write.
    """
    from ..plot import plot

    path = plot(trace, output, kind=kind, flow=flow, from_ps=from_ps, to_ps=to_ps, force=force)
    click.echo(f"Plot: {path}")
