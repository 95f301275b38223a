"""A simulated cohort: the four tables, and what only a simulator knows."""

import json
from dataclasses import dataclass
from pathlib import Path

from posology.files import whole_folder, write_whole
from posology.simulators.truth import Truth
from posology.tables import Tables


@dataclass(frozen=True)
class Cohort:
    """Simulated tables and their truth."""

    tables: Tables
    truth: Truth

    def write(self, folder: Path) -> None:
        """The four tables, and beside them the truth: ``truth/`` with truth.parquet, patients.parquet, summary.json."""
        with whole_folder(folder) as partial:
            self.tables.write(partial / "tables")
            for file in sorted((partial / "tables").iterdir()):
                file.rename(partial / file.name)
            (partial / "tables").rmdir()
            (partial / "truth").mkdir()
            self.truth.decisions.write_parquet(partial / "truth" / "truth.parquet", compression="zstd")
            self.truth.patients.write_parquet(partial / "truth" / "patients.parquet", compression="zstd")
            write_whole(partial / "truth" / "summary.json", json.dumps(self.truth.summary(), indent=1))
