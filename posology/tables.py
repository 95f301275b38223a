"""The four tables: their contract, reading and writing."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import available_timezones

import polars as pl
from polars._typing import EngineType
from polars.datatypes import DataTypeClass
from polars.exceptions import PolarsError

from posology.errors import TableError, first_few, legible
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
FILES = "files"  # folder beside the tables
ON_SCHEDULE = "/schedule"  # behind a session's release: its standard schedule decided, not its policy
OPTIONAL = frozenset(
    (
        *("site", "consent_withdrawn_at"),
        *("active_from", "active_until"),
        *("eligible", "probability", "release", "feedback_at"),
    )
)
OFFSET = re.compile(r"[+-]\d\d:?\d\d")
LAST_MILLISECOND = (2**63 - 1) // 1000  # that fits into microseconds
Row = Mapping[str, Any]


def schema_of(table: str, therapy: Therapy) -> dict[str, pl.DataType]:
    """Column names and types of a table for this therapy, in order."""
    text, time = pl.String(), UTC_TIME
    feedback = therapy.feedback.columns if therapy.feedback else {}
    own: dict[str, pl.DataType]
    own, declared = {
        "users": (
            {
                "user_id": text,
                "enrolled_at": time,
                "site": text,
                "consent": pl.Boolean(),
                "consent_withdrawn_at": time,
            },
            therapy.user,
        ),
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
    sorted as in ``ORDERS``, so equal data are written as equal bytes. Where
    they name files (pictures), those are in the folder ``files``, if there is one.
    """

    users: pl.DataFrame
    measurements: pl.DataFrame
    contents: pl.DataFrame
    sessions: pl.DataFrame
    files: Path | None = None

    @classmethod
    def conform(cls, therapy: Therapy, raw: Mapping[str, pl.DataFrame]) -> Self:
        """Frames as the contract wants them: types cast without loss, optional columns added, rows sorted.

        Raises:
            TableError: a column is missing, unknown, or of a type that does not fit.
        """
        users, measurements, contents, sessions = (_conform(name, raw[name], therapy) for name in NAMES)
        return cls(users, measurements, contents, sessions)

    @classmethod
    def from_rows(cls, therapy: Therapy, **rows: Sequence[Row]) -> Self:
        """Tables from rows as dicts; a table not given is empty, a column not given is missing."""
        return cls.from_columns(
            therapy,
            **{name: columns_from(of_table, schema_of(name, therapy)) for name, of_table in rows.items()},
        )

    @classmethod
    def from_columns(cls, therapy: Therapy, **columns: Mapping[str, Sequence[Any] | pl.Series]) -> Self:
        """Tables from their columns; a table not given is empty, every column of one that is given has to be there."""
        frames = {}
        for name in NAMES:
            schema = schema_of(name, therapy)
            given = columns.get(name, dict.fromkeys(schema, ()))
            try:
                frames[name] = pl.DataFrame({column: given[column] for column in schema}, schema=schema)
            except (PolarsError, TypeError, ValueError) as error:
                raise TableError(
                    f"{name}: a row does not fit the types of the table; expected {schema}", table=name
                ) from error
        return cls.conform(therapy, frames)

    @classmethod
    def read(cls, folder: Path, therapy: Therapy) -> Self:
        """The four Parquet files of a folder, and its folder ``files``; see ``read_raw`` and ``conform``."""
        files = folder / FILES
        return dataclasses.replace(
            cls.conform(therapy, read_raw(folder, therapy)), files=files if files.is_dir() else None
        )

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
        return _latest({name: getattr(self, name).lazy() for name in NAMES})


def columns_from(rows: Sequence[Row], names: Iterable[str]) -> dict[str, list[Any]]:
    """Rows as columns; a column that a row lacks is missing there."""
    return {name: [row.get(name) for row in rows] for name in names}


def as_of_folder(folder: Path, therapy: Therapy) -> datetime | None:
    """``Tables.as_of`` of the tables in a folder, which conform; they are not read whole."""
    return _latest(scan_raw(folder, therapy))


