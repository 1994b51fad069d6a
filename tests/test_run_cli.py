"""``wanrdma run``: what it prints, what it writes, and how it ends."""

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import netCDF4
import pytest
import xarray
from click.testing import CliRunner, Result

from wanrdma.cli import main
from wanrdma.errors import OutputError

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
PACKETS = 256  # 1 MiB at an MTU of 4096
LINE_TIME_S = (PACKETS * 4178 + 16 * 16) * 20e-12  # 16 messages with RETH, at 400 Gb/s
FIBRE_S = 10e3 * 4.9e-9


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SCENARIO)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["run", "tiny.yaml", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def traces() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if ".h5" in path.name)


def test_json_is_one_value_on_stdout_and_nothing_else():
    result = run("--json")
    given = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (given["scenario"], given["status"], given["seed"]) == ("tiny", "completed", 1)
    (flow,) = given["flows"]
    assert (flow["name"], flow["bytes"]) == ("write", 2**20)
    assert flow["counters"]["tx_packets"] == PACKETS
    assert flow["counters"]["delivered_bytes"] == 2**20
    assert given["trace"] == "tiny-1.h5"


def test_completion_is_line_time_and_fibre_and_stores():
    flow = json.loads(run("--json", "--no-trace").stdout)["flows"][0]
    at_least = LINE_TIME_S + FIBRE_S
    assert at_least < flow["completion_s"] < at_least + 1e-6  # two stores of 84 ns, two cables
    after_first_s = ((PACKETS - 1) * 4178 + 15 * 16) * 20e-12
    steady_bps = (PACKETS - 1) * 4096 * 8 / after_first_s
    assert flow["steady_goodput_bps"] == pytest.approx(steady_bps, rel=1e-12)


def test_the_table_begins_with_the_answer_and_ends_with_the_trace():
    result = run()
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].startswith("write: 1.00 MiB in ")
    assert lines[0].endswith(" of the 400 Gb/s NIC)")
    assert lines[-1] == "Trace: tiny-1.h5"
    assert "\x1b" not in result.stdout


def test_quiet_says_nothing_but_writes():
    result = run("--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert traces() == ["tiny-1.h5"]


def test_the_trace_is_read_by_all_and_agrees_with_the_json():
    flow = json.loads(run("--json", "-o", "x.h5").stdout)["flows"][0]
    with h5py.File("x.h5") as file:
        assert file.attrs["complete"] == 1
        assert file.attrs["scenario_text"] == SCENARIO
        assert file["completion_time"][0] == flow["completion_s"]
    with xarray.open_dataset("x.h5", engine="h5netcdf") as data:
        bits = float((data["goodput"] * data["time_width"]).sum())
        assert bits == pytest.approx(2**20 * 8)
        assert float(data["queue_max"].max()) > 0
        last_s = float(data["time"][-1] + data["time_width"][-1])
        assert last_s >= float(data["last_delivery"].max())
    with xarray.open_datatree("x.h5", engine="h5netcdf") as tree:
        assert tree["goodput"].dims == ("flow", "time")


def test_netcdf_reads_the_trace_by_its_own_library():
    assert run("--quiet", "-o", "x.h5").exit_code == 0
    with netCDF4.Dataset("x.h5") as data, h5py.File("x.h5") as file:
        assert set(data.variables) == set(file)
        assert set(data.dimensions) >= {"flow", "port", "time", "priority", "operation"}
        for name, variable in data.variables.items():
            assert variable.shape == file[name].shape
            assert variable.long_name
        assert data.complete == 1


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump is not installed")
def test_ncdump_reads_the_trace():
    assert run("--quiet", "-o", "x.h5").exit_code == 0
    header = subprocess.run(["ncdump", "-h", "x.h5"], capture_output=True, text=True, check=True)
    assert header.stderr == ""
    assert "double goodput(flow, time) ;" in header.stdout
    assert 'goodput:units = "bit s-1" ;' in header.stdout


def test_the_same_seed_gives_the_same_data():
    lossy = ("--set", "lines.0.errors.post_fec_ber=1e-6", "--quiet", "--seed", "5")
    assert run(*lossy, "-o", "one.h5").exit_code == 0
    assert run(*lossy, "-o", "two.h5").exit_code == 0
    with xarray.open_dataset("one.h5") as one, xarray.open_dataset("two.h5") as two:
        assert one.equals(two)
        assert one.attrs["seed"] == 5
        assert int(one["rx_crc_errors_phy"].sum()) > 0


def test_exact_events_changes_no_data_and_is_told():
    given = {}
    for name, option in (("cycles", ()), ("exact", ("--exact-events",))):
        arguments = ["run", "perftest", "-o", f"{name}.h5", "--json", *option]
        given[name] = json.loads(CliRunner().invoke(main, arguments).stdout)
    with xarray.open_dataset("cycles.h5") as one, xarray.open_dataset("exact.h5") as two:
        xarray.testing.assert_equal(one, two)
        told = [(data.attrs["exact_events"], data.attrs["jumps"] > 0) for data in (one, two)]
        assert told == [(0, True), (1, False)]
        for data, name in ((one, "cycles"), (two, "exact")):
            for key in ("jumps", "jumped_packet_hops", "handled_events", "jumped_events"):
                assert data.attrs[key] == given[name]["cycles"][key]
        # All that may differ, as docs/trace.md has it.
        differ = {key for key in one.attrs if one.attrs[key] != two.attrs[key]}
        cycles = {"exact_events", "jumps", "jumped_packet_hops", "handled_events", "jumped_events"}
        assert differ - cycles <= {"command", "wall_s", "cpu_s"}
    assert given["exact"]["cycles"]["share_of_packet_hops"] == 0
    assert 0 < given["cycles"]["cycles"]["share_of_packet_hops"] < 1
    for name in ("trace", "wall_s", "cpu_s", "cycles"):
        assert given["cycles"].pop(name) != given["exact"].pop(name)
    assert given["cycles"] == given["exact"]


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ((), r"Cycles: .* % of the events done at once, in "),
        (("--exact-events",), "not looked for"),
    ],
)
def test_the_table_says_what_was_done_at_once(option, said):
    result = CliRunner().invoke(main, ["run", "perftest", "--no-trace", *option])
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Cycles: ")]
    assert re.search(said, line)


