"""Preparing an example says what is wrong and leaves nothing half written."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from posology.therapy_file import load_therapy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("beat_the_blues", "nback_training", "oralytics_pilot")


def prepare(name: str, raw: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name / "prepare.py"), str(raw), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=out.parent)


@pytest.mark.parametrize("name", NAMES)
def test_the_therapy_of_every_example_holds(name: str) -> None:
    assert load_therapy(EXAMPLES / name / "therapy.yaml").name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    done = prepare(name, tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "missing; give the folder that holds" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_version_of_the_file_is_refused_without_showing_values(tmp_path: Path) -> None:
    columns = ("drug", "length", "treatment", "bdi.pre", "bdi.2m", "bdi.3m", "bdi.5m", "bdi.8m")
    pl.DataFrame([["Sometimes", "ages", "BtheB", 31.0, 1.0, 1.0, 1.0, 1.0]], schema=columns, orient="row").write_csv(
        tmp_path / "BtheB.csv"
    )
    done = prepare("beat_the_blues", tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "is it another version of the data?" in done.stderr
    assert "ages" not in done.stderr
    pl.DataFrame({"drug": ["No"]}).write_csv(tmp_path / "BtheB.csv")
    assert "missing column length" in prepare("beat_the_blues", tmp_path, tmp_path / "out").stderr


def test_the_command_writes_the_four_tables(tmp_path: Path, raw_folder) -> None:
    done = prepare("oralytics_pilot", raw_folder("oralytics_pilot"), tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("9 users, 707 sessions")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "contents.parquet",
        "measurements.parquet",
        "sessions.parquet",
        "users.parquet",
    ]
