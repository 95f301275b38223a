"""Batches of Arrow as chunks."""

from collections.abc import Iterable, Iterator, Sequence

import polars as pl
import pyarrow as pa

from posology.errors import TableError, first_few
from posology.importing.rows import Chunk

ROWS = 100_000  # in a chunk


def arrow_chunks(schema: pa.Schema, batches: Iterable[pa.RecordBatch], table: str) -> Iterator[Chunk]:
    """The batches in order, after an empty one that has their columns.

    Raises:
        TableError: two columns have one name, or one is of a type that a frame cannot hold.
    """
    refuse_twice(schema.names, table)
    for column in schema:
        if pa.types.is_interval(column.type) or pa.types.is_union(column.type):
            raise TableError(
                f"column {column.name} is {column.type}; cast it in the query, or leave it out", table=table
            )
    first = 1
    yield _chunk(schema.empty_table(), first)
    for batch in batches:
        yield _chunk(batch, first)
        first += batch.num_rows


def refuse_twice(names: Sequence[str], table: str) -> None:
    """Raise TableError when two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(
            f"the source has {first_few(twice)} twice; name one of them otherwise (SELECT … AS)", table=table
        )


def _chunk(batch: pa.RecordBatch | pa.Table, first: int) -> Chunk:
    frame = pl.DataFrame(pl.from_arrow(batch.replace_schema_metadata(None)))  # which may be anything
    return Chunk(frame, pl.int_range(first, first + frame.height, eager=True))