def test_another_seed_gives_other_losses():
    lossy = ("--set", "lines.0.errors.post_fec_ber=1e-6", "--json", "--no-trace", "--seed")
    given = [json.loads(run(*lossy, seed).stdout) for seed in ("1", "2")]
    assert [g["seed"] for g in given] == [1, 2]
    assert given[0]["flows"] != given[1]["flows"]


def test_settings_reach_the_run():
    given = [
        json.loads(run("--json", "--no-trace", "--set", f"lines.0.distance={km} km").stdout)
        for km in (10, 110)
    ]
    later_s = given[1]["flows"][0]["completion_s"] - given[0]["flows"][0]["completion_s"]
    assert later_s == pytest.approx(100e3 * 4.9e-9, rel=1e-9)


def test_traces_are_numbered():
    for _ in range(3):
        run("--quiet")
    assert traces() == ["tiny-1-2.h5", "tiny-1-3.h5", "tiny-1.h5"]


def test_a_file_named_is_not_overwritten_unless_forced():
    Path("x.h5").write_text("mine")
    result = run("-o", "x.h5")
    assert result.exit_code == 2
    assert "--force overwrites it" in result.stderr
    assert Path("x.h5").read_text() == "mine"
    assert run("-o", "x.h5", "--force").exit_code == 0
    assert h5py.is_hdf5("x.h5")


