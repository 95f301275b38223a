"""The rows of any source a mapping names, in chunks that memory can hold."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from flows.importing.arrow_rows import ROWS, arrow_chunks
from flows.importing.csv_file import csv_chunks
from flows.importing.databases import sql_chunks
from posology.errors import TableError
from posology.importing.mapping import Csv, Entry, Sql
from posology.importing.rows import Chunk


def chunks_of(entry: Entry, folder: Path, table: str) -> Generator[Chunk]:
    """The rows of a source in order; the first chunk has its columns, even when it has no rows.

    Args:
        folder: where relative paths start.
        table: what the rows are for.

    Raises:
        CannotDo: the source cannot be read, or not to its end.
    """
    source = entry.source
    if isinstance(source, Sql):
        yield from sql_chunks(source, folder, table)
        return
    path = folder / source.file
    if not path.is_file():
        raise TableError(f"{path}: no such file", table=table)
    yield from csv_chunks(source, path, table) if isinstance(source, Csv) else _parquet_chunks(path, table)


def _parquet_chunks(path: Path, table: str) -> Iterator[Chunk]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from arrow_chunks(file.schema_arrow, _whole_batches(file), table)
    except (pa.ArrowException, OSError, PolarsError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: expected a Parquet file that can be read to its end ({type(error).__name__}); is it whole?",
            table=table,
        ) from error


def _whole_batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """All batches, their text valid; as many rows as the file says it has."""
    rows = 0
    for batch in file.iter_batches(ROWS):
        batch.validate(full=True)
        rows += batch.num_rows
        yield batch
    if rows != file.metadata.num_rows:
        raise pa.ArrowInvalid
