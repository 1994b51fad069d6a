"""What can go wrong for a person who uses this package, as exceptions with plain messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class WanrdmaError(Exception):
    """The parent of all errors that a person can put right; its text is meant for them."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a scenario, and where.

    ``line`` and ``column`` count from 1, as editors do. ``key`` is the dotted path in the
    scenario ("lines.0.distance"), empty where the problem is the file as a whole. ``setting``
    is the KEY of the ``--set KEY=VALUE`` (or of what else ``setting_by`` names) that it came by;
    it then has no place in the file, and ``key`` is the path below that KEY.
    """

    message: str
    file: str = ""
    line: int | None = None
    column: int | None = None
    key: str = ""
    setting: str | None = None
    setting_by: str = "--set"

    def __str__(self) -> str:
        if self.setting is not None:
            where = f"{self.setting_by} {self.setting}"
        elif self.line is not None:
            where = f"{self.file}:{self.line}:{self.column}"
        else:
            where = self.file
        parts = (where, "error", self.key, self.message)
        text = ": ".join(part for part in parts if part)
        # A terminal must not obey, nor an encoder fail on, what a file happens to hold.
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class ScenarioError(WanrdmaError):
    """A scenario that cannot be used; ``problems`` holds everything found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class OutputError(WanrdmaError):
    """There is nowhere to write the results, or writing them failed.

    ``result`` is what the run came to, where it was over by then.
    """

    result: Any = None


class TraceError(WanrdmaError):
    """A file is no trace that can be read, or has not what is asked of it."""


class RunInterrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C while a run went on. ``result`` is what there was by then."""

    def __init__(self, result: Any) -> None:
        self.result = result
        kept = f"; what there is of the trace is in {result.trace}" if result.trace else ""
        super().__init__(f"the run was interrupted after {result.simulated_s:.6g} s{kept}")
