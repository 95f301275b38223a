"""Snapshot: the four tables and the therapy as they are now, or were known at a time; never changed again."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.workspace import Workspace, write_json
from models.encoders.encoders import encodable
from models.encoders.picture import file_below
from posology.as_of import as_of as known_at
from posology.digests import digest_of_file, digest_of_folder
from posology.files import whole_folder
from posology.ordered_file import write_ordered
from posology.tables import FILES, NAMES, Tables, scan_raw
from posology.therapy import UTC_TIME, Therapy
from posology.therapy_file import find_therapy, load_therapy

EVENTS = (
    ("users", "enrolled_at"),
    ("measurements", "measured_at"),
    ("sessions", "decided_at"),
    ("sessions", "feedback_at"),
)

CALENDAR = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))  # that is the same in every zone


def snapshot(
    workspace: Workspace, therapy_file: str | Path, source: Path | Tables, as_of: datetime | None = None
) -> None:
    """Write the tables of a folder or of the operational store, every row in its place; nothing is judged yet.

    The pictures they name come along, as far as they are in the folder ``files`` beside the tables.

    The same data give the same bytes, whatever the order of rows and columns.

    Args:
        workspace: where ``tables/``, ``therapy.yaml`` and ``manifest.json`` go.
        therapy_file: name or path of the therapy.
        source: a folder of the four tables, or the tables.
        as_of: leave out what became known later (see ``posology.as_of``).

    Raises:
        TherapyError: the therapy does not hold.
        TableError: a table is missing, is not Parquet, or has no times to tell what was known when.
    """
    therapy = load_therapy(therapy_file)
    tables = _lazy(source) if isinstance(source, Tables) else scan_raw(source, therapy)
    files = source / FILES if isinstance(source, Path) else source.files
    with whole_folder(workspace.snapshot) as partial:
        known = known_at(tables, as_of, therapy) if as_of else tables
        write_snapshot(partial, find_therapy(therapy_file), known, files, as_of)


def write_snapshot(
    folder: Path,
    therapy_file: Path,
    tables: Mapping[str, pl.LazyFrame],
    files: Path | None,
    as_of: datetime | None = None,
) -> None:
    """Fill a folder with a snapshot of these tables and the pictures they name."""
    therapy = load_therapy(therapy_file)
    (folder / "tables").mkdir()
    for name, rows in tables.items():
        write_ordered(rows, folder / "tables" / f"{name}.parquet", table=name, therapy=therapy)
    _copy_pictures(files, folder / "tables", therapy)
    shutil.copyfile(therapy_file, folder / "therapy.yaml")
    write_json(folder / "manifest.json", _manifest(folder / "tables", therapy.digest, as_of))


def _lazy(tables: Tables) -> dict[str, pl.LazyFrame]:
    return {name: getattr(tables, name).lazy() for name in NAMES}


def _copy_pictures(files: Path | None, tables: Path, therapy: Therapy) -> None:
    """Copy the pictures that the tables name; what cannot be found stays away and counts as missing."""
    if files is None or not files.is_dir():
        return
    for part, name, column in encodable(therapy):
        if column.kind == "image":
            rows = pl.scan_parquet(tables / ("users.parquet" if part == "user" else "sessions.parquet"))
            for reference in rows.select(pl.col(name).cast(pl.String).drop_nulls().unique()).collect()[name]:
                if file := file_below(files, reference):
                    (tables / FILES / reference).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, tables / FILES / reference)


def _manifest(tables: Path, therapy_digest: str, as_of: datetime | None) -> dict[str, Any]:
    pictures = {"files": digest_of_folder(tables / FILES)} if (tables / FILES).is_dir() else {}
    files = {name: tables / f"{name}.parquet" for name in NAMES}
    scanned = {name: pl.scan_parquet(file) for name, file in files.items()}
    return {
        "therapy_digest": therapy_digest,
        "as_of": as_of.astimezone(UTC).isoformat() if as_of else None,
        "rows": {name: rows.select(pl.len()).collect().item() for name, rows in scanned.items()},
        "sha256": {name: digest_of_file(file) for name, file in files.items()},
        "time_range": _time_range(scanned),
        **pictures,
    }


def _time_range(tables: Mapping[str, pl.LazyFrame]) -> dict[str, str | None]:
    """The first and the last thing that happened to a patient; null when nothing did.

    Times that no calendar has are left to validation.
    """
    times = [
        tables[table].select(at=column)
        for table, column in EVENTS
        if tables[table].collect_schema().get(column) == UTC_TIME
    ]
    if not times:
        return {"first": None, "last": None}
    ends = (
        pl.concat(times)
        .filter(pl.col("at").is_between(*CALENDAR))
        .select(first=pl.col("at").min(), last=pl.col("at").max())
        .collect()
    )
    return {name: time.isoformat() if time else None for name, time in ends.row(0, named=True).items()}
