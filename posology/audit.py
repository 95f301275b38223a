"""The audit log: who did what and when, each record chained to the one before.

One JSON object a line. ``digest`` is the SHA-256 of the record's other fields,
``previous`` the digest of the record before: whoever changes, drops, adds or
moves a record in the middle breaks the chain there. What a chain cannot show
is that its last records were cut off; keep ``AuditLog.head`` somewhere else to
see that too.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from posology.digests import canonical_json, digest_of_json
from posology.errors import Refused

START = "0" * 64


@dataclass(frozen=True)
class Record:
    """One thing that happened."""

    number: int  # from 1
    at: str  # ISO 8601 with its zone
    kind: str
    facts: Mapping[str, Any]  # plain JSON values; ids, never a patient's data
    previous: str
    digest: str

    @property
    def time(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.at)

    def expected_digest(self) -> str:
        """What ``digest`` is in a record nobody touched."""
        return digest_of_json({name: value for name, value in asdict(self).items() if name != "digest"})


class AuditLog:
    """An append-only file that several processes may share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, kind: str, facts: Mapping[str, Any], now: datetime) -> Record:
        """Add a record; when this returns it is on the disk. A line torn by a kill is set aside first."""
        if now.tzinfo is None:
            raise ValueError("an audit record needs a time with its zone")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._open("a+b", fcntl.LOCK_EX) as file:
            whole, torn = _split(file)
            last = _parse(whole[-1]) if whole else None
            if whole and last is None:
                raise Refused(f"{self._path}: the last record, {len(whole)}, is damaged; nothing is added to it.")
            if torn:
                last = self._mend(file, torn, last, now)
            return _write(file, kind, facts, now, last)

    def records(self) -> list[Record]:
        """Every whole record; raises ``Refused`` naming the first that is broken."""
        return self._checked()[0]

    def verify(self) -> bool:
        """True when every record is whole and unchanged, False when only a last line torn by a kill is to be mended.

        Raises:
            Refused: names the first record that was changed, dropped, added or moved.
        """
        return not self._checked()[1]

    @property
    def head(self) -> str:
        """The last record's digest: whoever knows it can tell whether records were cut off."""
        records = self.records()
        return records[-1].digest if records else START

    def _checked(self) -> tuple[list[Record], bytes]:
        if not self._path.exists():
            return [], b""
        with self._open("rb", fcntl.LOCK_SH) as file:
            lines, torn = _split(file)
        records: list[Record] = []
        for number, line in enumerate(lines, start=1):
            record = _parse(line)
            if why := _fault(record, number, records[-1].digest if records else START):
                raise Refused(
                    f"{self._path}: record {number} of {len(lines)} {why}. Records before it are sound; "
                    "restore the file from a backup and find out who wrote to it."
                )
            records.extend([record] if record else [])
        return records, torn

    def _mend(self, file: IO[bytes], torn: bytes, last: Record | None, now: datetime) -> Record:
        """Cut off what a killed writer left; a record that lacked only its line end stays."""
        record = _parse(torn)
        if record and not _fault(record, last.number + 1 if last else 1, last.digest if last else START):
            _put(file, b"\n")
            return record
        file.truncate(file.seek(0, os.SEEK_END) - len(torn))
        return _write(file, "audit.mended", {"bytes": len(torn), "text": torn.decode(errors="replace")}, now, last)

    @contextmanager
    def _open(self, mode: str, lock: int) -> Iterator[IO[bytes]]:
        with self._path.open(mode) as file:
            fcntl.flock(file, lock)
            yield file


def _split(file: IO[bytes]) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last line end."""
    file.seek(0)
    *whole, torn = file.read().split(b"\n")
    return whole, torn


def _parse(line: bytes) -> Record | None:
    try:
        record = Record(**json.loads(line))
        record.expected_digest()  # raises for what canonical JSON cannot say
    except (ValueError, TypeError):
        return None
    return record


def _fault(record: Record | None, number: int, previous: str) -> str:
    """What is wrong with a record that should follow ``previous``; empty when nothing is."""
    if record is None:
        return "is not a record"
    if record.digest != record.expected_digest():
        return "was changed"
    if record.number != number or record.previous != previous:
        return "does not follow the one before: a record was dropped, added or moved"
    return ""


def _write(file: IO[bytes], kind: str, facts: Mapping[str, Any], now: datetime, last: Record | None) -> Record:
    number, previous = (last.number + 1, last.digest) if last else (1, START)
    bare = Record(number, now.isoformat(), kind, dict(facts), previous, digest="")
    record = Record(**{**asdict(bare), "digest": bare.expected_digest()})
    _put(file, canonical_json(asdict(record)).encode() + b"\n")
    return record


def _put(file: IO[bytes], line: bytes) -> None:
    file.write(line)
    file.flush()
    os.fsync(file.fileno())
