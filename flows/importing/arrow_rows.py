"""Batches of Arrow as chunks."""

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from posology.importing.rows import Chunk

ROWS = 100_000  # in a chunk


def arrow_chunks(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Chunk]:
    """The batches in order, after an empty one that has their columns."""
    first = 1
    yield _chunk(schema.empty_table(), first)
    for batch in batches:
        yield _chunk(batch, first)
        first += batch.num_rows


def _chunk(batch: pa.RecordBatch | pa.Table, first: int) -> Chunk:
    frame = pl.DataFrame(pl.from_arrow(batch))
    return Chunk(frame, pl.int_range(first, first + frame.height, eager=True))
