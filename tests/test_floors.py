"""Imports only go down: docs/architecture.md, Floors. Read from the sources, nothing is run."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

FLOORS = {
    "wanrdma.errors": 0,
    "wanrdma.theory": 0,
    "wanrdma.kernels": 0,
    "wanrdma.scenarios": 0,
    "wanrdma.scenario": 1,
    "wanrdma.build": 1,
    "wanrdma.stretch": 2,
    "wanrdma.standstill": 2,
    "wanrdma.engine": 2,
    "wanrdma.results": 2,
    "wanrdma.api": 3,
    "wanrdma.bench": 3,
    "wanrdma.drain": 3,
    "wanrdma.sizing": 3,
    "wanrdma.plot": 3,
    "wanrdma.cli": 4,
}
LIBRARIES = {
    "wanrdma.errors": set(),
    "wanrdma.theory": {"numpy", "scipy"},
    "wanrdma.kernels": {"numba", "numpy"},
    "wanrdma.scenarios": set(),
    "wanrdma.scenario": {"pint", "pydantic", "pydantic_core", "ruamel"},
    "wanrdma.build": {"numpy"},
    "wanrdma.stretch": {"numba", "numpy"},
    "wanrdma.standstill": {"numpy"},
    "wanrdma.engine": {"numba", "numpy"},
    "wanrdma.results": {"h5py", "numpy", "rich", "xarray"},
    "wanrdma.api": set(),
    "wanrdma.bench": {"numpy"},
    "wanrdma.drain": {"numpy"},
    "wanrdma.sizing": {"numpy"},
    "wanrdma.plot": {"h5py", "matplotlib", "numpy"},
    "wanrdma.cli": {"click", "rich"},
}
NO_KERNELS = {"wanrdma.errors", "wanrdma.theory", "wanrdma.scenarios", "wanrdma.scenario"}
AT_ONCE_IN_CLI = {"click", "wanrdma.cli", "wanrdma.errors"}  # the rest where it is used


class Import(NamedTuple):
    """An import in one of our modules: of what, and whether it happens when that is loaded."""

    where: str  # file:line
    module: str
    name: str
    at_once: bool

    @property
    def imported(self) -> str:
        """What is imported: one of our parts, or the top name of a library."""
        return part_of(self.name) if self.name.startswith("wanrdma") else self.name.split(".")[0]


def part_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def our_files() -> Iterator[tuple[str, Path]]:
    for folder, package in (
        ("wanrdma", "wanrdma"),
        ("kernels", "wanrdma.kernels"),
        ("scenarios", "wanrdma.scenarios"),
    ):
        for path in sorted((ROOT / folder).rglob("*.py")):
            names = path.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join([package, *names]).removesuffix(".__init__"), path


def imports_of(module: str, path: Path) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text())
    later = {id(node) for block in _run_later(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        for name in _names(node, package):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            yield Import(where, module, name, at_once=id(node) not in later)


def _run_later(tree: ast.AST) -> Iterator[ast.AST]:
    """Find what is not run when the module is loaded: functions, and what is for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from node.body


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join([*parents, base]).rstrip(".")
        yield from (f"{base}.{alias.name}" for alias in node.names)


IMPORTS = [found for module, path in our_files() for found in imports_of(module, path)]
# The package itself only hands out, when asked, what is in its parts.
WITHIN = [
    found for found in IMPORTS if found.name.startswith("wanrdma") and found.module != "wanrdma"
]
FROM_OUTSIDE = [
    found
    for found in IMPORTS
    if not found.name.startswith("wanrdma") and found.imported not in sys.stdlib_module_names
]


def test_every_module_has_a_floor():
    parts = {part_of(module) for module, _ in our_files()} - {"wanrdma"}
    assert parts == set(FLOORS) == set(LIBRARIES)
    assert len(WITHIN) > 50  # the tests below saw something


def test_imports_only_go_down():
    up = [i for i in WITHIN if FLOORS[i.imported] > FLOORS[part_of(i.module)]]
    assert up == []


def test_the_ground_floor_is_separate_houses():
    across = [
        found
        for found in WITHIN
        if FLOORS[part_of(found.module)] == 0 and found.imported != part_of(found.module)
    ]
    assert across == []


def test_scenarios_are_read_without_the_kernels():
    knowing = {part_of(found.module) for found in WITHIN if found.imported == "wanrdma.kernels"}
    assert knowing & NO_KERNELS == set()
    assert not [
        found
        for found in WITHIN
        if part_of(found.module) == "wanrdma.scenario" and found.imported == "wanrdma.build"
    ]


def test_libraries_are_used_where_they_belong():
    strangers = [i for i in FROM_OUTSIDE if i.imported not in LIBRARIES[part_of(i.module)]]
    assert strangers == []


def test_kernels_are_flat_and_import_each_other_relatively():
    assert not [path for path in (ROOT / "kernels").rglob("*.py") if path.parent.name != "kernels"]
    assert "from wanrdma" not in "".join(p.read_text() for p in (ROOT / "kernels").glob("*.py"))


def test_commands_import_their_work_when_they_do_it():
    cli = [i for i in (*WITHIN, *FROM_OUTSIDE) if part_of(i.module) == "wanrdma.cli"]
    heavy = [i for i in cli if i.at_once and i.imported not in AT_ONCE_IN_CLI]
    assert heavy == []
    assert any(not i.at_once for i in cli)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests/reference").glob("*.py")), ids=lambda path: path.stem
)
def test_the_twin_knows_the_kernels_tables_and_nothing_else_of_ours(path: Path):
    found = imports_of(f"reference.{path.stem}", path)
    ours = [i for i in found if i.name.startswith(("wanrdma", "kernels"))]
    assert [i for i in ours if not f"{i.name}.".startswith("wanrdma.kernels.tables.")] == []
