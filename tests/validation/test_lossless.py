"""Flow control over lines drops nothing where buffers are as large as the formula says.

Built-in scenarios, with flow control on every line; and hosts of one site that all send to one host
500 km away, over a line that brings what they all send.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from validation.compared import Row, Section, disagreeing
from validation.runs import Trial
from wanrdma.cli import main
from wanrdma.results.summary import CongestionDrop
from wanrdma.scenario import catalogue, load
from wanrdma.scenario.units import show_bytes
from wanrdma.theory import headroom_bytes

pytestmark = pytest.mark.validation

PAUSING = {  # what there is to hold back in these
    "bifrost-80km",
    "capacity-drop",
    "dcqcn-long-rtt",
    "incast-pfc",
    "pause-propagation",
    "protection-50ms",
    "three-sites",
    "unicom-329km",
}


def cooperative(name: str) -> list[str]:
    """Return what gives every line flow control, and every site the PFC that it needs."""
    scenario = load(name).scenario
    lines, sites = enumerate(scenario.lines), scenario.sites.items()
    return [
        f"lines.{k}.otn.flow_control=cooperative"
        for k, line in lines
        if line.otn.flow_control != "cooperative"
    ] + [
        f"sites.{site}.fabric.pfc={{priority: {scenario.nic.priority}}}"
        for site, settings in sites
        if settings.fabric.pfc is None
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", catalogue.names())
def test_a_built_in_scenario_drops_nothing_with_flow_control(name: str) -> None:
    trial = Trial(name, *cooperative(name))
    result = trial.run()
    assert result.status == "completed"
    assert result.drops == ()
    assert (result.totals["pause_frames"] > 0) == (name in PAUSING)


# ---- incast over 500 km ----------------------------------------------------------------------

FRAME_BYTES, STORED_BYTES, LARGEST_BYTES = 4178, 4158, 4194
XOFF_BYTES = 8 * 2**20
ROUND_TRIP_PS = 2 * 500_000 * 4900
SWITCH_TURN_BYTES = 128 * 2**10
FAR, FAR_GATEWAY = "b.otn0>a.otn0", "b.switch>a.switch"

SCENARIO = """\
name: incast
sites:
  a: {{hosts: {hosts}, fabric: {{type: one-switch, pfc: {{priority: 3}}}}}}
  b: {{like: a, hosts: 1}}
lines:
  - between: [a, b]
    distance: 500 km
    delay: 4.9 us/km
    rate: {line} Gbps
    otn: {{flow_control: cooperative, latency: 0 s, xoff: auto, buffer: {buffer} B}}
nic: {{rate: {nic} Gbps, window: 2 GiB, timeout: 20, retries: 7}}
traffic:
  - {{name: write, from: a.*, to: b.0, bytes: {bytes} MB}}
