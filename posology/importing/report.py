"""What became of every row that came: mapped, left out on purpose, or not mapped and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import polars as pl

EXAMPLES = 5
NOT_MAPPED = pl.Schema(
    {
        "source": pl.String(),  # the file or query it came from
        "row": pl.Int64(),  # its place there, from 1
        "columns": pl.List(pl.String()),  # of the table, at fault
        "reasons": pl.List(pl.String()),  # one for each of these columns; never a value
        "raw": pl.String(),  # the row as it came: a JSON object
    }
)


@dataclass(frozen=True)
class Complaint:
    """Why rows of one source could not be mapped: the column of the table, the reason in words, how many, the first."""

    source: str
    column: str
    reason: str
    rows: int
    first: tuple[int, ...]  # row numbers, from 1


@dataclass(frozen=True)
class TableReport:
    """The rows that came for one table. Reports of parts add up; ``TableReport()`` is nothing at all.

    Attributes:
        rows: how many came.
        mapped: how many are in the table now.
        left_out: how many a condition of the mapping left out.
        not_mapped: how many could not be mapped; each is kept as it came.
        complaints: why, in the order met. A row may break several columns.

    Raises:
        ValueError: rows got lost on the way.
    """

    rows: int = 0
    mapped: int = 0
    left_out: int = 0
    not_mapped: int = 0
    complaints: tuple[Complaint, ...] = ()

    def __post_init__(self) -> None:
        if self.rows != self.mapped + self.left_out + self.not_mapped:
            raise ValueError(
                f"{self.rows} rows came, but {self.mapped} mapped, {self.left_out} left out "
                f"and {self.not_mapped} not mapped are not as many"
            )

    @classmethod
    def of(cls, *, mapped: int, not_mapped: pl.DataFrame, rows: int, left_out: int = 0) -> Self:
        """The report of rows that came together; ``not_mapped`` has the columns of ``NOT_MAPPED``."""
        return cls(rows, mapped, left_out, not_mapped.height, _complaints(not_mapped))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.rows + other.rows,
            self.mapped + other.mapped,
            self.left_out + other.left_out,
            self.not_mapped + other.not_mapped,
            _merged(self.complaints + other.complaints),
        )


@dataclass(frozen=True)
class Report:
    """What became of the rows of every table, by table name."""

    tables: Mapping[str, TableReport]

    @property
    def complete(self) -> bool:
        """Whether every row that was wanted is mapped."""
        return all(table.not_mapped == 0 for table in self.tables.values())

    def as_json(self) -> dict[str, Any]:
        """For programs: ``{complete, tables: {name: {rows, mapped, left_out, not_mapped, complaints}}}``."""
        return {
            "complete": self.complete,
            "tables": {
                name: {**vars(table), "complaints": [vars(complaint) for complaint in table.complaints]}
                for name, table in self.tables.items()
            },
        }


def _complaints(not_mapped: pl.DataFrame) -> tuple[Complaint, ...]:
    grouped = (
        not_mapped.select("source", "row", "columns", "reasons")
        .explode("columns", "reasons")
        .group_by("source", "columns", "reasons", maintain_order=True)
        .agg(pl.len(), pl.col("row").sort().head(EXAMPLES).alias("first"))
    )
    return tuple(
        Complaint(source, column, reason, rows, tuple(first))
        for source, column, reason, rows, first in grouped.iter_rows()
    )


def _merged(complaints: tuple[Complaint, ...]) -> tuple[Complaint, ...]:
    merged: dict[tuple[str, str, str], Complaint] = {}
    for one in complaints:
        key = one.source, one.column, one.reason
        before = merged.get(key)
        merged[key] = (
            one
            if before is None
            else Complaint(*key, before.rows + one.rows, tuple(sorted(before.first + one.first)[:EXAMPLES]))
        )
    return tuple(merged.values())
