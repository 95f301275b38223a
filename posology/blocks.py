"""The four tables of a folder in blocks of whole patients, however many rows the files have."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from posology.errors import TableError
from posology.sorted_parts import Slice, rows_of, sorted_parts, times_read
from posology.tables import NAMES, collect_raw, fits, scan_raw
from posology.therapy import Therapy

Columns = Mapping[str, Collection[str]]
OF_PATIENTS = ("users", "measurements", "sessions")
ROW = "file:row"  # no column can be declared under a name with a colon
MOST_READ = 3  # a file is sorted first when its blocks together would read more than this many times its rows


def headers_of(folder: Path, therapy: Therapy) -> dict[str, pl.DataFrame]:
    """The four tables of a folder without their rows: which columns came, and of which types.

    Raises:
        TableError: a file is missing, cut off or not Parquet.
    """
    return {name: rows.head(0).collect() for name, rows in scan_raw(folder, therapy).items()}


@dataclass(frozen=True)
class Block:
    """Some patients of the four tables of a folder: where they are, to be read here or by whoever sees the files.

    Attributes:
        folder: where the four Parquet files are.
        therapy: whose tables they are.
        first: the least user_id; None for the first block, which has the rows without one too.
        end: the first user_id that is too large; None for the last block.
        columns: as in ``planned_blocks``.
        numbered: as in ``planned_blocks``.
        parts: table → its rows of this block, where they were sorted first.
    """

    folder: Path
    therapy: Therapy
    first: str | None
    end: str | None
    columns: Columns | None
    numbered: bool
    parts: Mapping[str, tuple[Slice, ...]]

    def read(self) -> dict[str, pl.DataFrame]:
        """The four tables.

        Raises:
            TableError: a file cannot be read.
        """
        tables = _tables(self.folder, self.therapy, self.columns, numbered=self.numbered)
        rows = {
            name: rows_of(self.parts[name], table) if name in self.parts else self._within(table)
            for name, table in tables.items()
            if name in OF_PATIENTS
        }
        return {
            name: collect_raw(table, self.folder / f"{name}.parquet", engine="in-memory")
            for name, table in (tables | rows).items()
        }

    def _within(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        user_id = pl.col("user_id")
        if self.end is not None:
            is_before = user_id < self.end
            rows = rows.filter(is_before | user_id.is_null() if self.first is None else is_before)
        return rows if self.first is None else rows.filter(user_id >= self.first)


@contextmanager
def planned_blocks(
    folder: Path,
    therapy: Therapy,
    *,
    patients_per_block: int,
    columns: Columns | None = None,
    numbered: bool = False,
) -> Iterator[list[Block]]:
    """The tables of a folder divided into blocks of whole patients, in the order of their ids.

    Together the blocks hold every row of users, measurements and sessions once, rows without a user_id in the first.
    All rows of one user_id are in one block, in the order of the file; contents are whole in each. A file in another
    order than that of user_id is sorted in parts first, in a temporary folder that lasts as long as this context.

    Only what is keyed by patient is whole in a block: rows of two users with one ``decision_id`` may be in two blocks.

    Args:
        folder: where the four Parquet files are; they may be missing as in ``posology.tables.scan_raw``.
        therapy: whose tables they are.
        patients_per_block: user ids in a block; the last one has what is left.
        columns: table → the columns wanted of it, where not all are; ``user_id`` always comes, as a string.
        numbered: adds a column ``ROW``, the place of the row in its file, from 0.

    Raises:
        TableError: a file is missing, cut off, not Parquet, or without a ``user_id`` that can be read as a string.
    """
    if patients_per_block < 1:
        raise ValueError(f"patients_per_block: expected 1 or more, got {patients_per_block}")
    tables = _tables(folder, therapy, columns, numbered=False)
    files = {name: folder / f"{name}.parquet" for name in NAMES}
    starts = _starts(tables, files, patients_per_block)
    with tempfile.TemporaryDirectory(prefix="posology-blocks-") as temporary:
        parts = {
            name: sorted_parts(
                tables[name], starts, folder=Path(temporary, name), file=files[name], number=ROW if numbered else None
            )
            for name in OF_PATIENTS
            if starts and times_read(files[name], starts) > MOST_READ
        }
        yield [
            Block(
                folder, therapy, first, end, columns, numbered, {name: found[number] for name, found in parts.items()}
            )
            for number, (first, end) in enumerate(pairwise([None, *starts, None]))
        ]


def blocks_of(
    folder: Path,
    therapy: Therapy,
    *,
    patients_per_block: int,
    columns: Columns | None = None,
    numbered: bool = False,
) -> Iterator[dict[str, pl.DataFrame]]:
    """The four tables block by block; see ``planned_blocks``. Memory holds a block, not a table."""
    with planned_blocks(
        folder, therapy, patients_per_block=patients_per_block, columns=columns, numbered=numbered
    ) as blocks:
        for block in blocks:
            yield block.read()


def _tables(folder: Path, therapy: Therapy, columns: Columns | None, *, numbered: bool) -> dict[str, pl.LazyFrame]:
    return {
        name: _wanted(name, rows.with_row_index(ROW) if numbered else rows, (columns or {}).get(name))
        for name, rows in scan_raw(folder, therapy).items()
    }


def _wanted(name: str, rows: pl.LazyFrame, columns: Collection[str] | None) -> pl.LazyFrame:
    schema = rows.collect_schema()
    if name in OF_PATIENTS:
        if not fits(schema.get("user_id", pl.Unknown), pl.String):
            raise TableError(
                f"{name}.parquet: expected a column user_id of strings, got {schema.get('user_id', 'none')}",
                table=name,
                column="user_id",
            )
        if schema["user_id"] != pl.String:
            rows = rows.with_columns(pl.col("user_id").cast(pl.String))
    return rows if columns is None else rows.select(column for column in schema if column in {"user_id", ROW, *columns})


def _starts(tables: Mapping[str, pl.LazyFrame], files: Mapping[str, Path], patients_per_block: int) -> list[str]:
    """The first user_id of each block but the first."""
    ids = [
        collect_raw(tables[name].select(pl.col("user_id").unique()), files[name], engine="streaming")
        for name in OF_PATIENTS
    ]
    known = pl.concat(ids)["user_id"].unique().drop_nulls().sort()
    return known.gather_every(patients_per_block)[1:].to_list()
