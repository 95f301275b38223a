"""The folders of accepted and of quarantined rows: four Parquet files that grow block by block."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl

from expectations.quarantine import REASONS
from posology.growing import GrowingTable, growing_table
from posology.tables import NAMES, schema_of
from posology.therapy import Therapy


@contextmanager
def accepted_files(folder: Path | None, therapy: Therapy) -> Iterator[Mapping[str, GrowingTable]]:
    """For each table the file of its accepted rows; none when there is no folder."""
    with _files(folder, {name: pl.Schema(schema_of(name, therapy)) for name in NAMES}) as files:
        yield files


@contextmanager
def quarantine_files(folder: Path | None, therapy: Therapy) -> Iterator[Mapping[str, GrowingTable]]:
    """For each table the file of its quarantined rows; none when there is no folder."""
    with _files(folder, {name: pl.Schema({**schema_of(name, therapy), **REASONS}) for name in NAMES}) as files:
        yield files


def tables_in(folder: Path | None) -> dict[str, pl.DataFrame]:
    """All rows of such a folder; none of none."""
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in NAMES} if folder else {}


@contextmanager
def _files(folder: Path | None, schemas: Mapping[str, pl.Schema]) -> Iterator[Mapping[str, GrowingTable]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(growing_table(folder / f"{name}.parquet", schema))
            for name, schema in schemas.items()
            if folder is not None
        }
