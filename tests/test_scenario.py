"""Reading a scenario: values, places of errors, several at once, settings, like."""

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from wanrdma.errors import Problem, ScenarioError
from wanrdma.scenario import load, loads
from wanrdma.scenario.schema import Scenario
from wanrdma.scenario.units import PortRate

PLAIN = """\
name: plain
sites:
  a: {hosts: 4}
  b:
    hosts: 4
    fabric: one-switch
lines:
  - between: [a, b]
    distance: 329 km
    rate: 2 x 400 Gbps
traffic:
  - {name: w, from: a.0, to: b.0, bytes: 4 GiB}
"""


def problems(text, *given_settings):
    with pytest.raises(ScenarioError) as error:
        loads(text, given_settings, origin="f.yaml")
    return [str(problem) for problem in error.value.problems]


def places_and_text(marked):
    """Take the marks (¦) out of a text; return their "line:column" in order, and the text."""
    places, text = [], ""
    for piece in re.split("(¦)", marked):
        if piece == "¦":
            places.append(f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}")
        else:
            text += piece
    return places, text


def assert_problems(marked, said):
    """See that a text has just these problems, each at one of its marks, in order."""
    places, text = places_and_text(marked)
    assert len(places) == len(said)
    assert problems(text) == [
        f"f.yaml:{place}: error: {one}" for place, one in zip(places, said, strict=True)
    ]


def row(text):
    """PLAIN with these rows of traffic."""
    return PLAIN.replace("  - {name: w, from: a.0, to: b.0, bytes: 4 GiB}", text)


# ---- values --------------------------------------------------------------------------------


def test_values_are_in_base_units():
    scenario = loads(PLAIN).scenario
    line = scenario.lines[0]
    assert line.distance == 329_000.0
    assert line.delay == 4900.0
    assert line.rate == PortRate(2, 20)
    assert line.otn.buffer == 256 * 2**20
    assert line.otn.latency == 5_000_000
    assert line.otn.xoff is None
    work = scenario.traffic[0]
    assert (work.source, work.target, work.bytes) == ("a.0", "b.0", 2**32)
    assert work.message is None
    assert scenario.stop is None
    assert scenario.seed == 1


def test_defaults_are_those_of_the_field():
    site = loads(PLAIN).scenario.sites["a"]
    assert site.fabric.type == "leaf-spine"
    assert site.fabric.cable == 30.0
    assert site.fabric.latency == 0
    assert site.fabric.queue_limit == 16 * 2**20
    assert site.fabric.ecn is None
    assert site.fabric.pfc is not None
    assert site.fabric.pfc.priorities == [3]
    assert (site.fabric.pfc.xoff, site.fabric.pfc.xon) == (256 * 1024, 128 * 1024)
    assert site.fabric.pfc.headroom is None
    assert site.fabric.pfc.quanta == 65535
    assert site.gateway.rate is None
    nic = loads(PLAIN).scenario.nic
    assert nic.rate == PortRate(1, 20)
    assert (nic.mtu, nic.window, nic.timeout, nic.retries) == (4096, None, 20, 7)
    assert (nic.framing.overhead, nic.framing.reth, nic.framing.ack) == (82, 16, 86)


def test_yaml_is_read_as_1_2():
    scenario = loads(PLAIN + "nic: {timeout_detection: 1e0}\ndescription: no\n").scenario
    assert scenario.nic.timeout_detection == 1.0
    assert scenario.description == "no"


def test_pfc_can_be_turned_off():
    text = PLAIN.replace("a: {hosts: 4}", "a: {hosts: 4, fabric: {pfc: none}}")
    assert loads(text).scenario.sites["a"].fabric.pfc is None


@pytest.mark.parametrize("empty", ["", "null", "~"])
def test_pfc_is_not_turned_off_by_leaving_it_empty(empty):
    text = PLAIN.replace("a: {hosts: 4}", f"a: {{hosts: 4, fabric: {{pfc: {empty}}}}}")
    with pytest.raises(ScenarioError, match="write 'none' to turn it off"):
        loads(text)


def test_one_priority_does_for_a_list():
    text = PLAIN.replace("a: {hosts: 4}", "a: {hosts: 4, fabric: {pfc: {priority: 5}}}")
    pfc = loads(text).scenario.sites["a"].fabric.pfc
    assert pfc is not None
    assert pfc.priorities == [5]


def test_a_scenario_can_be_made_in_python_and_is_checked_all_the_same():
    data = {
        "name": "x",
        "sites": {"a": {"hosts": 1}, "b": {"like": "a"}},
        "traffic": [{"name": "w", "from": "a.0", "to": "b.0", "bytes": "1 MiB"}],
    }
    with pytest.raises(ValidationError, match="no line leads from 'a' to 'b'"):
        Scenario.model_validate(data)
    data["lines"] = [{"between": ["a", "b"], "distance": "1 km", "rate": "100 Gbps"}]
    scenario = Scenario.model_validate(data)
    assert scenario.sites["b"].hosts == 1
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 3


# ---- hosts ---------------------------------------------------------------------------------


def test_hosts_and_pairs_expand():
    scenario = loads(row("  - {name: w, from: a.*, to: b.*, bytes: 1 B}")).scenario
    assert scenario.hosts("a.2") == [("a", 2)]
    assert scenario.hosts("b.1-3") == [("b", 1), ("b", 2), ("b", 3)]
    assert scenario.pairs(scenario.traffic[0]) == [(("a", i), ("b", i)) for i in range(4)]


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        ("a.1-2", "b.0", [(("a", 1), ("b", 0)), (("a", 2), ("b", 0))]),
        ("a.0", "b.2-3", [(("a", 0), ("b", 2)), (("a", 0), ("b", 3))]),
        ("a.0-1", "a.2-3", [(("a", 0), ("a", 2)), (("a", 1), ("a", 3))]),
    ],
)
def test_all_to_one_and_one_to_all(source, target, pairs):
    scenario = loads(row(f"  - {{name: w, from: {source}, to: {target}, bytes: 1 B}}")).scenario
    assert scenario.pairs(scenario.traffic[0]) == pairs


