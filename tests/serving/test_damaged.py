"""A release of which a file is missing still gives the safe default, unless what that is made from was touched."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.release import Release
from posology.errors import CannotDo, NotFound
from serving.alarms import ALARMS, Alarm
from serving.calls import Calls
from serving.damaged import load_as_far_as_possible
from serving.replay import replay
from serving.store import Store

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def copied(release_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release_folder, tmp_path / "copied"))


@pytest.mark.parametrize("missing", ["feedback", "status", "policy.json"])
def test_without_a_model_file_the_safe_default_is_answered(
    copied: Path, missing: str, release: Release, sqlite_store: Store
) -> None:
    path = copied / missing
    _remove(path)
    before = ALARMS.counts()
    damaged = load_as_far_as_possible(copied)
    assert damaged.name == release.name
    calls = Calls(damaged, sqlite_store, NOW)
    calls.users({"user_id": "ada", "enrolled_at": NOW.isoformat(), "consent": True}, NOW)
    calls.measurements({"user_id": "ada", "measured_at": NOW.isoformat(), "instrument": "PHQ9", "score": 9}, NOW)
    answer = calls.recommend({"user_id": "ada", "context": {"sleep_hours": 7}}, NOW)
    assert (answer["content_id"], answer["reasons"]) == ("rest", ["PREDICTION_FAILED"])
    after = ALARMS.counts()
    assert [after[code] - before[code] for code in (Alarm.RELEASE_DAMAGED, Alarm.PREDICTION_FAILED)] == [1, 1]
    assert replay(release, sqlite_store, sqlite_store.decision(answer["decision_id"])).equal


@pytest.mark.parametrize("file", ["therapy.json", "contents.parquet"])
def test_a_release_whose_safe_default_was_touched_is_not_served(copied: Path, file: str) -> None:
    (copied / file).write_bytes((copied / file).read_bytes() + b" ")
    with pytest.raises(CannotDo, match=r"differs from release\.json"):
        load_as_far_as_possible(copied)


def test_no_release_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_as_far_as_possible(tmp_path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
