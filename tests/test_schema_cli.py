"""``wanrdma schema``: a JSON Schema that takes what ``load`` takes."""

import contextlib
import copy
import json
import re

import jsonschema
import pytest
from click.testing import CliRunner
from drawn.scenarios import scenarios
from hypothesis import given, settings
from hypothesis import strategies as st

from wanrdma.cli import main
from wanrdma.errors import ScenarioError, WanrdmaError
from wanrdma.scenario import catalogue, loads, units, yaml_file
from wanrdma.scenario.json_schema import json_schema, schema_at

SCHEMA = json_schema()
CHECKER = jsonschema.Draft202012Validator(SCHEMA)

PLAIN = """\
name: plain
sites:
  a: {hosts: 4, fabric: one-switch}
  b: {like: a, fabric: {pfc: none, ecn: none, latency: 0}}
lines:
  - {between: [a, b], distance: 329 km, rate: 2 x 400 Gbps}
traffic:
  - {name: w, from: a.0, to: b.0, bytes: 4 GiB}
"""


def read(text):
    return yaml_file.plain(yaml_file.parse(text, "f.yaml"), "f.yaml")[0]


def with_site(key, value):
    return read(PLAIN.replace("hosts: 4, fabric: one-switch", f"hosts: 4, {key}: {value}"))


def with_key(text):
    return read(PLAIN + text)


def test_it_is_a_json_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", catalogue.names())
def test_it_takes_the_built_in_scenarios(name):
    CHECKER.validate(read(catalogue.read(name)))


@pytest.mark.parametrize(
    "text",
    [
        "nic: {retry_budget: none, preset: connectx-sr}\n",
        "nic: {retry_budget: {retries: 3}, congestion_control: pacing, pacing: 10 Gbps}\n",
    ],
)
def test_it_takes_what_nics_can_be_set_to(text):
    CHECKER.validate(with_key(text))


@pytest.mark.parametrize(
    ("slots", "fits"),
    [
        ("nccl-2.23", True),
        ("{preset: nccl-2.23, count: 2}", True),
        ("{count: 2, bytes: 1 MiB}", True),
        ("{count: 2}", False),
        ("nope", False),
    ],
)
def test_it_takes_a_librarys_slots(slots, fits):
    assert CHECKER.is_valid(read(PLAIN.replace("4 GiB}", f"4 GiB, slots: {slots}}}"))) == fits


@settings(deadline=None, max_examples=50)
@given(scenarios())
def test_it_takes_drawn_scenarios(drawn):
    CHECKER.validate(drawn)


SHORT_FORMS = [
    ("fabric", "one-switch"),
    ("fabric", "{pfc: none}"),
    ("fabric", "{pfc: null, ecn: none}"),
    ("fabric", "{pfc: {priority: 5}}"),
    ("fabric", "{pfc: {priorities: [3, 4], headroom: auto, xoff: 0, xon: 0}}"),
    ("fabric", "{rate: 2 x 400 Gbps, cable: 0, latency: 0.0, queue_limit: '0'}"),
    ("nic", "{window: auto, rate: 200Gb/s}"),
    ("nic", "{window: null, ack_priority: null}"),
    ("fabric", "{queue_limit: 8 Mbit, rate: 400 Gb/s}"),
    ("gateway", "{rate: null}"),
    ("convergence", "'4:1'"),
]


@pytest.mark.parametrize(("key", "value"), SHORT_FORMS)
def test_it_takes_the_short_forms(key, value):
    CHECKER.validate(with_site(key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fabric", "two-switches"),
        ("fabric", "{pfc: off}"),
        ("fabric", "{pfc: {priority: 5, priorities: [5]}}"),
        ("fabric", "{pfc: {priority: 9}}"),
        ("fabric", "{latency: 5}"),
        ("fabric", "{latency: 5 km}"),
        ("fabric", "{queue_limit: 8 Mb}"),
        ("fabric", "{latency: false}"),
        ("fabric", "{rate: 0}"),
        ("fabric", "{rate: auto}"),
        ("fabric", "{hosts: 4}"),
        ("nic", "{mtu: 9000}"),
        ("nic", "{rate: 400 Gbs}"),
        ("gatway", "{}"),
        ("convergence", "4"),
    ],
)
def test_it_refuses_what_load_refuses(key, value):
    text = PLAIN.replace("hosts: 4, fabric: one-switch", f"hosts: 4, {key}: {value}")
    with pytest.raises(ScenarioError):
        loads(text)
    assert not CHECKER.is_valid(read(text))


