"""The files of an import, written as rows come."""

from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from posology.importing.plan import Applied
from posology.importing.report import NOT_MAPPED
from posology.tables import NAMES, catalogue_of, schema_of
from posology.therapy import Therapy

FOLDER = "not-mapped"


class Writers:
    """The four tables and the rows that could not be mapped, in a folder; with no folder nothing is written."""

    def __init__(self, folder: Path | None, therapy: Therapy) -> None:
        self._folder, self._therapy = folder, therapy
        self._open: dict[Path, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        for name in NAMES:
            self._write(f"{name}.parquet", pl.DataFrame(schema=schema_of(name, self._therapy)))
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for writer in self._open.values():
            writer.close()

    def write(self, table: str, applied: Applied) -> None:
        """Add rows to a table, and those that could not be mapped to theirs."""
        self._write(f"{table}.parquet", applied.mapped)
        if applied.not_mapped.height:
            self._write(f"{FOLDER}/{table}.parquet", applied.not_mapped.select(NOT_MAPPED.names()))

    def write_catalogue(self) -> None:
        """The contents that the therapy file lists."""
        self._write("contents.parquet", catalogue_of(self._therapy))

    def _write(self, name: str, rows: pl.DataFrame) -> None:
        if self._folder is None:
            return
        path, arrow = self._folder / name, rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if path not in self._open:
            path.parent.mkdir(exist_ok=True)
            self._open[path] = pq.ParquetWriter(path, arrow.schema, compression="zstd")
        if rows.height:
            self._open[path].write_table(arrow)
