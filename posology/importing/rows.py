"""Rows of a source with their numbers, and rows that go no further kept as they came."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from posology.checked_file import Misplaced
from posology.importing.report import NOT_MAPPED

SOURCE_ROW = "source_row"
PER_DAY = {"days": 1, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 to 9999, since 1970
REJECTED = pl.Schema({"row": pl.Int64(), "reason": pl.String(), "raw": pl.String()})


def nothing_rejected() -> pl.DataFrame:
    """No row, with the columns of ``REJECTED``."""
    return pl.DataFrame(schema=REJECTED)


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source.

    Attributes:
        frame: the rows that could be read.
        numbers: their places in the source, from 1.
        rejected: rows that could not be read as rows, with the columns of ``REJECTED``.
    """

    frame: pl.DataFrame
    numbers: pl.Series
    rejected: pl.DataFrame = field(default_factory=nothing_rejected)

    @property
    def rows(self) -> int:
        """How many came."""
        return self.frame.height + self.rejected.height

    def numbered(self) -> pl.DataFrame:
        """The rows with their numbers as a column ``source_row``.

        Raises:
            ValueError: the source has such a column itself.
        """
        if SOURCE_ROW in self.frame.columns:
            raise Misplaced(f"the source has a column {SOURCE_ROW}, which here means the row's number; rename it")
        return self.frame.with_columns(self.numbers.cast(pl.Int64).alias(SOURCE_ROW))


def any_of(masks: Iterable[pl.Series], height: int) -> pl.Series:
    """Where one of the masks is true; (height,) of booleans."""
    found = pl.repeat(value=False, n=height, dtype=pl.Boolean, eager=True)
    for mask in masks:
        found |= mask
    return found


def rows_at_fault(frame: pl.DataFrame, faults: Mapping[tuple[str, str], pl.Series], source: str) -> pl.DataFrame:
    """The rows that a mask names, as ``NOT_MAPPED`` has them.

    Args:
        frame: the rows as they came, with ``source_row``.
        faults: column of the table and reason → rows at fault.
    """
    pieces = [
        pl.DataFrame({"place": mask.arg_true()}).with_columns(columns=pl.lit(column), reasons=pl.lit(reason))
        for (column, reason), mask in faults.items()
        if mask.any()
    ]
    if not pieces:
        return pl.DataFrame(schema=NOT_MAPPED)
    by_row = pl.concat(pieces).group_by("place").agg("columns", "reasons").sort("place")
    rows = frame[by_row["place"]]
    return by_row.select(
        pl.lit(source).alias("source"),
        rows[SOURCE_ROW].alias("row"),
        "columns",
        "reasons",
        as_json(rows.drop(SOURCE_ROW)).alias("raw"),
    )


def rejected_rows(rejected: pl.DataFrame, source: str) -> pl.DataFrame:
    """Rows that could not be read, as ``NOT_MAPPED`` has them; the column at fault is the row itself."""
    return rejected.select(
        pl.lit(source).alias("source"),
        "row",
        pl.concat_list(pl.lit("row")).alias("columns"),
        pl.concat_list("reason").alias("reasons"),
        "raw",
    )


def as_json(frame: pl.DataFrame) -> pl.Series:
    """Each row as a JSON object of text, losing nothing: bytes in hex, NaN and times as they are written."""
    text = pl.DataFrame([_text(column) for column in frame])
    return text.select(pl.struct(pl.all()).struct.json_encode()).to_series()


def _text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Binary:
        return column.bin.encode("hex")
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return _time_text(column)
    try:
        return column.cast(_text_kind(column.dtype))
    except PolarsError:  # a duration, a map, bytes within a list
        words = [None if value is None else json.dumps(value, default=str) for value in column.to_list()]
        return pl.Series(column.name, words, dtype=pl.String)


def _time_text(column: pl.Series) -> pl.Series:
    """Times as they are written, and as the number they are kept as where no calendar has them."""
    number = column.to_physical().cast(pl.Int64)
    unit = column.dtype.time_unit if isinstance(column.dtype, pl.Datetime) else "days"
    far = (number // PER_DAY[unit]).is_between(FIRST_DAY, LAST_DAY).not_()
    if not far.any():
        return column.cast(pl.String)
    return column.set(far.fill_null(value=False), None).cast(pl.String).fill_null(number.cast(pl.String))


def _text_kind(kind: Any) -> Any:
    if isinstance(kind, pl.List | pl.Array):
        return pl.List(_text_kind(kind.inner))
    if isinstance(kind, pl.Struct):
        return pl.Struct({field.name: _text_kind(field.dtype) for field in kind.fields})
    return pl.String
