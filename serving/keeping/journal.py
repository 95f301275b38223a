"""The journal: where a decision is on disk while the database does not take it.

One file for each process that writes, locked while it lives, in one folder for
each store and therapy. A line is a decision as JSON with its checksum; one
that was cut off by a power failure was never acknowledged. The file's first
megabytes are reserved when it is opened, so that decisions can still be
written on a full disk.
"""

import fcntl
import json
import os
import threading
import zlib
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO
from uuid import uuid4

from posology.digests import canonical_json
from posology.errors import ServiceDown
from serving.records import Decision

RESERVED_BYTES = 8 * 2**20
CHECKSUM_DIGITS = 8


class Journal:
    """Decisions that wait for the database.

    Raises:
        ServiceDown: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, reserved: int = RESERVED_BYTES) -> None:
        self.folder = folder
        self._reserved = reserved
        self._lock = threading.Lock()
        self._end = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path = folder / f"{uuid4().hex}.journal"
            new = self._path.with_suffix(".new")  # nobody takes it for a dead process's before it is locked
            self._file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._reserve()
            new.rename(self._path)
            _sync_folder(folder)
        except OSError as error:
            raise ServiceDown(f"{folder}: the journal cannot be written: {error.strerror}") from error

    def append(self, decision: Decision) -> None:
        """Keep a decision; it is on disk when this returns.

        Raises:
            ServiceDown: the disk does not take it.
        """
        line = _line(decision)
        with self._lock:
            try:
                _write_all(self._file, line, self._end)
                os.fdatasync(self._file)
            except OSError as error:
                self._cut(self._end)
                raise ServiceDown(f"the journal cannot be written: {error.strerror}") from error
            self._end += len(line)

    @property
    def is_empty(self) -> bool:
        """Whether this process's own file holds nothing."""
        return self._end == 0

    def own(self, start: int) -> tuple[list[Decision], int]:
        """This process's decisions after a place in its file, and where they end."""
        with self._lock:
            end = self._end
        return list(_decisions(BytesIO(os.pread(self._file, end - start, start)))), end

    def forget(self, end: int) -> bool:
        """Empty the file when it still ends there: all in it is in the database."""
        with self._lock:
            if self._end == end:
                self._end = 0
                self._cut(0)
                self._reserve()
            return self._end == 0

    def others(self) -> list[Path]:
        """The files of other processes."""
        return [path for path in self.folder.glob("*.journal") if path != self._path]

    def close(self) -> None:
        """Let go of the file; an empty one is removed."""
        if self._file < 0:
            return
        if self.is_empty:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = -1

    def _cut(self, at: int) -> None:
        """Make the file end there; where the disk does not even do that, what follows is never read as whole."""
        try:
            os.ftruncate(self._file, at)
            os.fdatasync(self._file)
        except OSError:
            return

    def _reserve(self) -> None:
        if hasattr(os, "posix_fallocate") and self._reserved:
            try:
                os.posix_fallocate(self._file, 0, self._reserved)
                os.fdatasync(self._file)
            except OSError:  # the disk is full already: what fits is written all the same
                return


def read_other(path: Path) -> tuple[list[Decision], bool]:
    """What another process's file holds, and whether that process has ended."""
    try:
        with path.open("rb") as file:
            has_ended = _is_free(file)
            return list(_decisions(file)), has_ended
    except FileNotFoundError:
        return [], False


def _is_free(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _line(decision: Decision) -> bytes:
    row = decision.as_row().items()
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row}
    body = canonical_json(plain).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decisions(file: IO[bytes]) -> Iterator[Decision]:
    """The decisions up to the first line that is not whole, or where only reserved bytes follow."""
    while (first := file.read(CHECKSUM_DIGITS)) and first[:1] != b"\0":
        body = file.readline()[1:-1]
        if first != b"%08x" % zlib.crc32(body):
            return
        row = json.loads(body)
        times = {name: datetime.fromisoformat(value) for name, value in row.items() if name.endswith("_at") and value}
        yield Decision.from_row(row | times)


def _write_all(file: int, content: bytes, at: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(file, content[done:], at + done)


def _sync_folder(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
