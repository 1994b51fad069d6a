"""What is installed: the wheel's content, and the versions that it asks for."""

import configparser
import shutil
import subprocess
import sys
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
FOLDERS = {"wanrdma": "wanrdma", "kernels": "wanrdma/kernels", "scenarios": "wanrdma/scenarios"}
FILES = ["setup.cfg", "pyproject.toml", "README.md", "LICENSE"]
INFO = f"wanrdma-{version('wanrdma')}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    """Build the wheel from a copy: a checkout may hold what an earlier build left."""
    sources = tmp_path_factory.mktemp("sources")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, sources / folder, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, sources)
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command = [*build, "--no-index", "--wheel-dir", out, sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return ZipFile(path)


def test_all_sources_and_their_data_are_in_and_nothing_else(wheel: ZipFile):
    expected = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel.namelist() if not name.startswith(INFO)} == expected
    assert {
        "wanrdma/py.typed",
        "wanrdma/scenario/units.txt",
        "wanrdma/scenarios/perftest.yaml",
        "wanrdma/kernels/loop.py",
    } <= expected


def test_licence_command_and_readme(wheel: ZipFile):
    licence = wheel.read(f"{INFO}/licenses/LICENSE").decode()
    assert licence == (ROOT / "LICENSE").read_text()
    assert "wanrdma = wanrdma.cli:main" in wheel.read(f"{INFO}/entry_points.txt").decode()
    metadata = Parser().parsestr(wheel.read(f"{INFO}/METADATA").decode())
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()


def requirements() -> list[Requirement]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    return [Requirement(line) for text in lists for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("asked", requirements(), ids=str)
def test_the_tried_versions_are_within_the_bounds(asked: Requirement):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.lower().split("==") for line in lines if not line.startswith("#"))
    assert any(clause.operator == ">=" for clause in asked.specifier)
    assert asked.specifier.contains(pins[asked.name.lower()])
