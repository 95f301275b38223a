"""The public data sets, read where they are; without them these tests are skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.importing.run import import_tables
from posology.importing.mapping_file import MappingFile
from posology.tables import Tables
from posology.therapy_file import load_therapy

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def raw_folder() -> Callable[[str], Path]:
    """The folder of a raw data set by its name."""
    root = Path(os.environ.get("PUBLIC_DATA_SETS", CHECKOUT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = root / name
        if not folder.is_dir():
            pytest.skip(f"no data set {name} in {root}; set PUBLIC_DATA_SETS to the folder that holds it")
        return folder

    return find


@pytest.fixture(scope="session")
def beat_the_blues(raw_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The Beat the Blues trial as its mapping file imports it."""
    example = CHECKOUT / "examples" / "beat_the_blues"
    out, therapy = tmp_path_factory.mktemp("beat_the_blues") / "data", load_therapy(example / "therapy.yaml")
    done = import_tables(MappingFile.read(example / "mapping.yaml"), therapy, out, start=raw_folder("beat_the_blues"))
    assert done.report.complete
    return Tables.read(out, therapy)