def _latest(tables: Mapping[str, pl.LazyFrame]) -> datetime | None:
    columns = (
        ("users", "enrolled_at"),
        ("measurements", "measured_at"),
        ("sessions", "decided_at"),
        ("sessions", "feedback_at"),
    )
    times = [tables[table].select(pl.col(column).max().alias("at")) for table, column in columns]
    latest: datetime | None = pl.concat(times).max().collect(engine="streaming").item()
    return latest


def scan_raw(folder: Path, therapy: Therapy) -> dict[str, pl.LazyFrame]:
    """The four Parquet files as they are, not yet read nor held to the contract.

    ``contents.parquet`` may be absent when the therapy has a catalogue, and
    ``measurements.parquet`` when it has no status.

    Raises:
        TableError: a file is missing, cut off or not Parquet.
    """
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder; expected {', '.join(f'{n}.parquet' for n in NAMES)}", table="")
    return {name: _scan(folder / f"{name}.parquet", name, therapy) for name in NAMES}


def read_raw(folder: Path, therapy: Therapy) -> dict[str, pl.DataFrame]:
    """The rows of ``scan_raw``.

    Raises:
        TableError: a file is missing or not Parquet.
    """
    return {name: collect_raw(rows, folder / f"{name}.parquet") for name, rows in scan_raw(folder, therapy).items()}


def collect_raw(rows: pl.LazyFrame, file: Path, *, engine: EngineType = "auto") -> pl.DataFrame:
    """Rows of a table's file.

    Raises:
        TableError: it cannot be read.
    """
    try:
        return rows.collect(engine=engine)
    except (PolarsError, OSError) as error:
        raise TableError(f"{file}: expected a Parquet file that can be read: {error}", table=file.stem) from error


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


def _scan(path: Path, name: str, therapy: Therapy) -> pl.LazyFrame:
    if not path.is_file():
        if name == "contents" and therapy.catalogue is not None:
            return catalogue_of(therapy).lazy()
        if name == "measurements" and therapy.status is None:
            return pl.LazyFrame(schema=schema_of(name, therapy))
        raise TableError(f"{path}: missing; expected a Parquet file with {_needed(name, therapy)}", table=name)
    _check_zones(path)
    rows = pl.scan_parquet(path, glob=False)
    collect_raw(rows.head(0), path)
    return rows


def _check_zones(path: Path) -> None:
    """Raise TableError for a time zone that nobody keeps: Polars would stop altogether."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return  # what is wrong with the file is said when it is read
    for column in schema:
        zone = column.type.tz if pa.types.is_timestamp(column.type) else None
        if zone not in {None, "UTC"} and not OFFSET.fullmatch(zone) and zone not in available_timezones():
            raise TableError(
                f"{path}: column {column.name} has the time zone {legible(zone)}, which is unknown; expected UTC",
                table=path.stem,
                column=column.name,
            )


def _needed(name: str, therapy: Therapy) -> str:
    return ", ".join(column for column in schema_of(name, therapy) if column not in OPTIONAL)


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
            f"{name}.parquet: missing column {first_few(missing)}; expected {_needed(name, therapy)}",
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
        check_times(column, table)
        return column.dt.convert_time_zone("UTC").cast(kind)
    return column.cast(kind)


def check_times(column: pl.Series, table: str) -> None:
    """Raise TableError for milliseconds beyond the microseconds that times are kept in: they reach much further."""
    if in_milliseconds(column.dtype):
        beyond = column.to_physical().is_between(-LAST_MILLISECOND, LAST_MILLISECOND).not_().sum()
        if beyond:
            raise TableError(
                f"{table}.parquet: column {column.name} holds {beyond} times that no calendar has; "
                "expected the years 1 to 9999",
                table=table,
                column=column.name,
            )


def in_milliseconds(kind: pl.DataType) -> bool:
    """Whether it is a type of times that reach beyond the contract's."""
    return isinstance(kind, pl.Datetime) and kind.time_unit == "ms"
