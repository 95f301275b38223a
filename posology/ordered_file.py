"""A table as one Parquet file, of any size: the same rows are the same bytes, whatever order they came in."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from posology.errors import TableError
from posology.tables import ORDERS, check_times, fits, in_milliseconds, schema_of
from posology.therapy import Therapy

PART_ROWS = 250_000  # sorted in memory at once: some 200 MB of sessions with their lists of eligible contents
GROUP_ROWS = 100_000  # of a row group: fixed, for the bytes depend on it


def write_ordered(rows: pl.LazyFrame, file: Path, *, table: str, therapy: Therapy) -> None:
    """Write a table in the order of ``ORDERS``, then of all other columns.

    Columns stand as in the contract, with its types where theirs fit; what the
    contract does not know follows by name, as it came. Nothing is judged.
    At most about ``PART_ROWS`` rows are in memory, or those of the longest
    course: more are first put on disk, in ranges of the first column.

    Raises:
        TableError: the rows cannot be read, or hold times that no calendar has.
    """
    ordered = _as_in_the_contract(rows, table, therapy)
    names = ordered.collect_schema().names()
    order = [name for name in ORDERS[table] if name in names]
    order += [name for name in names if name not in order]
    try:
        _check_milliseconds(rows, table, therapy)
        with TemporaryDirectory(dir=file.parent) as aside:
            _write((part.sort(order) for part in _parts(ordered, order[0], Path(aside))), file)
    except PolarsError as error:
        raise TableError(f"{table}.parquet: expected rows that can be read: {error}", table=table) from error


def _as_in_the_contract(rows: pl.LazyFrame, table: str, therapy: Therapy) -> pl.LazyFrame:
    came, contract = rows.collect_schema(), schema_of(table, therapy)
    known = [_column(name, came[name], kind) for name, kind in contract.items() if name in came]
    return rows.select(*known, *sorted(set(came) - set(contract)))


def _check_milliseconds(rows: pl.LazyFrame, table: str, therapy: Therapy) -> None:
    came = rows.collect_schema()
    times = [name for name, kind in schema_of(table, therapy).items() if isinstance(kind, pl.Datetime) and name in came]
    coarse = [name for name in times if in_milliseconds(came[name])]
    for column in rows.select(coarse).collect(engine="streaming") if coarse else ():
        check_times(column, table)


def _column(name: str, came: pl.DataType, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if came == kind or not fits(came, kind):
        return column
    return column.dt.convert_time_zone("UTC").cast(kind) if isinstance(came, pl.Datetime) else column.cast(kind)


def _parts(rows: pl.LazyFrame, key: str, aside: Path) -> Iterator[pl.DataFrame]:
    """The rows in ranges of ``key``, from the lowest (nulls first) to the highest; at least one part."""
    counts = rows.group_by(key).agg(n=pl.len()).sort(key).collect(engine="streaming")
    part = pl.col("n").cum_sum() // PART_ROWS
    first = counts.group_by(part, maintain_order=True).agg(pl.col(key).first())[key]
    if first.len() <= 1:
        yield rows.collect(engine="streaming")
        return
    for file in _put_aside(rows, first[1:], aside):
        yield pl.read_parquet(file)


def _put_aside(rows: pl.LazyFrame, later: pl.Series, aside: Path) -> list[Path]:
    """Each part in a file of its own; ``later`` holds the first key of all parts but the first."""
    files = [aside / f"{number}.parquet" for number in range(later.len() + 1)]
    schema = rows.collect_schema().to_frame().to_arrow().schema
    with ExitStack() as stack:
        writers = [stack.enter_context(pq.ParquetWriter(file, schema, compression="lz4")) for file in files]
        for batch in rows.collect_batches(chunk_size=PART_ROWS, maintain_order=False, engine="streaming"):
            number = later.search_sorted(batch[later.name], side="right")
            for (part,), of_it in batch.group_by(number.alias("part")):
                writers[part].write_table(of_it.to_arrow())
    return files


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
