"""``wanrdma scenarios``, and what every command has in common: help, version, errors."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from click.testing import CliRunner

from wanrdma.cli import COMMANDS, main
from wanrdma.scenario import catalogue

HEAVY = ("numba", "h5py", "scipy", "pydantic", "numpy", "pint", "ruamel.yaml", "rich", "matplotlib")


def invoke(*arguments):
    return CliRunner().invoke(main, arguments)


def test_scenarios_lists_each_with_a_line():
    result = invoke("scenarios")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == catalogue.names()
    assert all(line.endswith(".") for line in lines)


def test_scenarios_as_json_is_one_value():
    result = invoke("scenarios", "--json")
    assert result.exit_code == 0
    listed = json.loads(result.stdout)
    assert [entry["name"] for entry in listed] == catalogue.names()
    assert all(entry["description"] for entry in listed)
    assert result.stderr == ""


@pytest.mark.parametrize("name", catalogue.names())
def test_show_prints_the_file_as_it_is(name):
    result = invoke("scenarios", "show", name)
    assert result.exit_code == 0
    assert result.stdout == catalogue.read(name)


def test_an_unknown_name_exits_2_with_the_nearest_and_no_traceback():
    result = invoke("scenarios", "show", "perftst")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("perftst: error: ")
    assert "did you mean 'perftest'?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["nope"], ["scenarios", "nope"], ["scenarios", "show"]])
def test_wrong_usage_exits_2(arguments):
    assert invoke(*arguments).exit_code == 2


def test_the_version_is_the_packages():
    assert invoke("--version").stdout.strip() == f"wanrdma, version {version('wanrdma')}"


@pytest.mark.parametrize(
    "arguments", [[], ["scenarios"], ["scenarios", "show"], *([name] for name in COMMANDS)]
)
def test_every_help_has_an_example_and_loads_nothing_heavy(arguments):
    program = (
        "import sys\n"
        "from wanrdma.cli import main\n"
        f"main({[*arguments, '--help']!r}, standalone_mode=False)\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert "xample" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"