# ---- the NIC of a site ---------------------------------------------------------------------


def test_a_site_overrides_only_the_nic_keys_it_gives():
    text = PLAIN.replace(
        "a: {hosts: 4}", "a: {hosts: 4, nic: {rate: 200 Gbps, framing: {ack: 90 B}}}"
    )
    scenario = loads(text + "nic: {mtu: 1024, framing: {overhead: 100 B}}\n").scenario
    nic = scenario.site_nic("a")
    assert (nic.rate, nic.mtu) == (PortRate(1, 40), 1024)
    assert (nic.framing.overhead, nic.framing.reth, nic.framing.ack) == (100, 16, 90)
    assert scenario.site_nic("b") == scenario.nic


def test_a_window_must_hold_a_packet_at_each_site():
    assert_problems(
        PLAIN + "nic: {window: ¦2 KiB}\n",
        ["nic.window: window (2.00 KiB) must hold a packet of mtu 4096 B"],
    )
    text = PLAIN.replace("a: {hosts: 4}", "a: {hosts: 4, nic: {mtu: ¦1024}}")
    assert_problems(
        text + "nic: {mtu: 512, window: 600 B}\n",
        ["sites.a.nic.mtu: window (600 B) must hold a packet of mtu 1024 B"],
    )


# ---- like ----------------------------------------------------------------------------------

LIKE = """\
name: like
sites:
  b:
    like: a
    fabric:
      cable: 5 m
      pfc: {xoff: 1 MiB}
  a:
    hosts: 3
    nic: {rate: 100 Gbps}
    fabric: {cable: 9 m, spines: 7, pfc: {priority: 4, xoff: 2 MiB, xon: 64 KiB}}
  c: {like: b, hosts: 1}
traffic:
  - {name: w, from: a.0, to: a.1, bytes: 1 B}
"""


def test_like_takes_the_other_sites_settings_key_by_key():
    sites = loads(LIKE).scenario.sites
    b, c = sites["b"], sites["c"]
    assert (b.hosts, b.nic.rate, b.fabric.spines, b.fabric.cable) == (3, PortRate(1, 80), 7, 5.0)
    assert b.fabric.pfc is not None
    assert (b.fabric.pfc.priorities, b.fabric.pfc.xoff, b.fabric.pfc.xon) == ([4], 2**20, 2**16)
    assert c.hosts == 1
    assert c.fabric == b.fabric


def test_like_sees_through_short_forms():
    text = LIKE.replace(
        "    fabric: {cable: 9 m, spines: 7, pfc: {priority: 4, xoff: 2 MiB, xon: 64 KiB}}",
        "    fabric: one-switch",
    )
    fabric = loads(text).scenario.sites["b"].fabric
    assert (fabric.type, fabric.cable) == ("one-switch", 5.0)


def test_an_error_in_a_liked_site_is_told_once_and_where_it_was_written():
    assert_problems(
        LIKE.replace("spines: 7", "spines: ¦0"),
        ["sites.a.fabric.spines: must be at least 1, got 0"],
    )


def test_what_follows_from_a_wrong_like_is_not_told():
    assert_problems(PLAIN.replace("a: {hosts: 4}", "a: {like: ¦q}"), [
        "sites.a.like: no site 'q'; sites: a, b",
    ])  # fmt: skip
    assert_problems(PLAIN.replace("a: {hosts: 4}", "a: {like: c}\n  ¦c: {}"), [
        "sites.c.hosts: is missing, for example 'hosts: 16'",
    ])  # fmt: skip


def test_like_cannot_go_round_or_nowhere():
    assert_problems(
        LIKE.replace("hosts: 3", "hosts: 3\n    like: c").replace("like: b", "like: ¦b"),
        ["sites.c.like: goes round in a circle: b -> a -> c -> b"],
    )
    assert_problems(
        LIKE.replace("like: b", "like: ¦bb"),
        ["sites.c.like: no site 'bb'; did you mean 'b'? sites: b, a, c"],
    )


# ---- errors and their places ---------------------------------------------------------------

