"""The file that a picture goes to: whether it may be written, and writing it in one step."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..errors import OutputError

FORMATS = ("png", "svg", "pdf")


def check_output(path: Path, force: bool) -> str:
    """Return the format that a picture's name asks for. Raises OutputError if it cannot be.

    What can be known before the work is refused before it.
    """
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        allowed = ", ".join(f".{name}" for name in FORMATS)
        text = f"its name ends in none of {allowed}, which say what kind of picture it is"
        raise OutputError(f"cannot write {path}: {text}")
    try:
        if not path.parent.is_dir():
            raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
        if not os.path.lexists(path):
            return file_format
    except ValueError:
        text = "a file's name has no zero byte"
        raise OutputError(f"cannot write {str(path)!r}: {text}") from None
    except OSError as error:  # a folder that may not be entered, a name too long
        raise _unwritable(path, error) from error
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; name a file in it")
    if not path.is_file():
        raise OutputError(f"cannot write {path}: it is not a plain file")
    if not force:
        raise _taken(path)
    return file_format


def write_output(path: Path, image: bytes, force: bool) -> None:
    """Write a picture beside its place and put it there whole. Raises OutputError."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_bytes(image)
        if force:
            new.replace(path)
        else:
            _publish(new, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _publish(new: Path, path: Path) -> None:
    """Give a picture its name, unless something has come to bear it meanwhile."""
    try:
        os.link(new, path)  # unlike a rename, never in the place of another file
    except OSError:
        if os.path.lexists(path):
            raise _taken(path) from None
        new.rename(path)  # a file system without links


def _taken(path: Path) -> OutputError:
    return OutputError(f"will not overwrite {path}: it exists (--force overwrites it)")


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")
