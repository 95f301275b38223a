"""Imports of a mapping given as a dict, into a folder of the test's own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from flows.importing.run import import_tables
from posology.importing.mapping_file import MappingFile
from posology.importing.report import Complaint, TableReport
from posology.therapy import Therapy

NOTHING: dict[str, Any] = {"users": [], "measurements": [], "sessions": []}
READING = {"user_id": "id", "measured_at": "at", "instrument": {"constant": "PHQ9"}, "score": "score"}


@dataclass(frozen=True)
class Outcome:
    """What an import left in its folder."""

    folder: Path
    tables: dict[str, TableReport]

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of a table, as they were written."""
        return pl.read_parquet(self.folder / f"{table}.parquet")

    def kept(self, table: str) -> pl.DataFrame:
        """The rows that could not be mapped."""
        return pl.read_parquet(self.folder / "not-mapped" / f"{table}.parquet")

    def complaints(self, table: str) -> list[tuple[str, str, int, tuple[int, ...]]]:
        """Column, reason, how many, the first rows."""
        found: tuple[Complaint, ...] = self.tables[table].complaints
        return [(one.column, one.reason, one.rows, one.first) for one in found]


Importer = Callable[..., Outcome]


@pytest.fixture
def importing(clinic: Therapy, tmp_path: Path) -> Importer:
    """Imports the tables given, each as a mapping file has it; the others are empty."""

    def run(**tables: Any) -> Outcome:
        file, out = tmp_path / "mapping.yaml", tmp_path / "out"
        file.write_text(yaml.safe_dump({**NOTHING, **tables}, allow_unicode=True), encoding="utf-8")
        done = import_tables(MappingFile.read(file), clinic, out)
        return Outcome(out, dict(done.report.tables))

    return run


@pytest.fixture
def readings(importing: Importer) -> Importer:
    """Imports measurements from one source, its columns called id, at and score where not told otherwise."""

    def run(source: dict[str, Any], where: str | None = None, **columns: Any) -> Outcome:
        entry = {**source, "columns": {**READING, **columns}} | ({"where": where} if where else {})
        return importing(measurements=entry)

    return run
