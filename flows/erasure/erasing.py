"""Erase: a patient out of the store, the snapshots and their cache, the kept files and the remote."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flows.erasure.kept_files import clean_files, files_naming
from flows.erasure.patient import Patient
from flows.erasure.snapshots import clear_cache, decisions_in, replace_snapshots, replaced_for, versions_with
from flows.erasure.tombstones import KIND
from flows.home import Home
from flows.registry import Registry
from flows.settings import Settings
from flows.snapshot_remote import SnapshotRemote
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound
from serving.database import open_database, reading
from serving.erasure import (
    Erasure,
    complete,
    erase_rows,
    note_erasure,
    overwrite_removed,
    pending_erasures,
    remember,
)
from serving.schema import users


@dataclass(frozen=True)
class Receipt:
    """What became of a patient; also what ``posology erase --json`` prints.

    Attributes:
        patient: digest of the pseudonymous id; the receipt does not name who was erased.
        removed: rows of the store by table.
        snapshots: old id → the id of what is left of it.
        files: files of quarantine, evidence and Data Docs that were cleaned, from the home.
        learnt: releases trained on data that held the patient, with what they are now: a model cannot forget one
            person; whether it may stay is for people to decide.
        remaining: files that still name the patient; none when it went well.
    """

    erasure_id: str
    patient: str
    erased_at: str
    removed: dict[str, int]
    snapshots: dict[str, str]
    files: list[str]
    learnt: list[dict[str, Any]]
    remaining: list[str]

    @property
    def complete(self) -> bool:
        """Whether nothing names the patient any more."""
        return not self.remaining


def erase(home: Home, settings: Settings, user_id: str) -> Receipt:
    """Remove one patient from everything this home keeps; again finishes what was interrupted.

    Raises:
        NotFound: nobody of that id is or was here.
        CannotDo: a retraining of a therapy of theirs is at work; the store is clean by then, the rest waits.
        ServiceDown: the store, the registry or the remote does not answer.
    """
    now = datetime.now(UTC)
    with _opened(settings) as engine:
        known = decisions_in(home, user_id)
        try:
            erasure = erase_rows(engine, user_id, now)
        except NotFound:
            if not known:
                raise
            erasure = note_erasure(engine, user_id, now)
        return _finish(home, settings, engine, user_id, erasure)


def erase_pending(home: Home, settings: Settings) -> list[Receipt]:
    """Clean the files of those whom the service has erased from the store."""
    with _opened(settings) as engine:
        return [
            _finish(home, settings, engine, str(erasure.pending["user_id"]), erasure)
            for erasure in pending_erasures(engine)
            if erasure.pending
        ]


@contextmanager
def _opened(settings: Settings) -> Iterator[sa.Engine]:
    engine = open_database(settings.store_url)
    try:
        yield engine
    finally:
        engine.dispose()


def _finish(home: Home, settings: Settings, engine: sa.Engine, user_id: str, erasure: Erasure) -> Receipt:
    for therapy in _therapies(home) if settings.snapshot_remote else ():
        SnapshotRemote.of(home, settings, therapy).pull()
    known = decisions_in(home, user_id)
    _refuse_while_retraining(home, known)
    decisions = set(erasure.pending["decision_ids"] if erasure.pending else ()).union(*known.values())
    patient = Patient(user_id, decisions, _others(engine, user_id))
    remember(engine, erasure, user_id, decisions)
    for therapy in known:
        replace_snapshots(home, therapy, patient, because=erasure.erasure_id)
    replaced = {therapy: replaced_for(home, therapy, erasure.erasure_id) for therapy in _therapies(home)}
    for therapy, snapshots in replaced.items():
        if snapshots:
            clear_cache(home, therapy)
        if settings.snapshot_remote and snapshots:
            remote = SnapshotRemote.of(home, settings, therapy)
            remote.push([each.new for each in snapshots])
            remote.remove([each.old for each in snapshots])
    cleaned = clean_files(home, patient)
    receipt = Receipt(
        erasure_id=erasure.erasure_id,
        patient=erasure.patient,
        erased_at=erasure.erased_at.isoformat(),
        removed=dict(erasure.removed),
        snapshots={each.old: each.new for snapshots in replaced.values() for each in snapshots},
        files=[str(file.relative_to(home.root)) for file in cleaned],
        learnt=_learnt(home, settings, erasure.erasure_id),
        remaining=[],
    )
    _note(AuditLog(home.audit_log), receipt)
    remaining = _left(home, engine, erasure, patient)
    return replace(receipt, remaining=[str(file.relative_to(home.root)) for file in remaining])


def _left(home: Home, engine: sa.Engine, erasure: Erasure, patient: Patient) -> list[Path]:
    """The files that still name a patient; the store remembers whom to look for as long as there are any."""
    own = set(home.root.glob(f"{home.store.name}*"))
    if remaining := [file for file in files_naming(home, patient) if file not in own]:
        return remaining
    complete(engine, erasure)
    overwrite_removed(engine)
    if remaining := [file for file in sorted(own) if file.is_file() and patient.is_in(file)]:
        remember(engine, erasure, patient.user_id, patient.decision_ids)
    return remaining


def _note(audit: AuditLog, receipt: Receipt) -> None:
    """Put a tombstone into the chain, once."""
    facts = {name: value for name, value in asdict(receipt).items() if name not in ("files", "remaining")}
    if not any(record.kind == KIND and record.facts == facts for record in audit.records()):
        audit.append(KIND, facts, datetime.now(UTC))


def _therapies(home: Home) -> list[str]:
    return sorted(repository.name for repository in home.snapshots.glob("[!.]*") if repository.is_dir())


def _refuse_while_retraining(home: Home, therapies: Iterable[str]) -> None:
    if busy := [therapy for therapy in therapies if home.is_locked(f"retrain-{therapy}")]:
        raise CannotDo(
            f"a retraining of {', '.join(busy)} is at work on data with this patient; the store is clean, "
            "the files wait: posology erase --pending when it has ended"
        )


def _others(engine: sa.Engine, user_id: str) -> list[str]:
    """Patients whose ids hold this one's."""
    with reading(engine) as connection:
        longer = users.c.user_id.contains(user_id, autoescape=True)
        return sorted(set(connection.execute(sa.select(users.c.user_id).where(longer)).scalars()))


def _learnt(home: Home, settings: Settings, erasure_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for therapy in _therapies(home):
        if versions := versions_with(home, therapy, erasure_id):
            releases = Registry.open(home, settings).learnt_from(therapy, versions)
            found += [{"release": one.release, "version": one.version, "is": list(one.aliases)} for one in releases]
    return found
