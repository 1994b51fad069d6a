"""Whatever a file holds, it is read or refused: no traceback, no hang, no full memory, no file."""

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wanrdma.cli import main
from wanrdma.scenario import catalogue

BUILT_IN = [catalogue.read(name) for name in catalogue.names()]
MOST_S = 10.0
MOST_BYTES = 2 * 2**30
WANRDMA = [sys.executable, "-P", "-c", "from wanrdma.cli import main; main()"]
ROW = "  - {name: w, from: a.0, to: b.0, bytes: 4 GiB}\n"
PLAIN = f"""\
name: plain
sites:
  a: {{hosts: 4}}
  b: {{hosts: 4, fabric: one-switch}}
lines:
  - {{between: [a, b], distance: 329 km, rate: 2 x 400 Gbps}}
traffic:
{ROW}"""

TOKENS = [
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: *a",
]
TOKENS += ["!!set", "!!python/object:os.system", "!x", "|", ">", "'", '"', "#", "%YAML 1.1", "---"]
TOKENS += ["...", "@", "`", "~", "null", "true", "no", "1e999", "-1", "0x1F", "0o7", ".inf", ".nan"]
TOKENS += ["9" * 400, "1_000", "2026-11-21", "12:30", "\0", "\x1b[2J", "\ud800", "\ufeff", "\u2028"]
TOKENS += ["-5 km", "5 parsec", "1e99 GiB", "400 Gbs", "0 x 400 Gbps", "999999999 x 400 Gbps"]
TOKENS += ["3.3 Gbps", "5 km/s/s", "5 µs", "auto", "none", "{}", "[]", "[[]]", "{a: {a: {a: 1}}}"]
TOKENS += ["a.*", "a.0-99999999", "a.5-2", "..", "like: a", "hosts: 65536", "hosts: 1e9"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(command: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, [command, "x.yaml", *arguments])


def assert_read_or_refused(data: bytes, *arguments: str) -> None:
    """See that ``validate`` and ``run`` say the same, in time, and leave nothing behind."""
    before = set(Path().iterdir())
    file = Path("x.yaml")
    file.write_bytes(data)
    began = time.process_time()
    checked = invoke("validate", *arguments)
    assert time.process_time() - began < MOST_S
    assert checked.exit_code in (0, 2), checked.output
    assert isinstance(checked.exception, SystemExit | None), checked.exception
    if checked.exit_code == 2:
        assert checked.stdout == ""
        assert all(re.search(": error: .", line) for line in checked.stderr.splitlines())
        assert checked.stderr.replace("\n", "").isprintable()
        ran = invoke("run", *arguments)
        assert (ran.exit_code, ran.output) == (2, checked.output)
        said = json.loads(invoke("validate", "--json", *arguments).stdout)
        assert len(said["errors"]) == len(checked.stderr.splitlines())
    file.unlink()
    assert set(Path().iterdir()) == before


hostile = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@hostile
@given(st.binary(max_size=300))
def test_binary(data):
    assert_read_or_refused(data)


@hostile
@given(st.data())
def test_scenarios_with_bytes_changed(data):
    text = bytearray(data.draw(st.sampled_from(BUILT_IN)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=4))
    assert_read_or_refused(bytes(text))


@hostile
@given(st.data())
def test_scenarios_with_tokens_changed(data):
    pieces = re.split(r"(\W)", data.draw(st.sampled_from([PLAIN, *BUILT_IN])))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(pieces) - 1))
        end = start + data.draw(st.integers(0, 3))
        pieces[start:end] = [data.draw(st.sampled_from(TOKENS))]
    assert_read_or_refused("".join(pieces).encode("utf-8", "surrogatepass"))


@hostile
@given(st.data())
def test_scenarios_with_lines_moved_about(data):
    lines = data.draw(st.sampled_from([PLAIN, *BUILT_IN])).splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 5))):
        line = lines.pop(data.draw(st.integers(0, len(lines) - 1)))
        times = data.draw(st.integers(0, 3))
        at = data.draw(st.integers(0, len(lines)))
        lines[at:at] = [data.draw(st.sampled_from(["", "  ", "\t"])) + line] * times
    assert_read_or_refused("".join(lines).encode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TOKENS[:-3]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below),
    max_leaves=6,
)


@hostile
@given(st.data())
def test_scenarios_with_values_of_other_types(data):
    import io

    from ruamel.yaml import YAML

    tree = YAML(typ="safe", pure=True).load(data.draw(st.sampled_from([PLAIN, BUILT_IN[0]])))
    here = tree
    while True:
        key = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.booleans()):
            break
        here = here[key]
    here[key] = data.draw(VALUES)
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(tree, stream)
    assert_read_or_refused(stream.getvalue().encode("utf-8", "surrogatepass"))


@hostile
@given(st.data())
def test_settings_of_every_sort(data):
    keys = ["name", "seed", "nic.mtu", "sites.a", "sites.a.fabric.pfc.xoff", "lines.0", "lines.9.x"]
    key = data.draw(st.sampled_from(keys) | st.text(max_size=9))
    value = data.draw(st.sampled_from(TOKENS) | st.text(max_size=9))
    assert_read_or_refused(PLAIN.encode(), "--set", f"{key}={value}")


