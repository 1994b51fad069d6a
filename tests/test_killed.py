"""A run that is killed, interrupted or out of disk: what it leaves can be read, and says so."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from click.testing import CliRunner

from wanrdma.cli import main

WANRDMA = [sys.executable, "-P", "-c", "from wanrdma.cli import main; main()"]
SCENARIO = """\
name: tiny
sites:
  a: {hosts: 2, fabric: one-switch}
  b: {hosts: 1, fabric: one-switch}
lines:
  - {between: [a, b], distance: 10 km, rate: 400 Gbps, otn: {latency: 0 s}}
traffic:
  - {name: write, from: a.0, to: b.0, bytes: 1 MiB, message: 64 KiB}
"""
SECONDS = "traffic.0.bytes=16 GiB"  # some seconds of work
ENDLESS = "traffic.0.bytes=512 GiB"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    assert run_here("--no-trace") == 0  # compiles, if nobody has yet
    return tmp_path


def run_here(*options: str) -> int:
    return CliRunner().invoke(main, ["run", "tiny.yaml", "--quiet", *options]).exit_code


def start(*options: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*WANRDMA, "run", "tiny.yaml", "--quiet", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def wait_for_the_course(part: Path) -> None:
    """Wait until a ``.part`` has been replaced by one that holds what happened so far."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if part.exists() and part.stat().st_size:
            with h5py.File(part) as file:
                if "goodput" in file:
                    return
        time.sleep(0.05)
    raise AssertionError(f"{part} holds no course after two minutes")


def left() -> set[str]:
    return {path.name for path in Path().iterdir()} - {"tiny.yaml"}


def assert_whole_or_incomplete() -> None:
    """See that what a killed run left is one of the two, and nothing else."""
    finished, part = Path("tiny-1.h5"), Path("tiny-1.h5.part")
    assert left() <= {"tiny-1.h5", "tiny-1.h5.part", "tiny-1.h5.part.new"}
    if finished.exists() and part.exists():  # killed between giving the name and taking the other
        assert finished.samefile(part)
    for path in (finished, part):
        # Empty: killed between claiming the name and the first word of it.
        if path.exists() and path.stat().st_size:
            with h5py.File(path) as file:
                assert file.attrs["scenario_text"].startswith("name: tiny")
                # A .part may be complete: killed between the last word and giving the name.
                complete = file.attrs["complete"]
                assert file.attrs["status"] == ("completed" if complete else "running")
                assert complete or path == part
                for name in file:
                    file[name][()]


def kill_and_look(times: int) -> None:
    random.seed(times)
    whole_s = _wall_s()
    for _ in range(times):
        with start("--set", SECONDS) as process:
            time.sleep(random.uniform(0, 1.1 * whole_s))
            process.kill()
        assert_whole_or_incomplete()
        for name in left():
            Path(name).unlink()


def _wall_s() -> float:
    began = time.monotonic()
    with start("--set", SECONDS) as process:
        assert process.wait() == 0
    Path("tiny-1.h5").unlink()
    return time.monotonic() - began


def test_a_killed_run_leaves_a_part_that_can_be_read():
    kill_and_look(5)


@pytest.mark.slow
def test_50_killed_runs_leave_parts_that_can_be_read():
    kill_and_look(50)


def test_a_kill_after_the_first_second_leaves_the_course_so_far():
    with start("--set", ENDLESS) as process:
        wait_for_the_course(Path("tiny-1.h5.part"))
        process.kill()
    assert_whole_or_incomplete()
    with h5py.File("tiny-1.h5.part") as file:
        assert file["goodput"].size > 0
        assert file.attrs["simulated_s"] > 0


def test_what_a_kill_left_is_kept_and_confuses_no_later_run():
    Path("tiny-1.h5.part").write_text("of a killed run")
    Path("tiny-1.h5.part.new").write_text("half of")
    assert run_here() == 0
    assert left() == {"tiny-1.h5.part", "tiny-1.h5.part.new", "tiny-1-2.h5"}
    assert Path("tiny-1.h5.part").read_text() == "of a killed run"


def test_half_a_flush_is_overwritten_by_the_run_that_has_the_name():
    Path("tiny-1.h5.part.new").write_text("half of")
    assert run_here() == 0
    assert left() == {"tiny-1.h5"}
    Path("x.h5.part.new").write_text("half of")
    assert run_here("-o", "x.h5") == 0
    assert left() == {"tiny-1.h5", "x.h5"}


def test_a_folder_in_the_way_of_a_flush_is_said():
    Path("x.h5.part.new").mkdir()
    assert run_here("-o", "x.h5") == 2
    assert left() == {"x.h5.part.new"}


def test_a_link_in_the_way_of_a_flush_is_not_followed():
    Path("mine").write_text("mine")
    Path("x.h5.part.new").symlink_to("mine")
    assert run_here("-o", "x.h5") == 0
    assert Path("mine").read_text() == "mine"
    assert not Path("x.h5").is_symlink()


def test_ctrl_c_ends_within_a_second():
    # A second of the processor, not of the clock: others may be using it too.
    before_s = _children_cpu_s()
    with start("--set", ENDLESS) as process:
        wait_for_the_course(Path("tiny-1.h5.part"))
        process.send_signal(signal.SIGINT)
        at_signal_s = _cpu_s(process.pid)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert _children_cpu_s() - before_s - at_signal_s < 1.0
    assert left() == {"tiny-1.h5.part"}
    with h5py.File("tiny-1.h5.part") as file:
        assert (file.attrs["complete"], file.attrs["status"]) == (0, "stopped")
        assert file["goodput"].size > 0


def _cpu_s(pid: int) -> float:
    """Return what a process has used of the processors so far (Linux: proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_file_that_may_not_grow_leaves_nothing_half_written():
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with start("-o", "x.h5", "--set", SECONDS, preexec_fn=limit) as process:
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 2
    assert stderr == "cannot write x.h5.part: File too large\n"
    assert left() == set()


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can make a small disk")
    try:
        with start("-o", "disk/x.h5", "--set", SECONDS) as process:
            _, stderr = process.communicate(timeout=120)
        assert process.returncode == 2
        assert stderr == "cannot write disk/x.h5.part: No space left on device\n"
        names = {path.name for path in disk.iterdir()}
        assert names <= {"x.h5.part"}
        for name in names:
            with h5py.File(disk / name) as file:
                assert file.attrs["complete"] == 0
    finally:
        subprocess.run(["umount", disk], check=True)