@pytest.mark.parametrize("text", ["training: {}\n", "colour: red\n", "seed: -1\n", "stop: 5\n"])
def test_it_refuses_unknown_keys_and_those_for_later(text):
    assert not CHECKER.is_valid(with_key(text))


def test_a_site_needs_hosts_or_another_to_be_like():
    assert not CHECKER.is_valid(read(PLAIN.replace("like: a, ", "")))


def test_a_sites_name_is_checked():
    assert not CHECKER.is_valid(read(PLAIN.replace("  a: {", "  A: {")))


VALUES: list[object] = [None, True, 0, 1, 3, 0.5, "", "0", "none", "auto", "a", "a.0", "5 km"]
VALUES += ["1 us/km", "64 MiB", "5 ms", "100 Gbps", "2 x 100 Gbps", "one-switch", "4:1"]
VALUES += [[], {}, [3], ["a", "b"]]


@settings(deadline=None, max_examples=100)
@given(scenarios(), st.data())
def test_it_takes_whatever_load_takes(drawn, data):
    changed = copy.deepcopy(drawn)
    here = changed
    while True:
        keys = list(here) if isinstance(here, dict) else range(len(here))
        if not keys:
            break
        key = data.draw(st.sampled_from(list(keys)))
        if isinstance(here[key], dict | list) and data.draw(st.integers(0, 4)):
            here = here[key]
            continue
        here[key] = data.draw(st.sampled_from(VALUES))
        break
    with contextlib.suppress(ScenarioError):
        loads(json.dumps(changed))
        CHECKER.validate(changed)


@pytest.mark.parametrize(
    ("name", "parse"),
    [
        ("a time", units.parse_time),
        ("a size", units.parse_bytes),
        ("a length", units.parse_length),
        ("a rate", units.parse_rate),
        ("a delay per length", units.parse_delay_per_length),
    ],
)
def test_patterns_take_the_units_that_are_read_and_no_other(name, parse):
    pattern = re.compile(units.quantity_pattern(name))
    names = units._unit_names()
    texts = [f"1000 {unit}" for unit in names]
    texts += [f"1e6 {above} / {below}" for above in names for below in names]
    taken = 0
    for text in texts:
        try:
            parse(text)
        except units.QuantityError as error:
            if "unit" in str(error):
                assert not pattern.search(text), text
        else:
            taken += 1
            assert pattern.search(text), text
    assert taken >= 3


def test_every_key_has_a_description_and_figures_their_source():
    for name, part in {"Scenario": SCHEMA, **SCHEMA["$defs"]}.items():
        assert part["additionalProperties"] is False
        for key, field in part["properties"].items():
            assert field.get("description"), f"{name}.{key}"
            if "x-unit" in field and field.get("default"):
                assert field["x-source"]
    assert not [word for word in ('"title": "K', '"unit"', "``") if word in json.dumps(SCHEMA)]


def test_the_command_prints_it():
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("lines.0.distance", "5 km", "5 s"),
        ("lines.distance", "5 km", "5 s"),
        ("sites.a", {"hosts": 1, "fabric": "one-switch"}, {"fabric": "one-switch"}),
        ("sites.a.fabric", "one-switch", {"pfc": "maybe"}),
        ("sites.a.fabric.pfc.priority", 3, 8),
        ("traffic.0.slots", {"count": 8, "bytes": "512 KiB"}, {"count": 8}),
        ("nic.framing", {"ack": "86 B"}, {"nak": "86 B"}),
    ],
)
def test_one_key_alone_is_a_schema_too(key, good, bad):
    result = CliRunner().invoke(main, ["schema", "--key", key])
    assert result.exit_code == 0
    checker = jsonschema.Draft202012Validator(json.loads(result.stdout))
    assert checker.is_valid(good)
    assert not checker.is_valid(bad)


def test_an_unknown_key_is_refused_with_the_nearest():
    result = CliRunner().invoke(main, ["schema", "--key", "lines.0.distanc"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "unknown key 'distanc'; did you mean 'distance'?" in result.stderr
    for key in ("", "nic.mtu.x", "x", "lines.0.0", "traffic.9.slots.x"):
        with pytest.raises(WanrdmaError):
            schema_at(key)
