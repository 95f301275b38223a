"""A simulated cohort: the four tables, and what only a simulator knows."""

from dataclasses import dataclass
from pathlib import Path

from posology.files import whole_folder
from posology.simulators.truth import Truth
from posology.tables import Tables


@dataclass(frozen=True)
class Cohort:
    """Simulated tables and their truth."""

    tables: Tables
    truth: Truth

    def write(self, folder: Path) -> None:
        """The four tables, and ``truth/truth.parquet`` and ``truth/patients.parquet`` beside them."""
        with whole_folder(folder) as partial:
            self.tables.write(partial / "tables")
            for file in sorted((partial / "tables").iterdir()):
                file.rename(partial / file.name)
            (partial / "tables").rmdir()
            (partial / "truth").mkdir()
            self.truth.decisions.write_parquet(partial / "truth" / "truth.parquet", compression="zstd")
            self.truth.patients.write_parquet(partial / "truth" / "patients.parquet", compression="zstd")
