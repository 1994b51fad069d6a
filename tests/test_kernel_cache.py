"""The cache of machine code: never stale, never in the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from numba.core import config

from wanrdma import engine
from wanrdma.build import build
from wanrdma.kernels import jit, loop
from wanrdma.scenario import load

KERNELS = Path(jit.__file__).parent
RUN = """
from wanrdma import engine
from wanrdma.build import build
from wanrdma.kernels.jit import CACHE_FOLDER
from wanrdma.scenario import load

print(CACHE_FOLDER)
outcome = engine.run(build(load("slots-nccl", ["traffic.0.bytes=64 KiB"]).scenario))
print(outcome.status)
"""
WHERE = "from wanrdma.kernels.jit import CACHE_FOLDER; print(CACHE_FOLDER)"

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "text": lambda _: b"garbage\n",
    "half": lambda whole: whole[: len(whole) // 2],
}

SLOW = pytest.mark.slow  # each compiles all, 15 s
QUICKER = {"NUMBA_OPT": "1"}  # to compile, by a third

pytestmark = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache root that has all the machine code."""
    engine.run(build(load("slots-nccl", ["traffic.0.bytes=64 KiB"]).scenario))
    assert jit.CACHE_FOLDER is not None
    root = tmp_path_factory.mktemp("warm")
    # A folder in it for each place that these sources are installed in: take ours.
    ours = Path(loop.advance.stats.cache_path).relative_to(jit.CACHE_FOLDER.parents[1])
    shutil.copytree(jit.CACHE_FOLDER.parents[1] / ours, root / ours)
    return root


def run_python(program: str, *, of: Path | None = None, **variables: str | Path) -> list[str]:
    """Run a program in a process of its own; return the lines it prints.

    `of`: a folder to import from. Variables that say where a cache is are unset, but the
    given ones.
    """
    unset = {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {name: str(value) for name, value in variables.items()}
    if of:
        environment["PYTHONPATH"] = str(of)
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def files(root: Path, pattern: str) -> dict[str, bytes]:
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob(pattern)}
    assert found
    return found


def kernels_in(found: dict[str, bytes]) -> set[str]:
    return {Path(name).name.split("-")[0] for name in found}


def test_a_second_process_compiles_nothing(warm: Path):
    before = files(warm, "*.nb?")
    folder, status = run_python(RUN, NUMBA_CACHE_DIR=warm)
    assert (Path(folder).parent, status) == (warm / "wanrdma", "completed")
    assert files(warm, "*.nb?") == before


def test_an_edit_in_any_kernel_means_another_folder(tmp_path: Path):
    package = tmp_path / "wanrdma"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copytree(KERNELS, package / "kernels")
    seen = [run_python(WHERE, of=tmp_path, NUMBA_CACHE_DIR=tmp_path)]
    assert seen[0][0].endswith(jit.CACHE_FOLDER.name)  # where the sources lie does not matter
    for name in ("heap.py", "tables.py"):
        with (package / "kernels" / name).open("a") as source:
            source.write("\n# edited\n")
        seen.append(run_python(WHERE, of=tmp_path, NUMBA_CACHE_DIR=tmp_path))
    assert seen[0] != seen[1] != seen[2] != seen[0]


def test_row_checks_have_a_folder_of_their_own(tmp_path: Path):
    plain = run_python(WHERE, NUMBA_CACHE_DIR=tmp_path, NUMBA_BOUNDSCHECK="0")
    checked = run_python(WHERE, NUMBA_CACHE_DIR=tmp_path, NUMBA_BOUNDSCHECK="1")
    assert plain != checked


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["nbi", "nbc"])  # Numba's index, and its data
def test_a_damaged_small_file_is_compiled_anew(warm: Path, tmp_path: Path, kind: str, damage: str):
    _damage_and_run(warm, tmp_path, f"bins.*.{kind}", DAMAGES[damage])


@pytest.mark.parametrize(
    ("kind", "damage"),
    [("nbc", "half"), *(pytest.param(kind, "empty", marks=SLOW) for kind in ("nbi", "nbc"))],
)
def test_a_damaged_cache_is_compiled_anew(warm: Path, tmp_path: Path, kind: str, damage: str):
    _damage_and_run(warm, tmp_path, f"*.{kind}", DAMAGES[damage])


def _damage_and_run(warm: Path, tmp_path: Path, pattern: str, damage: Damage) -> None:
    root = tmp_path / "damaged"
    shutil.copytree(warm, root)
    healthy = kernels_in(files(root, pattern))
    for path in root.rglob(pattern):
        path.write_bytes(damage(path.read_bytes()))
    assert run_python(RUN, NUMBA_CACHE_DIR=root, **QUICKER)[-1] == "completed"
    assert kernels_in(files(root, pattern)) == healthy
    assert all(path.stat().st_size for path in root.rglob("*.nb?"))
    after = files(root, "*.nb?")
    assert run_python(RUN, NUMBA_CACHE_DIR=root)[-1] == "completed"
    assert files(root, "*.nb?") == after


def test_without_a_home_the_cache_is_a_temporary_folder(warm: Path, tmp_path: Path):
    # /dev/null/... can be made by no one, root included.
    place = tmp_path / f"wanrdma-{os.getuid()}"
    shutil.copytree(warm, place)
    folder, status = run_python(RUN, HOME="/dev/null/home", TMPDIR=tmp_path)
    assert (Path(folder).parents[1], status) == (place, "completed")


def test_a_cache_home_is_used(tmp_path: Path):
    (folder,) = run_python(WHERE, XDG_CACHE_HOME=tmp_path)
    assert Path(folder).parents[1] == tmp_path


def test_with_nowhere_to_write_it_compiles_and_runs():
    folder, status = run_python(RUN, NUMBA_CACHE_DIR="/dev/null/cache", **QUICKER)
    assert (folder, status) == ("None", "completed")
