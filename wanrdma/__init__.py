"""Packet-level emulator of lossless RDMA over wide-area optical networks.

``load`` a scenario, ``run`` it, ``size`` its buffers; errors are in ``wanrdma.errors``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import load, run, size
    from .results.summary import RunResult

__all__ = ["RunResult", "load", "run", "size"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line's --help must not wait for Numba.
    if name in ("load", "run", "size"):
        from . import api

        return getattr(api, name)
    if name == "RunResult":
        from .results.summary import RunResult

        return RunResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