SITE = "fabric: one-switch"  # what the first of each pair replaces, in PLAIN
LINE = "    rate:"
TOP = "name: plain\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("329 km", "¦329", "lines.0.distance: 329 has no unit; write a length like '329 km'"),
        ("329 km", "¦20001 km", "lines.0.distance: 20001 km is too far; 0 to 20000 km"),
        (
            "2 x 400 Gbps",
            "¦2 x 300 Gbps",
            "lines.0.rate: '2 x 300 Gbps': a byte must last a whole number of picoseconds; "
            "the nearest rates that do are 250 Gbps and 320 Gbps",
        ),
        ("{hosts: 4}", "{hosts: ¦0}", "sites.a.hosts: must be at least 1, got 0"),
        ("{hosts: 4}", "{hosts: ¦four}", "sites.a.hosts: must be a whole number, got 'four'"),
        ("{hosts: 4}", "{hosts: ¦yes}", "sites.a.hosts: must be a whole number, got 'yes'"),
        ("{hosts: 4}", "{hosts: ¦true}", "sites.a.hosts: must be a whole number, got True"),
        (
            SITE,
            "fabric: ¦one-swich",
            "sites.b.fabric.type: got 'one-swich'; did you mean 'one-switch'? "
            "allowed: leaf-spine, one-switch",
        ),
        (SITE, "fabric: ¦7", "sites.b.fabric: must be a mapping (key: value), got 7"),
        (
            SITE,
            "fabric: {pfc: {xoff: 1 KiB, xon: ¦2 KiB}}",
            "sites.b.fabric.pfc.xon: xon (2.00 KiB) may not be above xoff (1.00 KiB)",
        ),
        (
            SITE,
            "fabric: {pfc: {xoff: ¦1 KiB}}",
            "sites.b.fabric.pfc.xoff: xon (128 KiB) may not be above xoff (1.00 KiB)",
        ),
        (
            SITE,
            "fabric: {pfc: {priority: ¦3, priorities: [4]}}",
            "sites.b.fabric.pfc.priority: give priority or priorities, not both",
        ),
        (
            SITE,
            "fabric: {pfc: {priorities: [3, ¦8]}}",
            "sites.b.fabric.pfc.priorities.1: must be at most 7, got 8",
        ),
        (
            SITE,
            "fabric: {pfc: {priority: ¦8}}",
            "sites.b.fabric.pfc.priority: must be at most 7, got 8",
        ),
        (
            SITE,
            "fabric: {pfc: {priorities: ¦[3, 3]}}",
            "sites.b.fabric.pfc.priorities: [3, 3] names a priority twice",
        ),
        (
            SITE,
            "fabric: {ecn: {kmin: 4 MB, kmax: ¦3 MB}}",
            "sites.b.fabric.ecn.kmax: kmax (2.86 MiB) must be above kmin (3.81 MiB)",
        ),
        (SITE, "convergence: ¦4", "sites.b.convergence: must be text, got 4"),
        (SITE, 'convergence: ¦"4"', "sites.b.convergence: got '4'; write it like '4:1'"),
        (
            SITE,
            'convergence: ¦"4:1"',
            "sites.b.convergence: 4:1 does not fit: 4 hosts x 400 Gb/s over 2 x 400 Gb/s is 2:1",
        ),
        ("[a, b]", "[a, ¦q]", "lines.0.between.1: no site 'q'; sites: a, b"),
        ("[a, b]", "¦[a]", "lines.0.between: must have at least 2 entries, got 1"),
        (
            LINE,
            "    otn: {flow_control: ¦pfc}\n    rate:",
            "lines.0.otn.flow_control: got 'pfc'; allowed: none, transparent, cooperative",
        ),
        (
            LINE,
            "    otn: {buffer: 1 MiB, xoff: ¦2 MiB}\n    rate:",
            "lines.0.otn.xoff: xoff (2.00 MiB) may not be above buffer (1.00 MiB)",
        ),
        (
            LINE,
            "    otn: {xoff: 1 MiB, xon: ¦2 MiB}\n    rate:",
            "lines.0.otn.xon: xon (2.00 MiB) may not be above xoff (1.00 MiB)",
        ),
        (
            LINE,
            "    errors: {process: ¦codeword}\n    rate:",
            "lines.0.errors.process: got 'codeword'; did you mean 'codewords'? "
            "allowed: bits, packets, codewords, pre-fec, gilbert-elliott",
        ),
        (
            LINE,
            "    errors: {post_fec_ber: ¦0.5}\n    rate:",
            "lines.0.errors.post_fec_ber: must be less than 0.5, got 0.5",
        ),
        (
            LINE,
            "    errors: {packet_loss: ¦1e-5}\n    rate:",
            "lines.0.errors.packet_loss: packet_loss has no effect with process 'bits', which goes "
            "by post_fec_ber; write process: packets, or leave packet_loss out",
        ),
        (
            LINE,
            "    errors: {process: gilbert-elliott, bad_ber: 0.1, bad_time: ¦1 ns}\n    rate:",
            "lines.0.errors.bad_time: got 1.000 ns; from 1 us to 1 h",
        ),
        (TOP, TOP + "¦training: {}\n", "training: is not built yet; leave it out"),
        (
            TOP,
            TOP + "nic: {congestion_control: ¦timely}\n",
            "nic.congestion_control: got 'timely'; allowed: none, pacing, dcqcn",
        ),
        (
            TOP,
            TOP + "nic: {pacing: ¦10 Gbps}\n",
            "nic.pacing: has no effect without congestion_control: pacing",
        ),
        (
            TOP,
            TOP + "nic: {mtu: ¦1500}\n",
            "nic.mtu: got 1500; allowed: 256, 512, 1024, 2048, 4096",
        ),
        (
            TOP,
            TOP + "nic: {rate: ¦2 x 400 Gbps}\n",
            "nic.rate: '2 x 400 Gb/s' is 2 ports; this is the rate of one port",
        ),
        (TOP, TOP + "nic: {timeout: ¦32}\n", "nic.timeout: must be at most 31, got 32"),
        (
            TOP,
            TOP + "nic: {mtu: ¦'4096'}\n",
            "nic.mtu: got '4096'; write 4096 without quotes; allowed: 256, 512, 1024, 2048, 4096",
        ),
        (
            TOP,
            TOP + "nic: {mtu: ¦4096 B}\n",
            "nic.mtu: got '4096 B'; write 4096 without a unit; allowed: 256, 512, 1024, 2048, 4096",
        ),
        (
            TOP,
            TOP + "nic: {mtu: ¦}\n".replace("mtu: ¦", "¦mtu: "),
            "nic.mtu: got nothing; allowed: 256, 512, 1024, 2048, 4096",
        ),
        (
            TOP,
            TOP + "nic: {retries: ¦'7'}\n",
            "nic.retries: must be a whole number, got '7'; write 7 without quotes",
        ),
        (
            TOP,
            TOP + "nic: {timeout: ¦67 ms}\n",  # 4.096 us x 2^13 is 33.55 ms
            "nic.timeout: is the exponent n of 4.096 us x 2^n, no time; write 14 for 67.11 ms",
        ),
        (
            TOP,
            TOP + "nic: {timeout: ¦1 us}\n",
            "nic.timeout: is the exponent n of 4.096 us x 2^n, no time; write 1 for 8.192 us",
        ),
        (
            SITE,
            "fabric: {pfc: ¦off}",
            "sites.b.fabric.pfc: must be a mapping (key: value), or 'none' to turn it off, "
            "got 'off'",
        ),
        (
            SITE,
            "fabric: {ecn: ¦false}",
            "sites.b.fabric.ecn: must be a mapping (key: value), or 'none' to turn it off, "
            "got False",
        ),
        (
            SITE,
            "fabric: {pfc: {xoff: 0, xon: 0, headroom: ¦4 kB}}",
            "sites.b.fabric.pfc.headroom: xoff + headroom (3.91 KiB) must hold a frame of 4.10 KiB",
        ),
        (
            LINE,
            "    otn: {flow_control: cooperative, buffer: ¦4 kB}\n    rate:",
            "lines.0.otn.buffer: buffer (3.91 KiB) must hold a frame of 4.10 KiB",
        ),
        (
            LINE,
            "    otn: {flow_control: cooperative, client_buffer: ¦0}\n    rate:",
            "lines.0.otn.client_buffer: client_buffer (0 B) must hold a frame of 4.10 KiB",
        ),
        (
            LINE,  # 400 Gb/s x 2 x (329 km x 4.9 us/km + 10 us), 3 frames of 4194 B, 84 B
            "    otn: {flow_control: cooperative, xon: ¦200 MB}\n    rate:",
            "lines.0.otn.xon: xon (191 MiB) may not be above xoff (101 MiB), which is what the "
            "buffer (256 MiB) leaves beside the worst-case headroom (155 MiB); write 'xon: auto', "
            "or a larger buffer",
        ),
        (
            "    distance: 329 km",
            "    ¦distance:",
            "lines.0.distance: must be a length like '329 km', got nothing",
        ),
        (
            "from: a.0",
            "from: ¦a.\u0663",
            "traffic.0.from: 'a.\u0663' names no hosts; write SITE.N, SITE.* or SITE.A-B, like a.0",
        ),
        (
            "{hosts: 4}",
            '{hosts: 4, convergence: ¦"\u0664:1"}',
            "sites.a.convergence: got '\u0664:1'; write it like '4:1'",
        ),
        (TOP, TOP + "nic: {retries: ¦8}\n", "nic.retries: must be at most 7, got 8"),
        (
            TOP,
            TOP + "nic: {timeout_detection: ¦0.5}\n",
            "nic.timeout_detection: must be at least 1, got 0.5",
        ),
        (
            TOP,
            TOP + "nic: {ack_every: ¦1.5}\n",
            "nic.ack_every: must be a whole number, got 1.5",
        ),
        (TOP, TOP + "stop: ¦5\n", "stop: 5 has no unit; write a time like '50 ms'"),
        (TOP, "name: ¦../x\n", "name: got '../x'; letters, digits, '.', - and _ only"),
        (TOP, "¦", "name: is missing, for example 'name: perftest'"),
        (
            "  a: {",
            "  ¦A: {hosts: 4}\n  a: {",
            "sites.A: got 'A'; a site's name is small letters, digits, - and _, a letter first",
        ),
        ("  a: {", "  ¦7: {hosts: 4}\n  a: {", "sites.7: a key must be text"),
    ],
)
def test_each_error_has_its_line_and_column(old, new, said):
    assert old in PLAIN
    assert_problems(PLAIN.replace(old, new, 1), [said])


