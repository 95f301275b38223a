"""The public data sets, read where they are; without them these tests are skipped."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def raw_folder() -> Callable[[str], Path]:
    """The folder of a raw data set by its name."""
    root = Path(os.environ.get("POSOLOGY_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = root / name
        if not folder.is_dir():
            pytest.skip(f"no data set {name} in {root}; set POSOLOGY_SHARED_DATA to the folder that holds it")
        return folder

    return find