def nested(opening: str, times: int, closing: str = "") -> str:
    return opening * times + "x" + closing * times


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)
MERGE_BOMB = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join(['*' + before] * 10)}], {name}: {{<<: *{before}}}}}\n"
    for before, name in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)
WRONG_ROW = "{" + ", ".join(f"k{i}: 1" for i in range(12)) + "}"
LARGE = "{" + ", ".join(f"k{i}: 1" for i in range(2000)) + "}"
SHAPES = {
    "keys in keys": nested("? ", 30),
    "braces as keys": "{" * 30 + "x" + "}" * 30,
    "keys in keys in a flow": nested("{? ", 40, "}"),
    "brackets as keys": nested("[", 30, "]") + ": 1",
    "an alias as key": "a: &a {b: 1}\n*a : 2\n",
    "an alias of itself": "a: &a [*a, *a, *a]\n",
    "a mapping of itself": "sites: &a {a: *a, b: *a}\n",
    "a merge of itself": "sites: &a {<<: *a}\n",
    "aliases of aliases": BOMB,
    "merges of merges": MERGE_BOMB,
    "a large mapping merged many times": f"a: &a {LARGE}\nb: [" + "{<<: *a}, " * 3000 + "]",
    "a wrong row many times": PLAIN.replace(ROW, f"  - &r {WRONG_ROW}\n" + "  - *r\n" * 3000),
    "many anchors": "".join(f"a{i}: &a{i} {i}\n" for i in range(3000)),
    "a long number": f"seed: {'9' * 100_000}\n",
    "a long hexadecimal number": f"seed: 0x{'f' * 100_000}\n",
    "a long fraction": f"nic: {{timeout_detection: 1.{'3' * 100_000}}}\n",
    "a long exponent": f"nic: {{timeout_detection: 1e{'9' * 10_000}}}\n",
    "a long quantity": PLAIN.replace("329 km", f"{'3' * 50_000} km"),
    "a long key": PLAIN + "k" * 100_000 + ": 1\n",
    "a long name": PLAIN.replace("plain", "p" * 100_000),
    "a long tag": f"a: !{'t' * 50_000} x\n",
    "a long indentation": "a:\n" + " " * 100_000 + "b: 1\n",
    "colons": ":" * 100_000,
    "tabs": "\t" * 100_000,
    "quotes": "a: " + "'" * 100_001,
    "escapes": 'a: "' + "\\n" * 50_000 + '"',
    "dashes": "-" * 100_000,
    "directives": "%TAG ! tag:x,2026:\n" * 2000,
    "a wrong version of YAML": "%YAML 9.9\n---\na: 1\n",
    "documents": "---\n" * 20_000,
    "comments": "# x\n" * 20_000,
}
for opening, closing in ("[", "]"), ("{a: ", "}"), ("- ", ""), ("!!seq [", "]"), ("&a [", "]"):
    SHAPES[f"deep {opening!r}"] = nested(opening, 60, closing)
    SHAPES[f"very deep {opening!r}"] = nested(opening, 20_000, closing)


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_readers_choke_on(name):
    assert_read_or_refused(SHAPES[name].encode())


# In a process of its own, with little memory


def validate(text: bytes | str, *arguments: str, command: str = "validate") -> str:
    """Run the command under limits; return what it said on standard error."""
    Path("x.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    before = sorted(Path().iterdir())

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))

    began = time.monotonic()
    done = subprocess.run(
        [*WANRDMA, command, "x.yaml", *arguments],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=120,
    )
    # Processor seconds of others do not count, but two tests may share a processor.
    assert time.monotonic() - began < 3 * MOST_S
    assert done.returncode == 2, done.stderr[-500:]
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert sorted(Path().iterdir()) == before
    return done.stderr


def test_a_file_of_100_megabytes_is_not_read():
    assert "larger than 512 KiB" in validate(b"# x\n" * 25_000_000)


def test_a_file_of_zeros_is_refused():
    assert "has the character U+0000" in validate(bytes(500_000))


def test_100_000_keys_are_refused():
    assert "larger than 512 KiB" in validate("".join(f"k{i}: 1\n" for i in range(100_000)))


def test_more_values_than_are_read_in_time_are_refused():
    assert "more than 25000 keys and values" in validate("a: [" + "1," * 250_000 + "]")
    assert "more than 25000 keys and values" in validate(PLAIN + ROW * 9000, command="run")


def test_the_largest_that_is_read_is_read_in_time():
    said = validate(PLAIN + ROW * 2400 + "stop: -1 s\n", command="run")
    assert "is the name of traffic.0 too" in said
    assert said.endswith("error: has more errors than these; put these right first\n")
    assert "is not YAML" in validate("a: " + "word " * 100_000 + ": x")


def test_endless_files_are_refused():
    for name in ("/dev/zero", "/dev/urandom"):
        done = subprocess.run([*WANRDMA, "validate", name], capture_output=True, text=True)
        assert done.returncode == 2
        assert ": error: " in done.stderr
