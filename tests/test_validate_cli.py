"""``wanrdma validate``: what is wrong, all at once, for people and for programs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wanrdma.cli import main
from wanrdma.scenario import catalogue

WRONG = """\
name: mine
sites:
  a: {hosts: 4}
  b: {hots: 4}
lines:
  - {between: [a, b], distance: 100, rate: 400 Gbps}
traffic:
  - {name: w, from: a.9, to: b.0, bytes: 1 GiB}
"""
PLACES = [(4, 3, "sites.b.hosts"), (4, 7, "sites.b.hots"), (6, 33, "lines.0.distance")]
PLACES += [(8, 21, "traffic.0.from")]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return tmp_path


def validate(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["validate", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize("name", catalogue.names())
def test_built_in_scenarios_have_no_errors(name):
    result = validate(name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == f"{name}: no errors"


def test_what_follows_from_the_scenario_is_said():
    # 16 x 200G over 2 x 400G; 2 x (329 km x 4.9 us/km + 2 x 5 us) there and back
    assert validate("unicom-329km").stdout.splitlines() == [
        "unicom-329km: no errors",
        "convergence (NICs : lines): tianjin 4:1, langfang 4:1",
        "round trip of each line, light and terminals: tianjin-langfang 3.244 ms",
        "work: 32 transfers from host to host, in 2 rows of traffic",
    ]


def test_all_errors_come_at_once_with_their_places():
    result = validate("wrong.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    said = result.stderr.splitlines()
    expected = [f"wrong.yaml:{line}:{column}: error: {key}: " for line, column, key in PLACES]
    assert [one.startswith(start) for one, start in zip(said, expected, strict=True)] == [True] * 4


def test_json_has_the_same_errors_and_nothing_else_is_said():
    result = validate("wrong.yaml", "--json")
    given = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (2, "")
    assert given["valid"] is False
    assert [(e["line"], e["column"], e["key"]) for e in given["errors"]] == PLACES
    assert {e["file"] for e in given["errors"]} == {"wrong.yaml"}
    assert "did you mean 'hosts'?" in given["errors"][1]["message"]


def test_json_of_a_good_one_has_no_errors():
    assert json.loads(validate("perftest", "--json").stdout) == {"valid": True, "errors": []}


def test_settings_are_checked_too():
    result = validate("perftest", "--set", "nic.mtu=9000")
    assert result.exit_code == 2
    assert result.stderr.startswith("--set nic.mtu: error: ")
    (error,) = json.loads(validate("perftest", "--set", "nic.mtu=9000", "--json").stdout)["errors"]
    assert (error["setting"], error["line"]) == ("nic.mtu", None)
    assert validate("perftest", "--set", "nic.mtu=1024").exit_code == 0


def test_a_file_that_is_not_there_is_an_error_in_json_too():
    given = json.loads(validate("nowhere.yaml", "--json").stdout)
    assert (given["valid"], given["errors"][0]["file"]) == (False, "nowhere.yaml")


def test_nothing_heavy_is_loaded():
    code = (
        "import sys; from wanrdma.cli import main\n"
        "try: main(['validate', 'perftest'])\n"
        "finally: print([m for m in ('numba', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
