"""Locks between processes that the system releases when their holder dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Alone with whatever ``path`` stands for; waits for those who are before."""
    with held(path, fcntl.LOCK_EX):
        yield


@contextmanager
def held(path: Path, how: int) -> Iterator[int]:
    """The open lock file, locked ``how`` (``fcntl.LOCK_EX`` or ``LOCK_SH``), until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, how)
        yield file
    finally:
        os.close(file)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock now."""
    try:
        with held(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False
