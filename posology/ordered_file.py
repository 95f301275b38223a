"""A table as one Parquet file, of any size: the same rows are the same bytes, whatever order they came in."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from posology.errors import TableError
from posology.tables import ORDERS, fits, schema_of
from posology.therapy import Therapy

PART_ROWS = 250_000  # sorted in memory at once: some 200 MB of sessions with their lists of eligible contents
GROUP_ROWS = 100_000  # of a row group: fixed, for the bytes depend on it


def write_ordered(rows: pl.LazyFrame, file: Path, *, table: str, therapy: Therapy) -> None:
    """Write a table in the order of ``ORDERS``, then of all other columns.

    Columns stand as in the contract, with its types where theirs fit; what the
    contract does not know follows by name, as it came. Nothing is judged.
    At most about ``PART_ROWS`` rows are in memory, or those of the longest
    course: the parts are ranges of the first column, read one by one.

    Raises:
        TableError: the rows cannot be read.
    """
    rows = _as_in_the_contract(rows, table, therapy)
    names = rows.collect_schema().names()
    order = [name for name in ORDERS[table] if name in names]
    order += [name for name in names if name not in order]
    try:
        _write((part.sort(order) for part in _parts(rows, order[0])), file)
    except PolarsError as error:
        raise TableError(f"{table}.parquet: expected rows that can be read: {error}", table=table) from error


def _as_in_the_contract(rows: pl.LazyFrame, table: str, therapy: Therapy) -> pl.LazyFrame:
    came, contract = rows.collect_schema(), schema_of(table, therapy)
    known = [_column(name, came[name], kind) for name, kind in contract.items() if name in came]
    return rows.select(*known, *sorted(set(came) - set(contract)))


def _column(name: str, came: pl.DataType, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if came == kind or not fits(came, kind):
        return column
    return column.dt.convert_time_zone("UTC").cast(kind) if isinstance(came, pl.Datetime) else column.cast(kind)


def _parts(rows: pl.LazyFrame, key: str) -> Iterator[pl.DataFrame]:
    """The rows in ranges of ``key``, from the lowest (nulls first) to the highest; one part when there are none."""
    counts = rows.group_by(key).agg(n=pl.len()).sort(key, nulls_last=False).collect(engine="streaming")
    bins = counts.with_columns(part=pl.col("n").cum_sum() // PART_ROWS).group_by("part", maintain_order=True)
    ranges = bins.agg(low=pl.col(key).first(), high=pl.col(key).last(), lowest=pl.col(key).min())
    if ranges.height <= 1:
        yield rows.collect(engine="streaming")
        return
    for _part, low, high, lowest in ranges.iter_rows():
        inside = pl.col(key).is_between(pl.lit(lowest), pl.lit(high))
        yield rows.filter(inside if low is not None else inside | pl.col(key).is_null()).collect(engine="streaming")


def _write(parts: Iterator[pl.DataFrame], file: Path) -> None:
    waiting = next(parts)
    with pq.ParquetWriter(file, waiting.head(0).to_arrow().schema, compression="zstd") as writer:
        for part in parts:
            waiting = _write_groups(writer, pl.concat([waiting, part]))
        rest = _write_groups(writer, waiting)
        if rest.height:
            writer.write_table(rest.rechunk().to_arrow())


def _write_groups(writer: pq.ParquetWriter, rows: pl.DataFrame) -> pl.DataFrame:
    """Write the full row groups; gives the rows that do not fill one."""
    full = rows.height - rows.height % GROUP_ROWS
    for start in range(0, full, GROUP_ROWS):
        writer.write_table(rows[start : start + GROUP_ROWS].rechunk().to_arrow())
    return rows[full:]
