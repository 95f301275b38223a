"""Tuning finds what is there to find, keeps the defaults where nothing is, and stays among the fitting patients."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from models.features import PLACE
from models.learner import Learner
from models.predictors.catboost import CatBoost
from models.predictors.predictor import fit_mean
from models.predictors.rows import Rows
from models.tuning.budget import Budget, Range
from models.tuning.gain import Gain
from models.tuning.held_out import Question, losses_on, subset
from models.tuning.tune import Tuned, can_tune, tune

BOUNDS = (0.0, 1.0)
SHALLOW = {
    "iterations": 20,
    "depth": 1,
    "learning_rate": 0.3,
    "l2_leaf_reg": 3,
    "seed": 7,
    "threads": 1,
    "coverage": 0.9,
}
SPACE = {"depth": Range(1, 5), "subsample": Range(0.5, 1.0), "rsm": Range(0.5, 1.0)}
BUDGET = Budget(trials=8, seconds=1e9, patients=1000, folds=2, search={"catboost": SPACE})


def rows(*, patients: int, seed: int, interaction: float) -> Rows:
    """F follows from whether two features have the same sign: no tree of depth one can tell."""
    rng = np.random.default_rng(seed)
    n = patients * 6
    a, b = rng.normal(size=(2, n))
    target = np.clip(0.5 + interaction * np.sign(a * b) + 0.1 * rng.normal(size=n), 0, 1)
    return Rows((PLACE, "a", "b"), np.column_stack([np.zeros(n), a, b]), target, np.repeat(np.arange(patients), 6))


def tuned(fit: Rows, kind: Any = CatBoost, budget: Budget = BUDGET) -> Tuned:
    return tune(kind, "feedback", fit, options=SHALLOW, bounds=BOUNDS, budget=budget, space=SPACE)


@pytest.fixture(scope="module")
def deep() -> Tuned:
    return tuned(rows(patients=60, seed=1, interaction=0.3))


def test_options_that_matter_are_found_and_help_patients_nobody_saw(deep: Tuned) -> None:
    fit, unseen = (rows(patients=60, seed=seed, interaction=0.3) for seed in (1, 2))
    before, after = (
        losses_on(unseen, CatBoost, "feedback", fit, options=SHALLOW | options, bounds=BOUNDS).mean()
        for options in ({}, dict(deep.options))
    )
    assert deep.options["depth"] >= 2
    assert after < 0.6 * before
    assert deep.gain is not None
    assert deep.gain.is_sure
    assert deep.gain.patients == 20  # a third


def test_the_same_rows_and_seed_give_the_same_options(deep: Tuned) -> None:
    again = tuned(rows(patients=60, seed=1, interaction=0.3))
    assert (again.options, again.as_json()) == (deep.options, deep.as_json())
    assert "seconds" not in str(deep.as_json())


def test_a_gain_within_one_standard_error_keeps_the_defaults() -> None:
    nothing_to_find = tuned(rows(patients=45, seed=3, interaction=0.0))
    assert nothing_to_find.options == {}
    assert nothing_to_find.gain is not None
    assert nothing_to_find.gain.mean <= nothing_to_find.gain.standard_error
    assert nothing_to_find.as_json()["taken"] == {}


def test_chance_alone_is_taken_one_time_in_six() -> None:
    rng = np.random.default_rng(8)
    taken = [Gain.of(differences, 1).is_beyond_chance for differences in rng.normal(size=(300, 40))]
    assert 0.11 < sum(taken) / len(taken) < 0.22


class Spy:
    """CatBoost that notes whose rows it was shown: patients are told by a feature."""

    kind = "catboost"

    def __init__(self) -> None:
        self.fitted: list[set[float]] = []

    def fit(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> CatBoost:
        return CatBoost.fit(rows, target, options)

    def fit_mean(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Any:
        self.fitted.append(set(rows.column("a")))
        return CatBoost.fit_mean(rows, target, options)


def test_a_search_is_blind_to_the_patients_that_confirm_it() -> None:
    fit, spy = rows(patients=45, seed=4, interaction=0.3), Spy()
    tuned(fit, spy)
    in_search = set().union(*spy.fitted)
    assert len(in_search) == 30 * 6
    assert all(len(seen) <= 30 * 6 for seen in spy.fitted)


def test_no_more_patients_than_the_budget_says_take_part() -> None:
    fit, spy = rows(patients=90, seed=4, interaction=0.3), Spy()
    small = Budget(trials=2, seconds=1e9, patients=24, folds=2)
    found = tuned(fit, spy, small)
    assert len(set().union(*spy.fitted)) == 24 * 6
    assert found.gain is not None
    assert found.gain.patients == 30


def test_few_patients_or_nothing_to_search_are_not_tuned() -> None:
    few = rows(patients=29, seed=5, interaction=0.3)
    assert not can_tune(few, folds=2)
    assert can_tune(rows(patients=30, seed=5, interaction=0.3), folds=2)
    learner = Learner("feedback", SHALLOW, BOUNDS, BUDGET)
    way = learner.way("catboost", CatBoost, few)
    assert (way.fitter, dict(way.options), way.tuned, way.tested) == (CatBoost, SHALLOW, None, None)
    assert learner.way("ridge", CatBoost, rows(patients=60, seed=5, interaction=0.3)).tuned is None


def test_trials_that_all_fail_keep_the_defaults() -> None:
    class Broken(Spy):
        def fit_mean(self, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Any:
            if "rsm" in options:
                raise RuntimeError
            return super().fit_mean(rows, target, options)

    found = tuned(rows(patients=30, seed=6, interaction=0.3), Broken())
    assert (found.options, found.gain) == ({}, None)
    assert found.as_json()["failed"] == BUDGET.trials


def test_every_patient_is_left_out_once_by_models_of_the_others() -> None:
    some = rows(patients=7, seed=1, interaction=0.3)
    question = Question.of("feedback", some, bounds=BOUNDS, folds=3, seed=1)
    assert sorted(question.patients_of_folds) == list(range(7))
    spy = Spy()
    losses = question.losses(spy, SHALLOW)
    assert losses.shape == (7,)
    assert [len(seen) for seen in spy.fitted] == [4 * 6, 5 * 6, 5 * 6]
    first = question.patients_of_folds[0]
    others = subset(some, question.fold != question.fold[some.patient == first][0])
    mean = fit_mean(CatBoost, "feedback", others, options=SHALLOW, bounds=BOUNDS)
    mine = some.patient == first
    assert losses[0] == pytest.approx(((mean(some.features[mine]) - some.target[mine]) ** 2).mean())
