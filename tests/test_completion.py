"""Shell completion: click's own, and scenarios by name."""

import os
import subprocess
import sys

import pytest

from wanrdma.scenario import catalogue

WANRDMA = [sys.executable, "-P", "-c", "from wanrdma.cli import main; main(prog_name='wanrdma')"]


def complete(**variables: str) -> str:
    done = subprocess.run(
        WANRDMA, capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stdout


def completed(*words: str) -> list[str]:
    """Give what bash is offered for the last of the words."""
    said = complete(
        _WANRDMA_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(("wanrdma", *words)),
        COMP_CWORD=str(len(words)),
    )
    return said.splitlines()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell):
    script = complete(_WANRDMA_COMPLETE=f"{shell}_source")
    assert "_WANRDMA_COMPLETE" in script
    assert "wanrdma" in script


@pytest.mark.parametrize("command", ["run", "validate"])
def test_scenarios_and_files_complete(command):
    names = [f"plain,{name}" for name in catalogue.names()]
    assert completed(command, "") == [*names, "file,"]
    assert completed(command, "perf") == ["plain,perftest", "file,perf"]


def test_only_what_is_built_in_can_be_shown():
    assert completed("scenarios", "show", "") == [f"plain,{name}" for name in catalogue.names()]
    assert completed("scenarios", "show", "slo") == ["plain,slots-nccl"]


def test_commands_and_options_complete():
    assert "plain,validate" in completed("val")
    assert completed("run", "--no-t") == ["plain,--no-trace"]
