"""``load``, ``simulate`` and ``--version``: what a newcomer types first."""

import json
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest

from posology.errors import CannotDo
from posology.files import refuse_in_use
from posology.simulators import simulate
from posology.tables import catalogue_of
from posology.therapy_file import load_therapy
from serving.store import Store

COMMAND = [str(Path(sys.executable).parent / "posology")]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)


def test_history_is_loaded_once_and_is_in_the_next_snapshot(tmp_path: Path) -> None:
    therapy = load_therapy("mci")
    cohort = simulate(therapy, patients=12, seed=1, weeks=2)
    cohort.write(tmp_path / "data")
    for _ in range(2):
        done = run("load", "mci", "--data", str(tmp_path / "data"), "--home", str(tmp_path / "home"), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"]["sessions"] == cohort.tables.sessions.height
    with closing(Store.open(f"sqlite:///{tmp_path / 'home' / 'store.db'}", therapy)) as store:
        kept = store.snapshot(catalogue_of(therapy))
    assert kept.sessions.equals(cohort.tables.sessions)
    assert kept.measurements.equals(cohort.tables.measurements)


def test_simulate_does_not_touch_a_folder_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    done = run("simulate", "mci", "--patients", "5", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "is in use" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_not_in_use(tmp_path: Path) -> None:
    refuse_in_use(tmp_path)
    refuse_in_use(tmp_path / "new")
    with pytest.raises(CannotDo, match="in use"):
        refuse_in_use(Path(__file__))


def test_the_version_is_shown() -> None:
    assert run("--version").stdout.strip() == f"posology {version('posology')}"
