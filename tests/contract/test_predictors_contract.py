"""What every kind of predictor keeps to."""

import dataclasses
import json

import numpy as np
import pytest

from models.features import PLACE
from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor, fit_predictor, predictor_digest
from models.predictors.rows import Rows
from models.targets import TARGETS

NAMES = ("score_last", PLACE, "feedback_last", "age", "always_missing", "constant")
BOUNDS = {"feedback": (0.0, 1.0), "status": (0.0, 30.0)}
OPTIONS = {
    "coverage": 0.9,
    "iterations": 30,
    "depth": 4,
    "learning_rate": 0.1,
    "l2_leaf_reg": 3,
    "seed": 7,
    "threads": 1,
}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_target = pytest.mark.parametrize("target", TARGETS)


def rows(target: str, *, patients: int, seed: int) -> Rows:
    """Rows in which F and Mf follow the features; a tenth of the values is missing."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 30, patients))
    n = patient.size
    score, place, last, age = rng.uniform(5, 28, n), rng.integers(0, 6, n), rng.random(n), rng.uniform(50, 90, n)
    of_patient = rng.normal(size=patients)[patient]
    change = np.clip(0.3 * last + 0.1 * place / 5 + 0.05 * of_patient + 0.1 * rng.normal(size=n), 0, 1)
    features = np.column_stack([score, place, last, age, np.full(n, np.nan), np.ones(n)])
    features[:, 2:4][rng.random((n, 2)) < 0.1] = np.nan
    return Rows(NAMES, features, change if target == "feedback" else np.clip(score + 4 * change, 0, 30), patient)


def fitted(kind: str, target: str, **options: object) -> Predictor:
    fit, calibrate = rows(target, patients=60, seed=1), rows(target, patients=30, seed=2)
    return fit_predictor(KINDS[kind], target, fit, calibrate, options=OPTIONS | options, bounds=BOUNDS[target])


@pytest.fixture(scope="module")
def predictors() -> dict[tuple[str, str], Predictor]:
    return {(kind, target): fitted(kind, target) for kind in KINDS for target in TARGETS}


@pytest.fixture(scope="module")
def unseen() -> np.ndarray:
    return rows("status", patients=80, seed=3).features


@each_kind
@each_target
def test_what_is_saved_predicts_the_same_when_loaded(predictors, unseen, tmp_path, kind, target):
    predictor = predictors[kind, target]
    predictor.save(tmp_path / "one")
    loaded = Predictor.load(tmp_path / "one")
    assert np.array_equal(loaded.predict(unseen), predictor.predict(unseen))
    assert dataclasses.replace(loaded, model=predictor.model) == predictor
    loaded.save(tmp_path / "two")
    assert predictor_digest(tmp_path / "two") == predictor_digest(tmp_path / "one")


@each_kind
@each_target
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_rows_give_the_same_bytes_on_any_number_of_threads(predictors, tmp_path, kind, target, threads):
    predictors[kind, target].save(tmp_path / "one")
    fitted(kind, target, threads=threads).save(tmp_path / "again")
    assert predictor_digest(tmp_path / "again") == predictor_digest(tmp_path / "one")


@each_kind
@each_target
def test_another_fit_has_another_digest(predictors, tmp_path, kind, target):
    predictors[kind, target].save(tmp_path / "one")
    fitted(kind, target, coverage=0.5).save(tmp_path / "other")
    assert predictor_digest(tmp_path / "other") != predictor_digest(tmp_path / "one")


@each_kind
@each_target
def test_low_mean_and_high_are_in_order_and_within_the_bounds(predictors, unseen, kind, target):
    wild = np.concatenate([unseen, unseen * 1e6, -unseen * 1e6])
    mean, low, high = predictors[kind, target].predict(wild).T
    assert (BOUNDS[target][0] <= low).all()
    assert (low <= mean).all()
    assert (mean <= high).all()
    assert (high <= BOUNDS[target][1]).all()


@each_kind
@each_target
def test_a_row_is_predicted_alone_as_among_others(predictors, unseen, kind, target):
    predictor = predictors[kind, target]
    together = predictor.predict(unseen)
    for size in (1, 3, 34):
        for start in range(0, 10 * size, size):
            assert np.array_equal(predictor.predict(unseen[start : start + size]), together[start : start + size])


@each_kind
@each_target
def test_no_rows_have_no_predictions(predictors, unseen, kind, target):
    assert predictors[kind, target].predict(unseen[:0]).shape == (0, 3)


@each_kind
@each_target
def test_everything_may_be_missing(predictors, kind, target):
    blank = np.full((2, len(NAMES)), np.nan)
    assert np.isfinite(predictors[kind, target].predict(blank)).all()


@each_kind
@each_target
def test_a_content_not_seen_before_is_predicted(predictors, unseen, kind, target):
    new = unseen.copy()
    new[:, NAMES.index(PLACE)] = 99
    assert np.isfinite(predictors[kind, target].predict(new)).all()


@each_kind
@each_target
def test_features_are_left_as_they_were(predictors, unseen, kind, target):
    before = unseen.copy()
    predictors[kind, target].predict(unseen)
    assert np.array_equal(unseen, before, equal_nan=True)


@each_kind
def test_the_importance_of_features_sums_to_one_and_finds_the_ones_that_matter(predictors, kind):
    model = predictors[kind, "feedback"].model
    share = dict(zip(NAMES, model.importance(rows("feedback", patients=60, seed=1)), strict=True))
    assert sum(share.values()) == pytest.approx(1)
    assert min(share.values()) >= 0
    assert max(share, key=share.get) == "feedback_last"
    assert share["always_missing"] == share["constant"] == 0


@each_kind
@each_target
def test_it_predicts_better_than_the_mean_of_what_it_was_fitted_on(predictors, kind, target):
    judge = rows(target, patients=60, seed=4)
    predicted = predictors[kind, target].predict(judge.features)[:, 0]
    assert ((predicted - judge.target) ** 2).mean() < 0.8 * judge.target.var()


@each_kind
def test_the_final_status_is_learnt_as_a_change_from_the_last_score(predictors, unseen, kind):
    predictor = predictors[kind, "status"]
    assert predictor.anchor == "score_last"
    assert predictors[kind, "feedback"].anchor is None
    raw = predictor.model.predict(unseen)[:, 0] + unseen[:, 0]
    assert np.array_equal(predictor.predict(unseen)[:, 0], np.clip(raw, 0, 30))


@each_kind
def test_what_is_saved_is_json_and_files_of_the_library_and_no_pickle(predictors, tmp_path, kind):
    predictors[kind, "feedback"].save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".cbm"}
    assert json.loads((tmp_path / "predictor.json").read_text())["kind"] == kind