def test_the_answer_is_not_lost_with_the_trace(monkeypatch):
    def full_disk(*_arguments: object) -> Path:
        raise OutputError("cannot write tiny-1.h5: No space left on device")

    monkeypatch.setattr("wanrdma.results.trace.write_trace", full_disk)
    result = run("--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["status"] == "completed"
    assert json.loads(result.stdout)["trace"] is None
    assert "No space left" in result.stderr


def test_warnings_are_told_and_kept():
    result = run("--json", "--no-trace", "--set", "nic.timeout=4")
    (warning,) = json.loads(result.stdout)["warnings"]
    assert "no longer than the round trip" in warning
    assert f"warning: {warning}" in result.stderr


def test_no_trace_writes_nothing():
    assert json.loads(run("--no-trace", "--json").stdout)["trace"] is None
    assert traces() == []


@pytest.mark.parametrize("options", [("--no-trace", "-o", "x.h5"), ("--force",), ("--seed", "-1")])
def test_options_that_make_no_sense_are_refused(options):
    result = run(*options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert traces() == []


def test_a_place_that_cannot_be_written_is_found_before_the_run(monkeypatch):
    def no_run(*_arguments: object, **_options: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr("wanrdma.engine.run", no_run)
    result = run("-o", "missing/x.h5", "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no folder missing" in result.stderr


def test_a_bad_scenario_is_no_traceback_and_leaves_no_file():
    result = run("--set", "nic.mtu=4095")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "mtu" in result.stderr
    assert "Traceback" not in result.stderr
    assert traces() == []


@pytest.mark.parametrize("wrong", [("--set", "nic.mtu=4095"), ("--seed", str(2**63))])
def test_json_of_a_bad_scenario_is_that_of_validate(wrong):
    result = run("--json", *wrong)
    given = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, given["valid"]) == (2, "", False)
    (error,) = given["errors"]
    assert wrong[1].partition("=")[0] in (error["setting"], error["message"].split()[-1])
    if "--set" in wrong:
        checked = CliRunner().invoke(main, ["validate", "tiny.yaml", "--json", *wrong])
        assert result.stdout == checked.stdout


def test_a_scenario_may_come_by_standard_input():
    for command in ("run", "validate"):
        result = CliRunner().invoke(main, [command, "-"], input=SCENARIO)
        assert result.exit_code == 0, result.output
        result = CliRunner().invoke(main, [command, "-"], input=SCENARIO.replace("10 km", "10"))
        assert result.exit_code == 2
        assert result.stderr.startswith("standard input:6:33: error: lines.0.distance: ")
    assert traces() == ["tiny-1.h5"]


def test_a_run_may_stop_at_time_0():
    result = run("--json", "--set", "stop=0")
    given = json.loads(result.stdout)
    assert (result.exit_code, given["status"], given["simulated_s"]) == (1, "stopped", 0)
    assert given["flows"][0]["counters"]["delivered_bytes"] == 0
    assert run("--no-trace", "--set", "stop=0").stdout.startswith("Stopped after 0 s: ")


@pytest.mark.parametrize(
    ("output", "said"),
    [("new/", "it names a folder"), ("-", "--json prints the figures there"), (".", "a folder")],
)
def test_a_trace_is_a_file(output, said):
    result = run("-o", output)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert traces() == []


def test_a_numbered_name_that_another_run_has_just_used_is_left(monkeypatch):
    from wanrdma.results import trace

    real = trace._made

    def ended_meanwhile(path: Path) -> bool:
        if path.name == "tiny-1.h5.part":
            Path("tiny-1.h5").write_text("of another")
        return real(path)

    monkeypatch.setattr(trace, "_made", ended_meanwhile)
    assert run("--quiet").exit_code == 0
    assert traces() == ["tiny-1-2.h5", "tiny-1.h5"]
    assert Path("tiny-1.h5").read_text() == "of another"


def test_without_links_a_trace_gets_its_name_all_the_same(monkeypatch):
    def no_links(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert run("--quiet").exit_code == 0
    assert traces() == ["tiny-1.h5"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("--json", ""), ("--quiet", ""), ("--seed 1", "compiling the emulator, only this first time")],
)
def test_compiling_is_said_before_it_begins(arguments, said, tmp_path, monkeypatch):
    monkeypatch.setattr("wanrdma.kernels.jit.CACHE_FOLDER", tmp_path)
    assert run("--no-trace", *arguments.split()).stderr.startswith(said)
    assert bool(run("--no-trace", *arguments.split()).stderr) == bool(said)
    if said:
        monkeypatch.setattr("wanrdma.kernels.jit.CACHE_FOLDER", None)
        assert "no folder to keep" in run("--no-trace", *arguments.split()).stderr


def test_a_run_that_meets_its_stop_time_is_status_1_and_still_reports():
    result = run("--json", "--set", "stop=60 us")
    given = json.loads(result.stdout)
    assert (result.exit_code, given["status"]) == (1, "stopped")
    assert given["simulated_s"] == 60e-6
    assert given["flows"][0]["completion_s"] is None
    with h5py.File("tiny-1.h5") as file:  # the run is cut short, its trace is not
        assert (file.attrs["complete"], file.attrs["status"]) == (1, "stopped")


def test_a_queue_pair_that_gives_up_makes_the_run_incomplete():
    dead = ("--set", "lines.0.errors.post_fec_ber=0.4", "--set", "nic.timeout=6")
    result = run("--json", *dead, "--set", "nic.retries=2")
    given = json.loads(result.stdout)
    assert (result.exit_code, given["status"]) == (1, "incomplete")
    assert given["totals"]["qp_errors"] == 1
    assert given["totals"]["timeouts"] == 3  # retries + 1
    assert given["flows"][0]["steady_goodput_bps"] is None
    result = run(*dead, "--no-trace")
    assert result.exit_code == 1
    assert result.stdout.startswith("Incomplete after ")
    assert "0.0% done" in result.stdout


def test_help_has_an_example():
    result = CliRunner().invoke(main, ["run", "--help"])
    assert result.exit_code == 0
    assert "Example: wanrdma run perftest" in result.stdout


def interrupt_in(place: str, monkeypatch: pytest.MonkeyPatch, presses: int) -> None:
    """Press Ctrl-C when the named function is called."""
    module, _, name = place.rpartition(".")
    real = getattr(sys.modules[module], name)

    def pressed(*arguments: object, **options: object) -> object:
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(sys.modules[module], name, pressed)


def test_an_interrupt_keeps_what_there_is(monkeypatch):
    import wanrdma.engine

    monkeypatch.setattr(wanrdma.engine, "SLICE_S", 0.0)
    interrupt_in("wanrdma.engine.Watch", monkeypatch, presses=1)
    result = run("--json")
    given = json.loads(result.stdout)
    assert (result.exit_code, given["status"]) == (130, "stopped")
    assert given["trace"] == "tiny-1.h5.part"
    assert "interrupted after" in result.stderr
    assert traces() == ["tiny-1.h5.part"]
    with h5py.File("tiny-1.h5.part") as file:
        assert (file.attrs["complete"], file.attrs["status"]) == (0, "stopped")
        assert file["goodput"].shape[0] == 1


def test_an_interrupt_that_comes_too_late_changes_nothing(monkeypatch):
    interrupt_in("wanrdma.engine._judge", monkeypatch, presses=1)
    result = run("--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "completed")
    assert traces() == ["tiny-1.h5"]


@pytest.mark.parametrize("place", ["wanrdma.build.build", "wanrdma.engine._load_or_compile"])
def test_an_interrupt_before_the_run_begins_ends_it_at_once(place, monkeypatch):
    import wanrdma.build
    import wanrdma.engine

    assert wanrdma.build
    assert wanrdma.engine
    interrupt_in(place, monkeypatch, presses=1)
    result = run("--json")
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "interrupted; nothing was kept\n"
    assert traces() == []


def test_an_interrupt_that_the_compiler_loses_ends_the_run_before_it_begins(monkeypatch):
    import wanrdma.engine

    def lost(_network: object) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(wanrdma.engine, "_load_or_compile", lost)
    result = run("--json")
    given = json.loads(result.stdout)
    assert (result.exit_code, given["status"], given["simulated_s"]) == (130, "stopped", 0)


def test_a_second_interrupt_stops_at_once_and_keeps_what_there_is(monkeypatch):
    interrupt_in("wanrdma.engine.Watch", monkeypatch, presses=2)
    result = run("--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (130, "stopped")
    assert "the trace is in tiny-1.h5.part" in result.stderr
    assert traces() == ["tiny-1.h5.part"]


def test_interrupts_are_given_back():
    before = signal.getsignal(signal.SIGINT)
    run("--quiet", "--no-trace")
    assert signal.getsignal(signal.SIGINT) is before


# In a process of its own

WANRDMA = [sys.executable, "-P", "-c", "from wanrdma.cli import main; main()"]


@pytest.mark.parametrize("module", ["click", "pydantic", "numba"])
def test_ctrl_c_while_modules_are_loaded_is_no_traceback(module):
    code = f"""
import importlib.abc, signal, sys
class Pressed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Pressed())
from wanrdma.cli import main
main(["run", "tiny.yaml"])
"""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert done.stderr == ("" if module == "click" else "interrupted; nothing was kept\n")


def test_ctrl_c_in_a_terminals_sense():
    long = [*WANRDMA, "run", "tiny.yaml", "--set", "traffic.0.bytes=512 GiB"]
    with subprocess.Popen(
        long, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        part = Path("tiny-1.h5.part")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            time.sleep(0.05)
            if part.exists() and part.stat().st_size:
                with h5py.File(part) as file:
                    if "goodput" in file:
                        break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 130, stderr
    assert stdout.startswith("Stopped after ")
    assert "tiny-1.h5.part" in stderr
    assert "Traceback" not in stderr
    with xarray.open_dataset("tiny-1.h5.part", engine="h5netcdf") as data:
        assert (data.attrs["complete"], data.attrs["status"]) == (0, "stopped")


@pytest.mark.parametrize(
    "command", ["run tiny.yaml --json", "--help", "scenarios", "validate tiny.yaml", "schema"]
)
def test_a_full_or_closed_standard_output_is_no_traceback(command):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*WANRDMA, *command.split()], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "cannot write to standard output: No space left on device\n"
    closed = shlex.join([*WANRDMA, *command.split()]) + " >&-"
    done = subprocess.run(closed, shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_or_closed_standard_error_changes_no_exit_status():
    for command, status in (
        ("validate nope", 2),
        ("rnu", 2),
        ("run tiny.yaml --no-trace --set nic.timeout=4", 0),
    ):
        for redirected in ("2>&-", "2>/dev/full"):
            line = f"{shlex.join([*WANRDMA, *command.split()])} {redirected}"
            done = subprocess.run(line, shell=True, capture_output=True, text=True)
            assert done.returncode == status, (command, redirected)
            assert done.stdout.startswith("write: ") == (status == 0)


def test_a_table_is_as_wide_as_its_terminal_and_whole_in_a_narrower_one():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "30"}
    with subprocess.Popen(
        [*WANRDMA, "run", "tiny.yaml", "--no-trace"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        os.close(theirs)
        seen = read_all(ours)
    assert process.returncode == 0
    assert "\x1b" not in seen
    (line,) = [line for line in seen.splitlines() if line.startswith("write  ")]
    assert [word for word in line.split() if word[0].isalpha()][1:] == ["MiB", "us", "Gb/s", "Gb/s"]


def read_all(terminal: int) -> str:
    """Read what is written to a terminal until its other end has closed."""
    seen = b""
    try:
        while piece := os.read(terminal, 4096):
            seen += piece
    except OSError:
        pass  # so Linux says that it has
    finally:
        os.close(terminal)
    return seen.decode()


def test_a_misspelt_command_is_told_the_nearest():
    result = CliRunner().invoke(main, ["rnu"])
    assert result.exit_code == 2
    assert (
        "No such command 'rnu'; did you mean 'run'? commands: bench, plot, presets, run, "
        in result.stderr
    )


def test_a_name_that_stdout_cannot_hold_is_no_traceback():
    assert run("--quiet", "--no-trace").exit_code == 0  # compiles, if nobody has yet
    done = subprocess.run(
        [*WANRDMA, "run", "tiny.yaml", "-o", "\u5929\udcff.h5"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("Trace: \\u5929\\udcff.h5\n")
    assert Path("\u5929\udcff.h5").exists()


def test_progress_goes_to_a_terminal_only_and_never_to_stdout():
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*WANRDMA, "run", "tiny.yaml", "--json", "--set", "traffic.0.bytes=4 GiB"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    seen = read_all(ours)
    stdout, _ = done.communicate(timeout=300)
    assert done.returncode == 0
    assert json.loads(stdout)["status"] == "completed"
    assert "emulator" in seen
    assert "simulated" in seen
    assert "packet-hops/s" in seen


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from wanrdma.cli import main\n"
        "try: main(['run', '--help'])\n"
        "finally: print([m for m in ('numba', 'h5py', 'scipy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