def test_queue_pairs_are_counted_over_all_rows():
    rows = """\
  - {name: one, from: a.*, to: b.*, bytes: 1 B, queue_pairs: 62500}
  - {name: two, from: a.0, to: b.0, bytes: 1 B, queue_pairs: 62500, slots: {count: 1, bytes: 1 B}}
  - {name: same, from: a.*, to: b.*, bytes: 1 B, queue_pairs_of: one}
  - {name: think, compute: 1 ms, at: a.*}
  - {name: many, from: a.*, to: b.0, bytes: 1 B, queue_pairs: 62500}
  - {name: last, from: a.0-1, to: b.0, bytes: 1 B, queue_pairs: 62500}
  - {name: more, from: a.*, to: b.0-3, bytes: 1 B, queue_pairs: 62500}"""
    loads(row(rows))  # (4 + 2 x 1 + 4 + 2 + 4) x 62,500: the most
    said = "queue pairs, 'more' and the rows before it; at most 1,000,000"
    last = "b.0-3, bytes: 1 B, queue_pairs: "
    assert_problems(
        row(rows.replace(f"{last}62500", f"{last}¦62501")),
        [f"traffic.6.queue_pairs: traffic asks for 1,000,004 {said}"],
    )


def test_a_misspelt_key_is_unknown_and_missing():
    assert_problems(
        PLAIN.replace("  - between", "  - ¦between").replace("distance", "¦distence"),
        [
            "lines.0.distance: is missing, for example 'distance: 329 km'",
            "lines.0.distence: unknown key; did you mean 'distance'? allowed: "
            "between, distance, delay, rate, otn, errors",
        ],
    )


