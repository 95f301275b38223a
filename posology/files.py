"""Files and folders that are whole or not there."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from posology.errors import CannotDo


def refuse_in_use(folder: Path) -> None:
    """Raise CannotDo when somebody's files are in a folder that a command would fill."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotDo(f"{folder} is in use: expected a new or empty folder; name another or remove it first")


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A folder to fill; it appears at ``target``, replacing what was there, only when the block ends well.

    Who is killed while one replaces the other leaves the old one beside it, as ``.NAME.….old``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(target, "partial")
    partial.mkdir()
    try:
        yield partial
        for old in _replace(target, partial):
            shutil.rmtree(old)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(target: Path, partial: Path) -> list[Path]:
    """Move a folder to its place; gives where what was there is now. Others may put something there meanwhile."""
    aside: list[Path] = []
    while True:
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            old = _beside(target, "old")
            with suppress(FileNotFoundError):
                target.rename(old)
                aside.append(old)
        else:
            return aside


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(f".{target.name}.{uuid4().hex[:8]}.{suffix}")


def write_whole(target: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never half."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(target, "partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
