"""``wanrdma plot``: what it writes, and what it says of what cannot be drawn."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner, Result
from plotted import run_incast

from wanrdma.cli import main
from wanrdma.plot import output

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_incast(tmp_path_factory.mktemp("incast"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, trace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.h5").symlink_to(trace)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["plot", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(*arguments: str) -> str:
    """Run what must not work, and return what was said; nothing may be left behind."""
    before = sorted(os.listdir())
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert sorted(os.listdir()) == before
    return result.stderr


@pytest.mark.parametrize(
    ("name", "begins"), [("x.png", PNG), ("x.SVG", b"<?xml"), ("x.pdf", b"%PDF")]
)
def test_the_name_says_what_kind_of_file_it_is(name: str, begins: bytes):
    result = run("x.h5", "-o", name, "--kind", "space-time")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"Plot: {name}\n", "")
    assert Path(name).read_bytes().startswith(begins)
    assert sorted(os.listdir()) == sorted(["x.h5", name])


def test_times_choose_the_part(folder: Path):
    both = "x.h5", "--kind", "overview", "--from", "200 us", "--to", "0.4ms"
    assert run(*both, "-o", "x.svg").exit_code == 0
    assert "simulated time (us)" in (folder / "x.svg").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--flow", "nix"), "--flow nix: no such flow in x.h5; it has write.0, write.1"),
        (("--from", "1 s"), "--from 1.000 s: the run in x.h5 ended at"),
        (("--from", "2us", "--to", "1us"), "--to 1.000 us: must be later than --from 2.000 us"),
        (("--to", "0"), "--to 0 s: must be later"),
        (("--to", "3"), "'--to': 3 has no unit; write a time like"),
        (("--from", "3 km"), "Invalid value for '--from'"),
        (("--kind", "pie"), "'overview', 'space-time', 'both'"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(options: tuple[str, ...], said: str):
    assert said in refused("x.h5", "-o", "x.png", *options)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.gif", "none of .png, .svg, .pdf"),
        ("x", "none of .png, .svg, .pdf"),
        ("nix/x.png", "there is no folder nix"),
        ("a" * 300 + ".png", "too long"),
    ],
)
def test_names_that_cannot_be_written(name: str, said: str):
    assert said in refused("x.h5", "-o", name)


def test_nothing_is_overwritten_without_force(folder: Path):
    (folder / "x.png").write_text("mine")
    assert "will not overwrite x.png: it exists (--force" in refused("x.h5", "-o", "x.png")
    assert (folder / "x.png").read_text() == "mine"
    assert run("x.h5", "-o", "x.png", "--force", "--kind", "overview").exit_code == 0
    assert (folder / "x.png").read_bytes().startswith(PNG)
    (folder / "y.png").mkdir()
    assert "it is a folder" in refused("x.h5", "-o", "y.png", "--force")
    os.mkfifo("z.png")
    assert "not a plain file" in refused("x.h5", "-o", "z.png", "--force")


def test_a_file_made_meanwhile_stays(folder: Path):
    path = folder / "x.png"
    assert output.check_output(path, False) == "png"
    path.write_text("mine")
    with pytest.raises(output.OutputError, match="it exists"):
        output.write_output(path, PNG, False)
    assert path.read_text() == "mine"
    assert sorted(os.listdir()) == ["x.h5", "x.png"]


def test_what_is_no_trace(folder: Path):
    assert "cannot read nix.h5: no such file" in refused("nix.h5", "-o", "x.png")
    assert "is a directory" in refused(".", "-o", "x.png")
    (folder / "text.h5").write_text("no")
    assert "no HDF5 file" in refused("text.h5", "-o", "x.png")
    with h5py.File("other.h5", "w") as file:
        file["x"] = 1
    assert "no trace of wanrdma" in refused("other.h5", "-o", "x.png")
    with h5py.File("early.h5.part", "w") as file:
        file.attrs["scenario_text"] = "name: x"
    assert "cut short before there was anything" in refused("early.h5.part", "-o", "x.png")
    (folder / "half.h5").write_bytes((folder / "x.h5").read_bytes()[:50_000])
    assert "cannot read half.h5" in refused("half.h5", "-o", "x.png")


@pytest.mark.parametrize(
    ("name", "values"), [("goodput", None), ("queue_max", np.zeros(3)), ("event_kind", [99])]
)
def test_a_damaged_trace_is_told_without_a_traceback(folder: Path, name: str, values: object):
    (folder / "y.h5").write_bytes((folder / "x.h5").read_bytes())
    with h5py.File("y.h5", "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        if values is not None:
            file[name] = values
            for key in ("units", "flag_meanings"):
                if key in attributes:
                    file[name].attrs[key] = attributes[key]
    assert "cannot read y.h5: it is damaged" in refused("y.h5", "-o", "x.png")