def test_a_line_joins_two_sites():
    assert_problems(
        PLAIN.replace("[a, b]", "[b, ¦b]").replace("to: b.0", "to: ¦b.0"),
        [
            "lines.0.between.1: a line joins two different sites",
            "traffic.0.to: no line leads from 'a' to 'b'",
        ],
    )


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("from: a.0, to: ¦c.0, bytes: 1 B", "to: no site 'c'; sites: a, b"),
        ("from: a.0, to: ¦b.4, bytes: 1 B", "to: 'b.4': site 'b' has hosts 0 to 3"),
        (
            "from: a.0, to: ¦b, bytes: 1 B",
            "to: 'b' names no hosts; write SITE.N, SITE.* or SITE.A-B, like a.0",
        ),
        ("from: a.0, to: ¦b.2-1, bytes: 1 B", "to: 'b.2-1' counts downwards; write b.1-2"),
        ("from: a.0, to: ¦a.0, bytes: 1 B", "to: a.0 would send to itself"),
        ("from: a.*, to: ¦a.0, bytes: 1 B", "to: a.0 would send to itself"),
        (
            "from: a.*, to: ¦b.0-1, bytes: 1 B",
            "to: 4 hosts cannot pair with 2; as many on both sides, or one on one side",
        ),
        ("from: a.0, to: b.0, bytes: ¦0 B", "bytes: must be at least 1 B"),
        (
            "from: a.0, to: b.0",
            "bytes: is missing; a transfer has from, to and bytes (a computation compute and "
            "at), for example 'bytes: 1 GiB'",
        ),
        ("compute: 1 ms", "at: is missing; the hosts that compute, like a.*"),
        ("at: a.0", "compute: is missing; how long a computation lasts, like 10 ms"),
        (
            "compute: 1 ms, at: a.0, bytes: ¦1 B",
            "bytes: 'bytes' belongs to a transfer; a computation has compute and at",
        ),
        (
            "from: a.0, to: b.0, bytes: 1 B, message: ¦1 B, slots: {count: 1, bytes: 1 B}",
            "message: each slot is a message; give message or slots",
        ),
        (
            "from: a.0, to: b.0, bytes: 1 B, slots: {count: ¦0, bytes: 1 B}",
            "slots.count: must be at least 1, got 0",
        ),
        (
            "from: a.0, to: b.0, bytes: 1 B, slots: {count: 1, bytes: ¦3 GiB}",
            "slots.bytes: 3.00 GiB is too large; an RDMA message is at most 2 GiB",
        ),
        ("from: a.0, to: b.0, bytes: 1 B, after: [¦v]", "after.0: no row 'v'; rows: w"),
        (
            "from: a.0, to: b.0, bytes: 1 B, after: [¦w.received]",
            "after.0: 'w.received': write NAME, NAME.delivered or NAME.sent",
        ),
        ("from: a.0, to: b.0, bytes: 1 B, after: ¦w", "after: must be a list, got 'w'"),
        ("from: a.0, to: b.0, bytes: 1 B, after: [¦w.sent]", "after.0: waits for itself: w -> w"),
    ],
)
def test_each_error_in_a_row_has_its_column(new, said):
    of_row = "" if "¦" in new else "¦"
    assert_problems(row(f"  - {of_row}{{name: w, {new}}}"), [f"traffic.0.{said}"])


def test_all_errors_of_a_file_come_at_once_and_in_order():
    text = """\
name: ¦many things
sites:
  a: {hosts: ¦0, fabric: {¦leafs: 2}}
  b: {like: a, nic: {mtu: ¦9000}}
lines:
  - between: [a, ¦q]
    distance: 30 km
    rate: ¦7
    otn: {flow_control: ¦pfc, xoff: ¦1 GiB}
nic: {window: ¦100 B, timeout: ¦40}
traffic:
  - {name: w, from: a.0, to: ¦z.0, bytes: ¦1, after: [¦v]}
  - ¦{name: ¦w, from: b.7, to: b.7}
¦trafic: []
"""
    assert_problems(
        text,
        [
            "name: got 'many things'; letters, digits, '.', - and _ only",
            "sites.a.hosts: must be at least 1, got 0",
            "sites.a.fabric.leafs: unknown key; did you mean 'leaves'? allowed: type, leaves, "
            "spines, rate, cable, latency, pfc, ecn, queue_limit",
            "sites.b.nic.mtu: got 9000; allowed: 256, 512, 1024, 2048, 4096",
            "lines.0.between.1: no site 'q'; sites: a, b",
            "lines.0.rate: 7 has no unit; write a rate like '400 Gbps'",
            "lines.0.otn.flow_control: got 'pfc'; allowed: none, transparent, cooperative",
            "lines.0.otn.xoff: xoff (1.00 GiB) may not be above buffer (256 MiB)",
            "nic.window: window (100 B) must hold a packet of mtu 4096 B",
            "nic.timeout: must be at most 31, got 40",
            "traffic.0.to: no site 'z'; sites: a, b",
            "traffic.0.bytes: 1 has no unit; write a size like '64 MiB'",
            "traffic.0.after.0: no row 'v'; rows: w",
            "traffic.1.bytes: is missing; a transfer has from, to and bytes (a computation "
            "compute and at), for example 'bytes: 1 GiB'",
            "traffic.1.name: 'w' is the name of traffic.0 too",
            "trafic: unknown key; did you mean 'traffic'? allowed: name, description, sites, "
            "lines, nic, traffic, events, seed, stop",
        ],
    )


# ---- what waits for what -------------------------------------------------------------------


def test_rows_may_wait_for_what_happens_at_their_hosts():
    loads(
        row("""\
  - {name: there, from: a.*, to: b.*, bytes: 1 B}
  - {name: think, compute: 1 ms, at: b.*, after: [there]}
  - {name: back, from: b.*, to: a.*, bytes: 1 B, after: [think, there.delivered]}
  - {name: more, from: a.*, to: b.*, bytes: 1 B, after: [there.sent, back.delivered]}
  - {name: gather, from: a.*, to: b.0, bytes: 1 B}
  - {name: sum, compute: 1 ms, at: b.0, after: [gather.delivered]}""")
    )


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("there.delivered", "'there' is delivered at b.0"),
        ("there", "'there' is delivered at b.0"),
        ("think", "'think' ends at b.0"),
        ("shifted.sent", "'shifted' is sent at a.1"),
        ("all.sent", "'all' is sent at a.1"),
    ],
)
def test_a_row_cannot_wait_for_what_happens_elsewhere(after, said):
    rows = f"""\
  - {{name: there, from: a.0-1, to: b.0-1, bytes: 1 B}}
  - {{name: think, compute: 1 ms, at: b.0-1, after: [there]}}
  - {{name: shifted, from: a.1-2, to: b.1-2, bytes: 1 B}}
  - {{name: all, from: a.*, to: b.*, bytes: 1 B}}
  - {{name: next, from: a.0-1, to: b.0-1, bytes: 1 B, after: [¦{after}]}}"""
    assert_problems(
        row(rows),
        [
            f"traffic.4.after.0: 'next' waits at a.0, but {said}; "
            "a host knows of another's work only by a message it receives"
        ],
    )


