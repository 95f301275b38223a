"""A Parquet file whose patients lie scattered, sorted in parts on disk from which blocks of patients are read."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from posology.errors import TableError

PART_ROWS = 200_000  # sorted at a time, in memory
BATCH_ROWS = 4_096  # read from a part at a time


class Slice(NamedTuple):
    """Rows of a part: those from ``begin`` up to ``end``."""

    file: Path
    begin: int
    end: int


def rows_of(slices: Sequence[Slice], like: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of slices, in their order; without any, no rows like those."""
    return pl.concat(
        [like.clear(), *(pl.scan_ipc(part.file).slice(part.begin, part.end - part.begin) for part in slices)]
    )


def sorted_parts(
    rows: pl.LazyFrame, starts: Sequence[str], *, folder: Path, file: Path, number: str | None
) -> list[tuple[Slice, ...]]:
    """Sort the rows of a file in parts; for each block where its rows are, those of one user in their order.

    Args:
        rows: with a ``user_id``.
        starts: first ``user_id`` of each block but the first, in order.
        folder: where the parts are written; must not exist.
        file: where the rows are from, for errors.
        number: name of a first column to add, the place of the row, from 0.

    Raises:
        TableError: the file cannot be read.
    """
    folder.mkdir()
    blocks: list[list[Slice]] = [[] for _ in range(len(starts) + 1)]
    try:
        for nth, part in enumerate(_parts(rows, number)):
            target = folder / f"{nth}.arrow"
            part.write_ipc(target, compression="lz4", record_batch_size=BATCH_ROWS)
            for slices, (begin, end) in zip(blocks, pairwise(_bounds(part["user_id"], starts)), strict=True):
                if begin < end:
                    slices.append(Slice(target, begin, end))
    except (PolarsError, OSError) as error:
        raise TableError(f"{file}: expected a Parquet file that can be read: {error}", table=file.stem) from error
    return [tuple(slices) for slices in blocks]


def _bounds(user_ids: pl.Series, starts: Sequence[str]) -> list[int]:
    """Where each block begins among sorted ids, then their number; missing ids come first."""
    within = user_ids.drop_nulls().search_sorted(pl.Series(starts, dtype=pl.String), side="left")
    return [0, *(within + user_ids.null_count()), user_ids.len()]


def _parts(rows: pl.LazyFrame, number: str | None) -> Iterator[pl.DataFrame]:
    height = 0
    for batch in rows.collect_batches(chunk_size=PART_ROWS, maintain_order=True, engine="streaming"):
        # Numbered here: a reader that numbers the rows itself holds twice as many of them at once.
        part = batch if number is None else batch.with_row_index(number, offset=height)
        height += batch.height
        yield part.sort("user_id", nulls_last=False, maintain_order=True)


def times_read(file: Path, starts: Sequence[str]) -> float:
    """How often each row is read, on average, when blocks of patients are read from the file one by one.

    A reader skips the row groups whose range of ``user_id`` does not meet the block's.

    Args:
        file: Parquet, or missing: then nothing is read.
        starts: first ``user_id`` of each block but the first, in order.
    """
    if not file.is_file():
        return 0.0
    about = pq.read_metadata(file)
    place = [about.schema.column(number).path for number in range(about.num_columns)].index("user_id")
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    read = sum(group.num_rows * _blocks_met(group.column(place).statistics, starts) for group in groups)
    return read / max(about.num_rows, 1)


def _blocks_met(statistics: pq.Statistics | None, starts: Sequence[str]) -> int:
    if statistics is None or not statistics.has_min_max or not isinstance(statistics.max, str):
        return len(starts) + 1
    return bisect_right(starts, statistics.max) - bisect_right(starts, statistics.min) + 1
