"""The four tables: their contract, reading and writing."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import polars as pl
from polars.datatypes import DataTypeClass
from polars.exceptions import PolarsError

from posology.errors import TableError, first_few
from posology.files import whole_folder
from posology.therapy import UTC_TIME, Therapy

NAMES = ("users", "measurements", "contents", "sessions")
KEYS = {
    "users": ("user_id",),
    "measurements": ("user_id", "measured_at", "instrument"),
    "contents": ("content_id",),
    "sessions": ("decision_id",),
}
ORDERS = {
    "users": ("user_id",),
    "measurements": ("user_id", "measured_at", "instrument", "score"),
    "contents": ("content_id",),
    "sessions": ("user_id", "decided_at", "decision_id"),
}
OPTIONAL = frozenset({"site", "active_from", "active_until", "eligible", "probability", "release", "feedback_at"})
Row = Mapping[str, Any]


def schema_of(table: str, therapy: Therapy) -> dict[str, pl.DataType]:
    """Column names and types of a table for this therapy, in order."""
    text, time = pl.String(), UTC_TIME
    feedback = therapy.feedback.columns if therapy.feedback else {}
    own: dict[str, pl.DataType]
    own, declared = {
        "users": ({"user_id": text, "enrolled_at": time, "site": text, "consent": pl.Boolean()}, therapy.user),
        "measurements": ({"user_id": text, "measured_at": time, "instrument": text, "score": pl.Float64()}, {}),
        "contents": ({"content_id": text, "active_from": time, "active_until": time}, therapy.content),
        "sessions": (
            {
                "decision_id": text,
                "user_id": text,
                "decided_at": time,
                "content_id": text,
                "eligible": pl.List(text),
                "probability": pl.Float64(),
                "release": text,
                "feedback_at": time,
            },
            {**therapy.context, **feedback},
        ),
    }[table]
    return {**own, **{name: column.dtype for name, column in declared.items()}}


@dataclass(frozen=True)
class Tables:
    """What is known of all patients: users, measurements, contents, sessions.

    Each frame has exactly the columns and types of ``schema_of`` and is
    sorted as in ``ORDERS``, so equal data are written as equal bytes.
    """

    users: pl.DataFrame
    measurements: pl.DataFrame
    contents: pl.DataFrame
    sessions: pl.DataFrame

    @classmethod
    def conform(cls, therapy: Therapy, raw: Mapping[str, pl.DataFrame]) -> Self:
        """Frames as the contract wants them: types cast without loss, optional columns added, rows sorted.

        Raises:
            TableError: a column is missing, unknown, or of a type that does not fit.
        """
        return cls(**{name: _conform(name, raw[name], therapy) for name in NAMES})

    @classmethod
    def from_rows(cls, therapy: Therapy, **rows: Sequence[Row]) -> Self:
        """Tables from rows as dicts; a table not given is empty, a column not given is missing."""
        frames = {}
        for name in NAMES:
            schema = schema_of(name, therapy)
            try:
                frames[name] = pl.DataFrame(
                    [{column: row.get(column) for column in schema} for row in rows.get(name, ())], schema=schema
                )
            except (PolarsError, TypeError, ValueError) as error:
                raise TableError(
                    f"{name}: a row does not fit the types of the table; expected {schema}", table=name
                ) from error
        return cls.conform(therapy, frames)

    @classmethod
    def read(cls, folder: Path, therapy: Therapy) -> Self:
        """The four Parquet files of a folder; see ``read_raw`` and ``conform``."""
        return cls.conform(therapy, read_raw(folder, therapy))

    def write(self, folder: Path) -> None:
        """Four Parquet files, the same bytes for the same data; the folder appears whole or not at all."""
        with whole_folder(folder) as partial:
            for name in NAMES:
                getattr(self, name).write_parquet(partial / f"{name}.parquet", compression="zstd")

    def of_users(self, user_ids: Sequence[str] | pl.Series) -> Self:
        """The same tables with these users only (all contents stay)."""
        keep = pl.col("user_id").is_in(pl.Series(user_ids, dtype=pl.String).implode())
        return dataclasses.replace(
            self,
            users=self.users.filter(keep),
            measurements=self.measurements.filter(keep),
            sessions=self.sessions.filter(keep),
        )

    @property
    def as_of(self) -> datetime | None:
        """The latest time that anything in the tables happened; None when nothing did."""
        times = [
            self.users["enrolled_at"].max(),
            self.measurements["measured_at"].max(),
            self.sessions["decided_at"].max(),
            self.sessions["feedback_at"].max(),
        ]
        known = [time for time in times if isinstance(time, datetime)]
        return max(known) if known else None


def read_raw(folder: Path, therapy: Therapy) -> dict[str, pl.DataFrame]:
    """The four Parquet files as they are, not yet held to the contract.

    ``contents.parquet`` may be absent when the therapy has a catalogue, and
    ``measurements.parquet`` when it has no status.

    Raises:
        TableError: a file is missing or not Parquet.
    """
    _require_folder(folder)
    return {name: _read(folder / f"{name}.parquet", name, therapy) for name in NAMES}


def scan_raw(folder: Path, therapy: Therapy) -> dict[str, pl.LazyFrame]:
    """As ``read_raw``, but read when it is used: a file broken further down than its footer is only noticed then."""
    _require_folder(folder)
    return {name: _scan(folder / f"{name}.parquet", name, therapy) for name in NAMES}


def catalogue_of(therapy: Therapy) -> pl.DataFrame:
    """The contents the therapy file lists, as a table.

    Raises:
        TableError: the therapy lists none.
    """
    if therapy.catalogue is None:
        raise TableError(
            f"therapy {therapy.name} has no catalogue: give contents.parquet or list the contents in its file",
            table="contents",
        )
    return Tables.from_rows(therapy, contents=therapy.catalogue).contents


def fits(came: pl.DataType | DataTypeClass, kind: pl.DataType | DataTypeClass) -> bool:
    """Whether a column that came as one type can be read as another without loss."""
    return (
        came in (kind, pl.Null)
        or (kind == pl.Float64 and came.is_numeric())
        or (kind == pl.String and came in (pl.Categorical, pl.Enum))
        or (isinstance(kind, pl.Datetime) and isinstance(came, pl.Datetime) and came.time_zone is not None)
        or (isinstance(kind, pl.List) and isinstance(came, pl.List) and fits(came.inner, kind.inner))
    )


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder; expected {', '.join(f'{n}.parquet' for n in NAMES)}", table="")


def _read(path: Path, name: str, therapy: Therapy) -> pl.DataFrame:
    try:
        return _scan(path, name, therapy).collect()
    except (PolarsError, OSError) as error:
        raise _unreadable(path, name, error) from error


def _scan(path: Path, name: str, therapy: Therapy) -> pl.LazyFrame:
    if not path.is_file():
        if name == "contents" and therapy.catalogue is not None:
            return catalogue_of(therapy).lazy()
        if name == "measurements" and therapy.status is None:
            return pl.LazyFrame(schema=schema_of(name, therapy))
        raise TableError(f"{path}: missing; expected a Parquet file with {_names(name, therapy)}", table=name)
    try:
        rows = pl.scan_parquet(path, glob=False)
        rows.collect_schema()
    except (PolarsError, OSError) as error:
        raise _unreadable(path, name, error) from error
    return rows


def _unreadable(path: Path, name: str, error: Exception) -> TableError:
    return TableError(f"{path}: expected a Parquet file that can be read: {error}", table=name)


def _names(name: str, therapy: Therapy) -> str:
    return ", ".join(schema_of(name, therapy))


def _conform(name: str, frame: pl.DataFrame, therapy: Therapy) -> pl.DataFrame:
    schema = schema_of(name, therapy)
    extra = [column for column in frame.columns if column not in schema]
    if extra:
        raise TableError(
            f"{name}.parquet: unknown column {first_few(extra)}; declare it in the therapy or drop it",
            table=name,
            column=extra[0],
        )
    missing = [column for column in schema if column not in frame.columns and column not in OPTIONAL]
    if missing:
        raise TableError(
            f"{name}.parquet: missing column {first_few(missing)}; expected {_names(name, therapy)}",
            table=name,
            column=missing[0],
        )
    columns = [
        _cast(frame[column], kind, name) if column in frame.columns else pl.lit(None, dtype=kind).alias(column)
        for column, kind in schema.items()
    ]
    return frame.select(columns).sort(ORDERS[name], maintain_order=True)


def _cast(column: pl.Series, kind: pl.DataType, table: str) -> pl.Series:
    came = column.dtype
    if came == kind:
        return column
    if not fits(came, kind):
        hint = " (set the time zone)" if isinstance(came, pl.Datetime) else ""
        raise TableError(
            f"{table}.parquet: column {column.name} is {came}, expected {kind}{hint}", table=table, column=column.name
        )
    if isinstance(came, pl.Datetime):
        return column.dt.convert_time_zone("UTC").cast(kind)
    return column.cast(kind)