def test_a_computation_is_named_alone():
    rows = """\
  - {name: think, compute: 1 ms, at: a.0}
  - {name: w, from: a.0, to: b.0, bytes: 1 B, after: [¦think.sent]}"""
    said = "traffic.1.after.0: 'think' is a computation; write 'think' alone"
    assert_problems(row(rows), [said])


def test_rows_cannot_wait_for_each_other():
    rows = """\
  - {name: one, compute: 1 ms, at: a.0, after: [three]}
  - {name: two, compute: 1 ms, at: a.0, after: [¦one]}
  - {name: three, compute: 1 ms, at: a.0, after: [two, two]}"""
    said = "traffic.1.after.0: waits for itself: one -> three -> two -> one"
    assert_problems(row(rows), [said])


def test_thousands_of_rows_in_a_row_are_checked():
    rows = ["  - {name: r0, compute: 1 us, at: a.0}"]
    rows += [
        f"  - {{name: r{i}, compute: 1 us, at: a.0, after: [r{i - 1}]}}" for i in range(1, 1500)
    ]
    assert len(loads(row("\n".join(rows))).scenario.traffic) == 1500


def test_a_transfer_needs_lines_that_lead_there():
    line = "  - {between: [c, d], distance: 1 km, rate: 1 Gbps}\n"
    text = PLAIN.replace("traffic:", line + "traffic:").replace("to: b.0", "to: ¦c.0")
    text = text.replace("lines:", "  c: {hosts: 1}\n  d: {hosts: 1}\nlines:")
    assert_problems(text, ["traffic.0.to: no line leads from 'a' to 'c'"])
    joined = text.replace("traffic:", line.replace("c, d", "d, b") + "traffic:")
    loads(joined.replace("¦", ""))


def test_convergence_is_derived_and_checked_to_a_percent():
    assert loads(PLAIN).scenario.convergence("a") == 2.0
    text = PLAIN.replace("{hosts: 4}", '{hosts: 4, convergence: ¦"2.01:1"}')
    loads(text.replace("¦", ""))
    assert_problems(
        text.replace("2.01", "2.03"),
        ["sites.a.convergence: 2.03:1 does not fit: 4 hosts x 400 Gb/s over 2 x 400 Gb/s is 2:1"],
    )


def test_a_site_without_lines_has_no_convergence():
    text = PLAIN.replace("lines:", "  c: {hosts: 1}\nlines:")
    assert loads(text).scenario.convergence("c") is None
    assert_problems(
        text.replace("c: {hosts: 1}", 'c: {hosts: 1, convergence: ¦"2:1"}'),
        ["sites.c.convergence: site 'c' has no line to converge on"],
    )


# ---- settings ------------------------------------------------------------------------------


def test_settings_change_values_and_make_missing_ones():
    loaded = loads(
        PLAIN,
        [
            "lines.0.distance=100 km",
            "sites.b.fabric.cable=5 m",
            "sites.a.fabric.pfc.xoff=1 MiB",
            "nic.window=8 MiB",
            "lines.0.errors.post_fec_ber=1e-9",
            "lines.0.between=[b, a]",
            "seed=7",
            "stop=1 ms",
        ],
    )
    scenario = loaded.scenario
    assert scenario.lines[0].distance == 100_000.0
    assert (scenario.sites["b"].fabric.type, scenario.sites["b"].fabric.cable) == ("one-switch", 5)
    pfc = scenario.sites["a"].fabric.pfc
    assert pfc is not None
    assert pfc.xoff == 2**20
    assert scenario.nic.window == 8 * 2**20
    assert scenario.lines[0].errors.post_fec_ber == 1e-9
    assert scenario.lines[0].between == ["b", "a"]
    assert (scenario.seed, scenario.stop) == (7, 10**9)
    assert loads(loaded.text).scenario == scenario


def test_without_settings_the_text_is_the_files():
    assert loads(PLAIN).text == PLAIN


def test_the_text_keeps_comments_but_not_what_they_said_of_an_old_value():
    text = PLAIN.replace("329 km", "329 km # published: trial") + "# the end\n"
    text = text.replace("name: plain", "# top\nname: plain # mine")
    loaded = loads(text, ["lines.0.distance=1 km"])
    assert re.search(r"distance: 1 km +# set on the command line, was '329 km'\n", loaded.text)
    assert "published" not in loaded.text
    for kept in ("# top\n", "name: plain # mine\n", "# the end\n"):
        assert kept in loaded.text


def test_pfc_that_is_off_is_turned_on_by_setting_a_key_of_it():
    text = PLAIN.replace("fabric: one-switch", "fabric: {pfc: none}")
    pfc = loads(text, ["sites.b.fabric.pfc.priority=5"]).scenario.sites["b"].fabric.pfc
    assert pfc is not None
    assert pfc.priorities == [5]


def test_a_setting_replaces_the_other_spelling_of_its_key():
    text = PLAIN.replace("fabric: one-switch", "fabric: {pfc: {priority: 4}}")
    pfc = loads(text, ["sites.b.fabric.pfc.priorities=[1, 2]"]).scenario.sites["b"].fabric.pfc
    assert pfc is not None
    assert pfc.priorities == [1, 2]