"""
VARIANTS = {
    "in band": (),
    "channel": ("lines.0.otn.control=channel",),
    "transparent": ("lines.0.otn.flow_control=transparent",),
    "terminals share": ("lines.0.otn.shared=64 MiB",),
    "switches share": ("sites.a.fabric.pfc.shared=4 MiB", "sites.b.fabric.pfc.shared=4 MiB"),
    "transparent, switches share": (
        "lines.0.otn.flow_control=transparent",
        "sites.a.fabric.pfc.shared=4 MiB",
        "sites.b.fabric.pfc.shared=4 MiB",
    ),
}
OWN = ("in band", "channel", "transparent")  # buffers of their own


@dataclass(frozen=True)
class Incast:
    """As many senders as the line's rate is of theirs and of the receiver's."""

    senders: int
    nic_gbps: int
    megabytes: int  # from each

    @property
    def line_gbps(self) -> int:
        return self.senders * self.nic_gbps

    @property
    def need_bytes(self) -> int:
        """The size of the far buffer: XOFF and the worst-case headroom."""
        rate = 8000 // self.line_gbps
        return XOFF_BYTES + headroom_bytes(rate, ROUND_TRIP_PS, LARGEST_BYTES)

    def scenario(self) -> str:
        return SCENARIO.format(
            hosts=self.senders,
            line=self.line_gbps,
            nic=self.nic_gbps,
            bytes=self.megabytes,
            buffer=self.need_bytes,
        )


INCASTS = (Incast(2, 100, 300), Incast(16, 25, 40))


def far_port(variant: str) -> str:
    return FAR_GATEWAY if "transparent" in variant else FAR


@cache
def run(incast: Incast, variant: str, *settings: str) -> Trial:
    trial = Trial(incast.scenario(), *VARIANTS[variant], *settings)
    assert trial.run().status == "completed"
    return trial


def most_held(incast: Incast, variant: str) -> int:
    trial = run(incast, variant)
    lane = trial.tables.lanes[8 * trial.port(far_port(variant)) + 3]
    assert lane["tx_pause"] > 0
    return int(lane["max_ingress_bytes"])


def where(incast: Incast, variant: str) -> str:
    return f"{incast.senders}:1, {incast.line_gbps} Gb/s, {variant}"


def dropped(incast: Incast, variant: str) -> Row:
    drops = run(incast, variant).result.totals["drops_congestion"]
    return Row("packets dropped", where(incast, variant), drops, 0, "DOMAIN 4", "packets")


def held(incast: Incast, variant: str) -> Row:
    """Compare with XOFF, and a round trip of what the line brings less what the receiver takes."""
    in_flight = ROUND_TRIP_PS * incast.line_gbps // 8000
    on_its_way = in_flight * (1 - 1 / incast.senders) * STORED_BYTES / FRAME_BYTES
    row = Row(
        "most in the far buffer",
        where(incast, variant),
        most_held(incast, variant),
        round(XOFF_BYTES + on_its_way),
        "XOFF + RTT x (rate - drain), by hand",
        "B",
    )
    if variant == "transparent":
        return row.within(3 * FRAME_BYTES, "3 frames")
    because = "what the switch behind takes in turns, 3 frames"
    return row.within(SWITCH_TURN_BYTES + 3 * FRAME_BYTES, because)


def too_small(incast: Incast, variant: str) -> tuple[int, str, str]:
    """Return 60 % of what the far buffer held at most, and the settings that make it so large."""
    size = most_held(incast, variant) * 6 // 10
    return size, f"lines.0.otn.buffer={size} B", f"lines.0.otn.xoff={XOFF_BYTES} B"


def drop(incast: Incast, variant: str) -> CongestionDrop:
    """Return the one buffer that overflows with 60 % of what it needs."""
    size, *settings = too_small(incast, variant)
    (found,) = run(incast, variant, *settings).result.drops
    assert (found.port, found.priority, found.side) == (far_port(variant), 3, "ingress")
    assert found.buffer_bytes == size
    return found


def missing(incast: Incast, variant: str) -> list[Row]:
    size, _, xoff = too_small(incast, variant)
    lacked = drop(incast, variant).missing_bytes
    assert lacked is not None
    at = f"{where(incast, variant)}, 60 % of the most in it"
    short = Row("missing", at, lacked, most_held(incast, variant) - size, "the most in it", "B")
    again = run(incast, variant, f"lines.0.otn.buffer={size + lacked} B", xoff).result
    drops = again.totals["drops_congestion"]
    helps = Row("packets dropped", f"{at}, and what was missing", drops, 0, "DOMAIN 4", "packets")
    return [short.within(FRAME_BYTES, "a frame"), helps]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("incast", INCASTS, ids=lambda incast: f"{incast.senders}:1")
def test_incast_drops_nothing(incast: Incast, variant: str) -> None:
    assert disagreeing([dropped(incast, variant)]) == ""
    assert run(incast, variant).result.totals["retransmitted_packets"] == 0
    assert most_held(incast, variant) > XOFF_BYTES
    pools = run(incast, variant).tables.pools
    assert (len(pools) > 0) == ("share" in variant)


@pytest.mark.slow
@pytest.mark.parametrize("variant", OWN)
@pytest.mark.parametrize("incast", INCASTS, ids=lambda incast: f"{incast.senders}:1")
def test_the_far_buffer_holds_what_still_comes_less_what_drains(
    incast: Incast, variant: str
) -> None:
    assert disagreeing([held(incast, variant)]) == ""


@pytest.mark.slow
@pytest.mark.parametrize("variant", OWN)
@pytest.mark.parametrize("incast", INCASTS, ids=lambda incast: f"{incast.senders}:1")
def test_with_less_it_drops_and_what_was_missing_helps(incast: Incast, variant: str) -> None:
    assert disagreeing(missing(incast, variant)) == ""


def test_the_table_names_the_port_and_what_it_lacked(tmp_path: Path) -> None:
    path = tmp_path / "incast.yaml"
    path.write_text(INCASTS[1].scenario())
    _, *settings = too_small(INCASTS[1], "in band")
    lacked = drop(INCASTS[1], "in band").missing_bytes
    assert lacked is not None
    arguments = ["run", str(path), "--no-trace", *(f"--set={setting}" for setting in settings)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    (told,) = [line for line in result.output.splitlines() if "b.otn0, from a.otn0" in line]
    assert told.rstrip().endswith(show_bytes(lacked))


@cache
def rows() -> list[Row]:
    found = [dropped(incast, variant) for incast in INCASTS for variant in VARIANTS]
    for incast in INCASTS:
        for variant in OWN:
            found += [held(incast, variant), *missing(incast, variant)]
    return found


SECTION = Section(
    "Lossless lines",
    """
Two hosts of 100 Gb/s, or sixteen of 25, all send to one like them, 500 km away, over a line that
brings what they all send. The far buffer has an XOFF of 8 MiB and the worst-case headroom (or the
terminals, the gateways, the switches share 64 or 4 MiB, and have that headroom on top). The
built-in scenarios are run too, with flow control on every line: none drops anything.
""",
    rows,
)
