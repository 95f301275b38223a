"""What the examples prepare passes every expectation, with no row quarantined."""

import importlib
from pathlib import Path

import pytest

from expectations import validate
from posology.therapy_file import load_therapy

# Great Expectations imports modules that Python deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["beat_the_blues", "nback_training", "oralytics_pilot"])
def test_a_prepared_data_set_is_valid_as_it_is(name: str, raw_folder, tmp_path: Path) -> None:
    example = importlib.import_module(f"examples.{name}.prepare")
    example.prepare(raw_folder(name)).write(tmp_path / "data")
    found = validate(load_therapy(example.THERAPY), tmp_path / "data", docs=tmp_path / "docs")
    assert found.valid
    assert not found.failed
