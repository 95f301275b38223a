"""Preparing an example says what is wrong and leaves nothing half written."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from posology.therapy_file import load_therapy

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PREPARED = ("nback_training", "oralytics_pilot")
NAMES = ("beat_the_blues", *PREPARED)


def prepare(name: str, raw: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name / "prepare.py"), str(raw), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=out.parent)


@pytest.mark.parametrize("name", NAMES)
def test_the_therapy_of_every_example_holds(name: str) -> None:
    assert load_therapy(EXAMPLES / name / "therapy.yaml").name == name


@pytest.mark.parametrize("name", PREPARED)
def test_a_missing_file_is_named_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    done = prepare(name, tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "missing; give the folder that holds" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_version_of_the_file_is_refused_without_showing_values(tmp_path: Path) -> None:
    columns = ("user_id", "user_decision_t", "decision_time", "action", "prob", "quality")
    state = ("state_tod", "state_b_bar", "state_a_bar", "state_app_engage")
    row = ["p1", 0, "when the sun rose", 1, 0.5, 100.0, 0.0, 0.0, 0.0, 1.0]
    pl.DataFrame([row], schema=(*columns, *state), orient="row").write_csv(tmp_path / "oralytics_pilot_data.csv")
    done = prepare("oralytics_pilot", tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert "is it another version of the data?" in done.stderr
    assert "sun" not in done.stderr
    pl.DataFrame({"user_id": ["p1"]}).write_csv(tmp_path / "oralytics_pilot_data.csv")
    assert "missing column user_decision_t" in prepare("oralytics_pilot", tmp_path, tmp_path / "out").stderr


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