def test_a_setting_reaches_sites_that_are_like_this_one_but_not_aliases_of_it():
    assert loads(LIKE, ["sites.a.hosts=9"]).scenario.sites["b"].hosts == 9
    text = PLAIN.replace("a: {hosts: 4}", "a: &a {hosts: 4, fabric: {cable: 1 m}}")
    text = text.replace("    hosts: 4\n    fabric: one-switch\n", "").replace("  b:", "  b: *a")
    sites = loads(text, ["sites.b.hosts=9", "sites.b.fabric.cable=2 m"]).scenario.sites
    assert (sites["a"].hosts, sites["b"].hosts) == (4, 9)
    assert (sites["a"].fabric.cable, sites["b"].fabric.cable) == (1, 2)
    sites = loads(text, ["sites.a.hosts=9", "sites.a.fabric.cable=2 m"]).scenario.sites
    assert (sites["a"].hosts, sites["b"].hosts) == (9, 4)
    assert (sites["a"].fabric.cable, sites["b"].fabric.cable) == (2, 1)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("lines.0.distance=7", "lines.0.distance: error: 7 has no unit; write a length like "
                               "'329 km'"),
        ("lines.0.distence=7", "lines.0.distence: error: unknown key 'distence' in lines.0; did "
                               "you mean 'distance'? allowed: between, distance, delay, rate, "
                               "otn, errors"),
        ("lines.1.distance=7", "lines.1.distance: error: no entry '1' in lines, which has 0 only"),
        ("lines.\u00b2=7", "lines.\u00b2: error: no entry '\u00b2' in lines, which has 0 only"),
        ("lines.x=7", "lines.x: error: no entry 'x' in lines, which has 0 only"),
        ("sites.c.hosts=7", "sites.c.hosts: error: no 'c' in sites; sites: a, b"),
        ("training.model=x", "training.model: error: 'training' is not built yet"),
        ("name.x=7", "name.x: error: name is 'plain', so nothing can be set below it"),
        ("seed", "seed: error: write KEY=VALUE, like lines.0.distance=100 km"),
        ("=7", "'=7': error: write KEY=VALUE, like lines.0.distance=100 km"),
        ("seed=", "seed: error: must be a whole number, got nothing"),
        ("seed={a", "seed: error: '{a': is not YAML: while parsing a flow mapping, expected ',' "
                    "or '}', but got '<stream end>'"),
        ("seed={a: 1, a: 2}", "seed: error: '{a: 1, a: 2}': key 'a' is given twice, "
                             "first in line 1"),
        ("sites.a.hosts=9", None),
        ("sites.a={hosts: 0}", "sites.a: error: hosts: must be at least 1, got 0"),
        ("sites.a.fabric.pfc.xon=1 MiB", "sites.a.fabric.pfc.xon: error: xon (1.00 MiB) may not "
                                         "be above xoff (256 KiB)"),
        ("sites.a.fabric.pfc.xoff=1 KiB", "sites.a.fabric.pfc.xoff: error: xon (128 KiB) may not "
                                          "be above xoff (1.00 KiB)"),
        ("lines=[]", "lines: error: no line leads from 'a' to 'b'"),
        ("sites.b.like=b", "sites.b.like: error: goes round in a circle: b -> b"),
        ("traffic.0.to=b.9", "traffic.0.to: error: 'b.9': site 'b' has hosts 0 to 3"),
        ("sites.b.fabric.pfc.priority=9", "sites.b.fabric.pfc.priority: error: must be at most 7, "
                                          "got 9"),
    ],
)  # fmt: skip
def test_an_error_in_a_setting_names_the_setting(setting, said):
    if said is None:
        loads(PLAIN, [setting])
    else:
        assert problems(PLAIN, setting) == [f"--set {said}"]


def test_errors_of_the_file_come_first_and_then_those_of_all_settings():
    found = problems(PLAIN.replace("329 km", "329"), "nope=1", "nic.mtu=3", "seed=-1")
    assert [one.split(": error: ")[0] for one in found] == [
        "f.yaml:9:15",
        "--set nope",
        "--set nic.mtu",
        "--set seed",
    ]


# ---- text that is no scenario --------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# nothing\n", "f.yaml:1:1: error: is empty"),
        ("- 1\n", "f.yaml:1:1: error: must be a mapping (key: value) at the top"),
        ("hello\n", "f.yaml:1:1: error: must be a mapping (key: value) at the top"),
        (PLAIN + "name: again\n", "f.yaml:13:1: error: key 'name' is given twice, first in "
                             "line 1"),
        ("a: b: c\n", "f.yaml:1:5: error: is not YAML: mapping values are not allowed here"),
        ("a: *b\n", "f.yaml:1:4: error: is not YAML: found undefined alias 'b'"),
        (PLAIN + "---\na: 1\n", "f.yaml:13:1: error: is not YAML: expected a single document in "
                                "the stream, but found another document"),
        ("a: x\0y\n", "f.yaml:1:5: error: is not text: it has the character U+0000"),
        ("a: \x1b[31m\n", "f.yaml:1:4: error: is not text: it has the character U+001B"),
        (BOMB, "f.yaml: error: stands for more than 500000 values once its aliases are expanded"),
    ],
)  # fmt: skip
def test_text_that_is_no_yaml_mapping_is_refused_with_its_place(text, said):
    assert problems(text) == [said]


@pytest.mark.parametrize(
    "text", ["[" * 3000, "{a: " * 3000, "- " * 3000, "a: " + "[" * 60 + "]" * 60]
)
def test_deep_nesting_is_refused(text):
    (said,) = problems(text)
    assert "nested" in said


def test_keys_given_twice_are_told_with_all_else():
    text = PLAIN.replace("{hosts: 4}", "{hosts: 4, ¦hosts: 0}") + "¦name: again\nnic: {¦mtu: }\n"
    said = [
        "key 'hosts' is given twice, first in line 3",
        "key 'name' is given twice, first in line 1",
    ]
    assert_problems(text, [*said, "nic.mtu: got nothing; allowed: 256, 512, 1024, 2048, 4096"])


