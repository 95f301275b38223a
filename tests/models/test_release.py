"""A release is what its digests say, or it is not loaded."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from models.policies import Random
from models.predictors.predictor import Predictor
from models.release import Release, save_release
from posology.errors import CannotDo, NotFound

PARTS = [
    "therapy.json",
    "policy.json",
    "contents.parquet",
    "envelope.json",
    "feedback/mean.cbm",
    "status/predictor.json",
]


@pytest.fixture
def folder(release_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release_folder, tmp_path / "release"))


def saved_again(release: Release, folder: Path, **changes: object) -> Release:
    parts = {
        "therapy": release.therapy,
        "contents": release.contents,
        "predictors": {"feedback": release.feedback, "status": release.status},
        "envelope": release.envelope,
    }
    return save_release(folder, **(parts | changes))


def test_what_was_saved_is_loaded(release, mci, cohort, predictors, feature_tables):
    assert release.therapy == mci
    assert_frame_equal(release.contents, cohort.contents)
    assert release.envelope == {"may": ["retrain"]}
    features = feature_tables["feedback"].select(release.features.names).to_numpy()
    for target, predictor in predictors.items():
        assert np.array_equal(getattr(release, target).predict(features), predictor.predict(features))


def test_the_name_says_the_therapy_and_the_digest(release):
    assert release.name == f"mci-{release.digest[:12]}"
    assert set(release.digests) == {"therapy", "contents", "envelope", "feedback", "status", "policy"}


def test_the_same_parts_have_the_same_name(release, tmp_path):
    assert saved_again(release, tmp_path / "again").name == release.name


def test_any_other_part_gives_another_name(release, mci, tmp_path):
    changes = [
        {"therapy": mci.model_copy(update={"version": 2})},
        {"contents": release.contents[1:]},
        {"envelope": {}},
        {"policy": Random()},
        {"predictors": {"feedback": release.feedback}},
        {"predictors": {"feedback": release.status, "status": release.feedback}},
    ]
    names = [saved_again(release, tmp_path / f"{n}", **change).name for n, change in enumerate(changes)]
    assert len({release.name, *names}) == 1 + len(changes)


def test_a_release_without_a_predictor_loads_without_it(release, tmp_path):
    loaded = saved_again(release, tmp_path / "half", predictors={"feedback": release.feedback})
    assert loaded.status is None
    assert isinstance(loaded.feedback, Predictor)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_changed_is_refused(folder, part):
    file = folder / part
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(CannotDo, match=f"{part.split('/')[0].split('.')[0]} differs from release.json"):
        Release.load(folder)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_gone_is_refused(folder, part):
    (folder / part).unlink()
    with pytest.raises(CannotDo, match=f"{part.split('/')[0].split('.')[0]} differs from release.json"):
        Release.load(folder)


def test_a_predictor_put_in_afterwards_is_refused(release, tmp_path):
    saved_again(release, tmp_path / "half", predictors={"feedback": release.feedback})
    release.status.save(tmp_path / "half" / "status")
    with pytest.raises(CannotDo, match="status differs from"):
        Release.load(tmp_path / "half")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "digests": 3}'])
def test_a_description_that_is_none_is_refused(folder, text):
    (folder / "release.json").write_text(text)
    with pytest.raises(CannotDo, match=r"release\.json: expected what retrain writes"):
        Release.load(folder)


def test_a_description_that_leaves_parts_out_is_refused(folder):
    (folder / "therapy.json").unlink()
    about = json.loads((folder / "release.json").read_text())
    del about["digests"]["therapy"]
    (folder / "release.json").write_text(json.dumps(about))
    with pytest.raises(CannotDo, match="therapy differs from"):
        Release.load(folder)


def test_another_format_is_refused(folder):
    about = json.loads((folder / "release.json").read_text())
    (folder / "release.json").write_text(json.dumps(about | {"format": 99}))
    with pytest.raises(CannotDo, match="format differs from"):
        Release.load(folder)


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_folder_without_release_is_not_found(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=r"expected a release folder with release\.json"):
        Release.load(tmp_path / name)


def test_a_release_that_cannot_be_saved_leaves_nothing(release, tmp_path):
    with pytest.raises(AttributeError):
        saved_again(release, tmp_path / "broken", predictors={"feedback": None})
    assert list(tmp_path.iterdir()) == []


def test_other_files_beside_the_parts_change_nothing(folder, release):
    (folder / "dossier.html").write_text("<p>evidence</p>")
    assert Release.load(folder).name == release.name
