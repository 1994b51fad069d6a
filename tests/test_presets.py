"""NIC presets: whole, sourced, and laid under what a scenario gives."""

import json
import re
from typing import get_args

import pytest
from click.testing import CliRunner
from small_scenarios import ONE_SWITCH, scenario, transfer

from wanrdma.build import build
from wanrdma.cli import main
from wanrdma.errors import ScenarioError
from wanrdma.kernels import tables as kt
from wanrdma.scenario import load, loads, presets
from wanrdma.scenario.schema import Nic, Slots
from wanrdma.theory import ack_timeout_ps

SOURCE = re.compile(r"(published|derived|calibrated|assumed): \S|derived: |published: ")


def entries(section, path=()):
    for key, entry in section.items():
        if "value" in entry:
            yield (*path, key), entry
        else:
            yield from entries(entry, (*path, key))


def test_the_names_are_those_of_the_files():
    assert list(get_args(presets.Name)) == presets.names()
    with_slots = [name for name in presets.names() if "slots" in presets.read(name)]
    assert list(get_args(presets.SlotsName)) == with_slots


@pytest.mark.parametrize("name", presets.names())
def test_each_value_is_known_to_the_schema_and_has_a_source(name):
    preset = presets.read(name)
    assert set(preset) <= {"description", "nic", "slots"}
    assert 20 < len(preset["description"]) <= 100
    for path, entry in entries(preset["nic"]):
        assert path[0] in Nic.model_fields
        assert set(entry) == {"value", "source"}
        assert SOURCE.match(entry["source"]), entry
    Nic.model_validate({"preset": name})


@pytest.mark.parametrize("name", ["connectx-gbn", "connectx-sr", "ascend-hccl", "ns3-hpcc"])
def test_a_nics_preset_leaves_nothing_of_another_nics(name):
    """A site's preset is laid over the scenario's: what a NIC does, each must say."""
    behaviour = {"retransmission", "out_of_order", "nak_again", "timeout_detection"}
    behaviour |= {"least_timeout", "first_timeout", "last_retry_is_fatal", "slow_restart"}
    assert behaviour <= set(presets.read(name)["nic"])


def test_what_is_given_beside_a_preset_wins():
    nic = Nic.model_validate({"preset": "ns3-hpcc", "mtu": 1024, "framing": {"ack": "70 B"}})
    assert (nic.mtu, nic.timeout, nic.nak_again) == (1024, 0, 500_000_000)
    assert (nic.framing.ack, nic.framing.overhead) == (70, 52)


def test_a_sites_preset_wins_over_the_scenarios_nic():
    site = {"hosts": 2, "fabric": ONE_SWITCH}
    own = {"preset": "perftest-default", "retries": 2}
    told = scenario(sites={"a": site | {"nic": own}, "b": site}, nic={"timeout": 18, "retries": 3})
    assert (told.site_nic("a").timeout, told.site_nic("a").retries) == (14, 2)
    assert (told.site_nic("b").timeout, told.site_nic("b").retries) == (18, 3)


def test_an_unknown_preset_is_refused_where_it_stands():
    text = load("perftest").text.replace("nic:", "nic:\n  preset: conectx-gbn", 1)
    with pytest.raises(ScenarioError, match=r"scenario:\d+:11: error: nic\.preset: .*connectx-gbn"):
        loads(text)


def test_connectx_gives_up_when_it_was_measured_to():
    """Exponent 14 works as 16; a short phase, then six timers of twice the nominal length.

    Measured on a ConnectX-6: 3.66 s with 7 retries at 14 or 16, 57.7 to 60 s at 20.
    """
    for exponent, low_s, high_s in ((14, 3.5, 3.8), (16, 3.5, 3.8), (20, 57.5, 60.5)):
        nic = {"preset": "connectx-gbn", "timeout": exponent}
        network = build(scenario(nic=nic))
        row = network.tables.requesters[0]
        assert row["timeout_ps"] == 2 * ack_timeout_ps(max(16, exponent))
        doubling, short_s = int(row["first_timeout_ps"]), 0
        while doubling < row["timeout_ps"]:
            short_s += doubling
            doubling *= 2
        # The short ones spend one retry together; of the others the last is the error.
        gives_up_s = (short_s + int(row["retries"]) * int(row["timeout_ps"])) / 1e12
        assert low_s < gives_up_s < high_s


def test_nccls_slots():
    slots = Slots.model_validate("nccl-2.23")
    assert (slots.count, slots.bytes) == (8, 512 * 1024)
    network = build(
        scenario(traffic=[transfer("t", "a.0", "b.0", bytes="4 MiB", slots="nccl-2.23")])
    )
    assert network.tables.operations["credits"][0] == 8
    assert network.tables.operations["message_bytes"][0] == 512 * 1024


def test_split_messages_go_over_all_queue_pairs():
    rows = [transfer("t", "a.0", "b.0", bytes="1 MiB", message="128 KiB", queue_pairs=4)]
    for split, messages, size in ((False, 2, 128 * 1024), (True, 8, 32 * 1024)):
        network = build(scenario(traffic=rows, nic={"split_messages": split}))
        sends = network.tables.operations[network.tables.operations["kind"] == kt.SEND]
        assert sends["messages"].tolist() == [messages] * 4
        assert sends["message_bytes"].tolist() == [size] * 4


def invoke(*arguments):
    return CliRunner().invoke(main, ["presets", *arguments])


def test_the_command_lists_and_shows_them():
    listed = invoke().stdout.splitlines()
    assert [line.split()[0] for line in listed] == presets.names()
    shown = invoke("connectx-gbn").stdout
    assert "nic.least_timeout: 16\n  published: measured" in shown
    assert json.loads(invoke("nccl-2.23", "--json").stdout)["slots"]["count"]["value"] == 8
    assert [one["name"] for one in json.loads(invoke("--json").stdout)] == presets.names()


def test_the_command_names_the_nearest():
    result = invoke("conectx-sr")
    assert result.exit_code == 2
    assert "connectx-sr" in result.stderr
