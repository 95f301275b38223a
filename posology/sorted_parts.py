"""A Parquet file whose patients lie scattered, sorted in parts on disk from which blocks of patients are read."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from posology.errors import TableError

PART_ROWS = 200_000  # sorted at a time, in memory
BATCH_ROWS = 4_096  # read from a part at a time


@dataclass(frozen=True)
class SortedParts:
    """Rows in files that are each in the order of ``user_id``.

    Attributes:
        files: in the order their rows came.
        ends: file → the row at which each block ends, the last row's included.
        schema: of the rows.
    """

    files: tuple[Path, ...]
    ends: tuple[tuple[int, ...], ...]
    schema: pl.Schema

    def of_block(self, block: int) -> pl.LazyFrame:
        """The rows of one block, those of one user in the order in which they came."""
        slices = [
            pl.scan_ipc(file).slice(starts, ends - starts)
            for file, bounds in zip(self.files, self.ends, strict=True)
            for starts, ends in [tuple(pairwise((0, *bounds)))[block]]
            if ends > starts
        ]
        return pl.concat(slices) if slices else pl.LazyFrame(schema=self.schema)


def sorted_parts(rows: pl.LazyFrame, starts: Sequence[str], *, folder: Path, file: Path) -> SortedParts:
    """The rows of a file, sorted in parts.

    Args:
        rows: with a ``user_id``.
        starts: first ``user_id`` of each block but the first, in order.
        folder: where the parts are written; must not exist.
        file: where the rows are from, for errors.

    Raises:
        TableError: the file cannot be read.
    """
    folder.mkdir()
    files, ends = [], []
    try:
        for number, part in enumerate(_parts(rows)):
            files.append(folder / f"{number}.arrow")
            part.write_ipc(files[-1], compression="lz4", record_batch_size=BATCH_ROWS)
            known = part["user_id"].drop_nulls()
            found = known.search_sorted(pl.Series(starts, dtype=pl.String), side="left") + part["user_id"].null_count()
            ends.append((*found, part.height))
    except (PolarsError, OSError) as error:
        raise TableError(f"{file}: expected a Parquet file that can be read: {error}", table=file.stem) from error
    return SortedParts(tuple(files), tuple(ends), rows.collect_schema())


def _parts(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    batches = rows.collect_batches(chunk_size=PART_ROWS, maintain_order=True, engine="streaming")
    for batch in batches:
        yield batch.sort("user_id", nulls_last=False, maintain_order=True)


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
