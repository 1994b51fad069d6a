"""``wanrdma bench``: how fast the emulator is on this machine."""

import json

import click

CASE_NAMES = (*("one-flow", "sixteen-flows", "incast", "errors", "site-1024", "steady", "idle"),)


@click.command("bench", epilog="Example: wanrdma bench --case one-flow --threads 1")
@click.option(
    "--case",
    "cases",
    multiple=True,
    type=click.Choice(CASE_NAMES),
    help="Run this case only; may be repeated.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Work on so many sites at a time (default: the cores there are).",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    metavar="N",
    help="Seed of everything random.",
)
@click.option(
    "--scale",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Send N times the bytes of each case.",
)
@click.option(
    "--exact-events",
    is_flag=True,
    help="Handle every event, also those of cycles that could be left out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")
def command(
    cases: tuple[str, ...],
    threads: int | None,
    seed: int | None,
    scale: int,
    exact_events: bool,
    as_json: bool,
) -> None:
    """Measure packet-hops a CPU second in fixed cases.

    A hop is one link crossed by a data packet or an ACK; "at once" says what part of them was of
    cycles, and not emulated one by one. Compiling is not counted. Beside each case a fixed loop
    is timed (the calibration), so that machines can be compared; give both figures when you
    report one. What the cases are: docs/performance.md.
    """
    from ..bench import measure_all

    measured = []
    if not as_json:
        click.echo(f"{'case':14}{'packet-hops':>13}{'CPU s':>8}{'wall s':>8}", nl=False)
        click.echo(f"{'M hops/CPU s':>14}{'x calibration':>15}{'MiB':>7}{'at once':>9}")
    for one in measure_all(
        cases or CASE_NAMES, threads, seed, scale=scale, exact_events=exact_events
    ):
        measured.append(one)
        if not as_json:
            rate, calibration = one.packet_hops_per_cpu_s, one.calibration_events_per_s
            at_once = one.jumped_packet_hops / one.packet_hops
            click.echo(
                f"{one.case:14}{one.packet_hops:13,}{one.cpu_s:8.2f}{one.wall_s:8.2f}"
                f"{rate / 1e6:14.1f}{rate / calibration:15.2f}{one.peak_bytes / 2**20:7.0f}"
                f"{at_once:9.1%}"
            )
    if as_json:
        click.echo(json.dumps({"cases": [one.to_json() for one in measured]}, indent=2))
