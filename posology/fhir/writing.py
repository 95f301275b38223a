"""A cohort as a folder of FHIR bundles: one for each patient, one for the catalogue."""

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path

import polars as pl

from posology.errors import TableError, first_few
from posology.fhir import codes
from posology.fhir.catalogue import catalogue_resources
from posology.fhir.patient_record import PatientRecord, Row
from posology.fhir.release import FhirRelease
from posology.fhir.side_by_side import side_by_side
from posology.fhir.values import Json
from posology.files import whole_folder
from posology.tables import NAMES, Tables
from posology.therapy import Therapy

PATIENTS_AT_ONCE = 50
TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def write_records(
    tables: Tables,
    therapy: Therapy,
    folder: Path,
    *,
    release: FhirRelease = FhirRelease.R4,
    processes: int = 1,
    tell: Callable[[int], object] = lambda _: None,
) -> None:
    """Write ``catalogue.json`` and ``patients/ID.json``, each a Bundle of type collection.

    Every resource is checked by the library before it is written; the folder
    appears whole or not at all. Memory holds one patient's resources at a time.

    Args:
        processes: how many check and write patients side by side.
        tell: called with the number of patients written so far.

    Raises:
        TableError: rows that have no patient in ``users``, a user_id that is
            missing or stands twice, or a time outside the years 1 to 9999.
    """
    _refuse_homeless(tables)
    _refuse_timeless(tables)
    with whole_folder(folder) as partial:
        contents = _rows(tables.contents)
        _write(partial / "catalogue.json", catalogue_resources(therapy, release, contents), release)
        patients = partial / "patients"
        patients.mkdir()
        parts = (tables.of_users(part["user_id"]) for part in tables.users.iter_slices(PATIENTS_AT_ONCE))
        write = functools.partial(_write_patients, therapy=therapy, release=release, folder=patients)
        for written in accumulate(side_by_side(write, parts, processes)):
            tell(written)


def _write_patients(part: Tables, *, therapy: Therapy, release: FhirRelease, folder: Path) -> int:
    """How many were written."""
    measurements, sessions = _by_user(part.measurements), _by_user(part.sessions)
    for user in _rows(part.users):
        user_id = user["user_id"]
        record = PatientRecord(therapy, release, user, measurements[user_id], sessions[user_id])
        _write(folder / f"{record.patient_id}.json", record.resources(), release)
    return part.users.height


def _by_user(frame: pl.DataFrame) -> defaultdict[str, list[Row]]:
    user_to_rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _rows(frame):
        user_to_rows[row["user_id"]].append(row)
    return user_to_rows


def _rows(frame: pl.DataFrame) -> list[Row]:
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return list(frame.with_columns(pl.col(times).dt.to_string(TIME)).iter_rows(named=True))


def _write(path: Path, resources: Iterable[Json], release: FhirRelease) -> None:
    entries = []
    for resource in resources:
        release.check(resource)
        entries.append({"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource})
    tag = [{"system": codes.RELEASE, "code": release.value}]
    bundle = {"resourceType": "Bundle", "meta": {"tag": tag}, "type": "collection"}
    release.check(bundle)
    path.write_text(json.dumps({**bundle, "entry": entries}, ensure_ascii=False, separators=(",", ":")), "utf-8")


def _refuse_homeless(tables: Tables) -> None:
    """Raise TableError where a row could be in no patient's bundle."""
    ids = tables.users["user_id"]
    if ids.null_count() or ids.is_duplicated().any():
        raise TableError(
            "users: expected one row for each user_id; some are missing or stand twice: posology validate names them",
            table="users",
            column="user_id",
        )
    for name in ("measurements", "sessions"):
        owners = getattr(tables, name)["user_id"]
        lost = owners.filter(owners.is_null() | ~owners.is_in(ids.implode()))
        if lost.len():
            raise TableError(
                f"{name}: {lost.len()} rows of users that users.parquet does not have"
                f" ({first_few(lost.unique(maintain_order=True).to_list())}): add them or drop the rows",
                table=name,
                column="user_id",
            )


def _refuse_timeless(tables: Tables) -> None:
    """Raise TableError where a time is none that FHIR can write."""
    for name in NAMES:
        frame: pl.DataFrame = getattr(tables, name)
        for column, kind in frame.schema.items():
            if isinstance(kind, pl.Datetime) and not frame[column].dt.year().is_between(1, 9999).all():
                raise TableError(f"{name}: {column} has times outside the years 1 to 9999", table=name, column=column)