def test_an_error_that_came_by_a_merge_key_alone_has_the_place_of_what_took_it():
    anchor = "nic: &x {mtu: ¦1}\n"
    text = anchor + PLAIN.replace("a: {hosts: 4}", "a: {hosts: 4, ¦nic: {<<: *x}}")
    said = "got 1; allowed: 256, 512, 1024, 2048, 4096"
    assert_problems(text, [f"nic.mtu: {said}", f"sites.a.nic.mtu: {said}"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("!mine text", "has the tag '!mine'; a scenario has no use for tags, leave it out"),
        ("!!str 5", "has the tag '!!str'; a scenario has no use for tags, leave it out"),
        ("9" * 5000, "cannot be read: a number too large for anything"),
        ("2026-13-45", "cannot be read: month must be in 1..12"),
    ],
)
def test_what_yaml_allows_and_a_scenario_does_not_has_its_place(value, said):
    assert problems(f"seed: {value}\n" + PLAIN) == [f"f.yaml:1:7: error: {said}"]


def test_a_tab_is_named():
    said = "f.yaml:6:1: error: has a tab where YAML allows none; indent with blanks, not tabs"
    assert problems(PLAIN.replace("    fabric", "\tfabric")) == [said]


def test_tags_and_huge_numbers_are_refused():
    for value in ("!mine text", "!!binary aGVsbG8=", "!!set {a, b}", "!!python/name:os.system x"):
        problems(PLAIN + f"seed: {value}\n")
    problems(PLAIN + f"seed: {'9' * 5000}\n")
    problems(PLAIN + "seed: .inf\n")
    problems(PLAIN + "nic: {timeout_detection: .nan}\n")


def test_anchors_and_merge_keys_work():
    text = PLAIN.replace("a: {hosts: 4}", "a: &a {hosts: 4, fabric: {cable: 1 m}}")
    text = text.replace("    hosts: 4\n    fabric: one-switch\n", "    <<: *a\n    hosts: 5\n")
    sites = loads(text).scenario.sites
    assert (sites["b"].hosts, sites["b"].fabric.cable) == (5, 1)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200))
def test_no_text_does_anything_but_load_or_be_refused(text):
    with pytest.raises(ScenarioError) as error:
        loads(text, origin="f.yaml")
    assert all("\n" not in str(problem) for problem in error.value.problems)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_scenario_with_any_one_damage_loads_or_is_refused(data):
    start = data.draw(st.integers(0, len(PLAIN)))
    length = data.draw(st.integers(0, 12))
    patch = data.draw(st.text("abx01 :{}[]*&!,.-\n\"'#|>%@\t", max_size=6))
    with contextlib.suppress(ScenarioError):
        loads(PLAIN[:start] + patch + PLAIN[start + length :], origin="f.yaml")


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.from_regex(
            r"(sites|lines|nic|traffic|seed|name)(\.(a|b|0|1|fabric|pfc|xoff|rate|otn|mtu)){0,4}"
            r"=[-a-z0-9 :{}\[\],.&*#\"']{0,12}",
            fullmatch=True,
        ),
        max_size=3,
    )
)
def test_any_settings_load_or_are_refused_and_the_text_stands_for_the_result(given_settings):
    try:
        loaded = loads(PLAIN, given_settings, origin="f.yaml")
    except ScenarioError:
        pass
    else:
        assert loads(loaded.text).scenario == loaded.scenario


# ---- files and names -----------------------------------------------------------------------


def test_a_file_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PLAIN, encoding="utf-8-sig")  # with the mark that some editors put first
    for given_path in (path, str(path)):
        loaded = load(given_path)
        assert loaded.scenario.name == "plain"
        assert loaded.origin == str(path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", ": error: is empty"),
        (b" \n\n", ": error: is empty"),
        (b"name: caf\xe9\n", ":1:10: error: is not UTF-8 text (byte 0xe9)"),
        (b"a: 1\n\xff\xfe", ":2:1: error: is not UTF-8 text (byte 0xff)"),
        (b"#" * (512 * 1024 + 1), ": error: is larger than 512 KiB, the most that is read"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, data, said):
    path = tmp_path / "f.yaml"
    path.write_bytes(data)
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert str(error.value) == f"{path}{said}"


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    for path, said in [
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "is a directory"),
        (str(tmp_path) + "/\0.yaml", "null"),
        (str(tmp_path / ("x" * 5000 + ".yaml")), "too long"),
        (tmp_path / "perftest.yaml", "the built-in one is named 'perftest'"),
    ]:
        with pytest.raises(ScenarioError, match=said):
            load(path)


def test_an_empty_name_is_refused_with_those_there_are():
    with pytest.raises(ScenarioError, match=r"^error: the scenario's name is empty; .* perftest"):
        load("")


def test_an_unknown_name_is_refused_with_the_nearest(tmp_path, monkeypatch):
    with pytest.raises(ScenarioError, match=r"^perftst: error: .* did you mean 'perftest'\?"):
        load("perftst")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text(PLAIN)
    with pytest.raises(ScenarioError, match=r"for the file write \./mine"):
        load("mine")
    assert load("./mine").scenario.name == "plain"
    (tmp_path / "perftest").write_text(PLAIN)
    assert load("perftest").scenario.name == "perftest"


def test_a_problem_prints_nothing_that_a_terminal_would_obey():
    problem = Problem("got \x1b[31m\ud800\n", file="f\x07.yaml", line=1, column=2, key="k")
    assert str(problem) == r"f\x07.yaml:1:2: error: k: got \x1b[31m\ud800\n"


# ---- the schema ----------------------------------------------------------------------------


def test_every_key_is_described_and_every_default_figure_has_its_source():
    schema = Scenario.model_json_schema()
    sections = {"Scenario": schema, **schema["$defs"]}
    assert len(sections) == 18
    for name, section in sections.items():
        assert section["additionalProperties"] is False
        for key, field in section["properties"].items():
            assert field.get("description"), f"{name}.{key}"
            if "unit" in field and field.get("default"):
                assert field["source"].split(":")[0] in ("published", "derived", "assumed")
