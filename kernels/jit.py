"""The one way in which kernels are compiled, and where the machine code is kept.

Numba's cache compares only the file of the function that is called: an edit in a helper of
another file would go unseen. So the cache folder bears a hash of all kernel sources.
"""

import hashlib
import inspect
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import cgutils, config
from numba.extending import intrinsic

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER = {**_OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def jit(function: Callable[..., Any]) -> Any:
    """Compile a function that other kernels call. It can allocate nothing."""
    return numba.njit(**_INNER)(function)


def jit_inlined(function: Callable[..., Any]) -> Any:
    """Compile as `jit` does, into each caller: for what has one or two and is always called."""
    return numba.njit(forceinline=True, **_INNER)(function)


def jit_in_place(function: Callable[..., Any]) -> Any:
    """Compile as part of its only caller, once: LLVM goes over each `jit_inlined` level anew."""
    return numba.njit(inline="always", **_INNER)(function)


def jit_apart(function: Callable[..., Any]) -> Any:
    """Compile as `jit` does, never into a caller: for what is long and seldom called.

    LLVM inlines what it takes to be worth it, and then goes over it in each caller anew.
    """
    if config.DISABLE_JIT:
        return function
    compiled = jit(function)

    def call(typing: Any, *arguments: Any) -> Any:
        template, _, of, _ = compiled.get_call_template(arguments, {})

        def make(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            result = compiled.get_compile_result(signature)
            context.add_linking_libs([result.library])
            callee = context.declare_function(builder.module, result.fndesc)
            status, returned = context.call_conv.call_function(
                builder, callee, signature.return_type, signature.args, values, attrs=("noinline",)
            )
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return returned

        return template(typing).apply(of, {}), make

    of = inspect.signature(function).parameters.values()
    first = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([first, *of])  # type: ignore[attr-defined]
    return intrinsic(call)


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and keep the machine code between runs."""
    if CACHE_FOLDER is None:
        return numba.njit(**_OPTIONS)(function)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        return numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        config.CACHE_DIR = before


def _sources_hash() -> str:
    # Row checks are compiled in, and Numba's own key does not tell.
    digest = hashlib.sha256(f"{numba.__version__} {bool(config.BOUNDSCHECK)}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """Return the first folder that can be written to; None: compile anew in each process."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        roots = [Path(chosen)]
    else:
        home_cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        roots = [Path(home_cache), Path(tempfile.gettempdir()) / f"wanrdma-{os.getuid()}"]
    for root in roots:
        folder = root / "wanrdma" / _sources_hash()
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            if root.stat().st_uid != os.getuid():
                continue  # what lies there is unpickled: it must be our own
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


CACHE_FOLDER = _cache_folder()
