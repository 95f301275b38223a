"""The four tables of a folder in blocks of whole patients, however many rows the files have."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import polars as pl

from posology.errors import TableError
from posology.sorted_parts import sorted_parts, times_read
from posology.tables import NAMES, collect_raw, fits, scan_raw
from posology.therapy import Therapy

OF_PATIENTS = ("users", "measurements", "sessions")
ROW = "file:row"  # no column can be declared under a name with a colon
MOST_READ = 3  # a file is sorted first when its blocks together would read more than this many times its rows


def headers_of(folder: Path, therapy: Therapy) -> dict[str, pl.DataFrame]:
    """The four tables of a folder without their rows: which columns came, and of which types.

    Raises:
        TableError: a file is missing, cut off or not Parquet.
    """
    return {name: rows.head(0).collect() for name, rows in scan_raw(folder, therapy).items()}


def blocks_of(
    folder: Path,
    therapy: Therapy,
    *,
    patients_per_block: int,
    columns: Mapping[str, Collection[str]] | None = None,
    numbered: bool = False,
) -> Iterator[dict[str, pl.DataFrame]]:
    """The four tables as they are in the files, block by block of patients in the order of their ids.

    Together the blocks hold every row of users, measurements and sessions once, rows without a user_id in the first.
    All rows of one user_id are in one block, in the order of the file; contents are whole in each. Memory holds a
    block, not a table: a file in another order than that of user_id is sorted in parts, in a temporary folder, first.

    Only what is keyed by patient is whole in a block: rows of two users with one ``decision_id`` may be in two blocks.

    Args:
        folder: where the four Parquet files are; they may be missing as in ``posology.tables.scan_raw``.
        therapy: whose tables they are.
        patients_per_block: user ids in a block; the last one has what is left.
        columns: table → the columns wanted of it, where not all are; ``user_id`` always comes, as a string.
        numbered: adds a column ``ROW``, the place of the row in its file, from 0.

    Raises:
        TableError: before the first block, when a file is missing, cut off, not Parquet, or without a ``user_id``
            that can be read as a string.
    """
    if patients_per_block < 1:
        raise ValueError(f"patients_per_block: expected 1 or more, got {patients_per_block}")
    tables = {
        name: _wanted(name, rows.with_row_index(ROW) if numbered else rows, (columns or {}).get(name))
        for name, rows in scan_raw(folder, therapy).items()
    }
    files = {name: folder / f"{name}.parquet" for name in NAMES}
    starts = _starts(tables, files, patients_per_block)
    with tempfile.TemporaryDirectory(prefix="posology-blocks-") as temporary:
        parts = {
            name: sorted_parts(tables[name], starts, folder=Path(temporary, name), file=files[name])
            for name in OF_PATIENTS
            if starts and times_read(files[name], starts) > MOST_READ
        }
        for block in range(len(starts) + 1):
            within = _within(starts, block)
            rows = {
                name: parts[name].of_block(block) if name in parts else table.filter(within)
                for name, table in tables.items()
                if name in OF_PATIENTS
            }
            yield {name: collect_raw(table, files[name]) for name, table in (tables | rows).items()}


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


def _within(starts: list[str], block: int) -> pl.Expr:
    user_id = pl.col("user_id")
    if not starts:
        return pl.lit(value=True)
    if block == 0:
        return user_id.is_null() | (user_id < starts[0])
    if block == len(starts):
        return user_id >= starts[-1]
    return user_id.is_between(pl.lit(starts[block - 1]), pl.lit(starts[block]), closed="left")
