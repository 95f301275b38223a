"""A Parquet file that is written piece by piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 65_536  # as many as are read at once


class GrowingTable:
    """Takes rows and writes them in row groups of one size, so equal rows are equal bytes whatever the pieces were."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer, self._waiting = writer, writer.schema.empty_table()

    def add(self, rows: pl.DataFrame) -> None:
        """Put rows, of the table's columns and types, at its end."""
        waiting = pa.concat_tables([self._waiting, _arrow(rows)])
        whole = waiting.num_rows - waiting.num_rows % GROUP_ROWS
        self._write(waiting.slice(0, whole))
        self._waiting = waiting.slice(whole)

    def finish(self) -> None:
        """Write what waits for a row group to be full."""
        self._write(self._waiting)

    def _write(self, rows: pa.Table) -> None:
        for begin in range(0, rows.num_rows, GROUP_ROWS):
            # In one chunk: where pages end depends on where chunks do.
            self._writer.write_table(rows.slice(begin, GROUP_ROWS).combine_chunks())


@contextmanager
def growing_table(file: Path, schema: pl.Schema) -> Iterator[GrowingTable]:
    """A new Parquet file to which rows can be added; it can be read when the block has ended."""
    with pq.ParquetWriter(file, _arrow(pl.DataFrame(schema=schema)).schema, compression="zstd") as writer:
        table = GrowingTable(writer)
        yield table
        table.finish()


def _arrow(rows: pl.DataFrame) -> pa.Table:
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())
