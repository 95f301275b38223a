"""What the examples prepare passes every expectation, with no row quarantined."""

import importlib
from pathlib import Path

import pytest

from expectations import validate
from flows.importing.run import import_tables
from posology.importing.mapping_file import MappingFile
from posology.therapy_file import load_therapy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

# Great Expectations imports modules that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["beat_the_blues", "nback_training", "oralytics_pilot"])
def test_a_prepared_data_set_is_valid_as_it_is(name: str, raw_folder, tmp_path: Path) -> None:
    therapy, mapping = load_therapy(EXAMPLES / name / "therapy.yaml"), EXAMPLES / name / "mapping.yaml"
    if mapping.is_file():
        import_tables(MappingFile.read(mapping), therapy, tmp_path / "data", start=raw_folder(name))
    else:
        example = importlib.import_module(f"examples.{name}.prepare")
        example.prepare(raw_folder(name)).write(tmp_path / "data")
    found = validate(therapy, tmp_path / "data", docs=tmp_path / "docs")
    assert found.valid
    assert not found.failed
