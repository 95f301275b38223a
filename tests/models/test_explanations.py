"""Contributions sum to the prediction, find what matters, and are told under readable names."""

import numpy as np
import pytest

from models.explanations import contributions, explain, overall
from models.explanations.readable import BASE, grouped
from models.predictors.catboost import CatBoost
from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor, fit_predictor
from models.predictors.rows import Rows

OPTIONS = {
    **{"coverage": 0.9, "iterations": 60, "depth": 3, "learning_rate": 0.2, "l2_leaf_reg": 1, "seed": 7, "threads": 1}
}


@pytest.fixture(scope="module", params=["ridge", "catboost"])
def fitted(request, feature_tables):
    def of(target):
        table = feature_tables[target]
        fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
        wide = (-1e6, 1e6)  # nothing is clipped
        return fit_predictor(KINDS[request.param], target, fit, calibrate, options=OPTIONS, bounds=wide), fit

    return of


@pytest.mark.parametrize("target", ["feedback", "status"])
def test_they_sum_to_the_prediction_before_clipping(fitted, target):
    predictor, rows = fitted(target)
    told = contributions(predictor, rows.features)
    assert told.shape == (len(rows.target), len(predictor.names) + 1)
    assert told.sum(axis=1) == pytest.approx(predictor.predict(rows.features)[:, 0], abs=1e-9)


def test_groups_and_explanations_keep_the_sum(fitted):
    predictor, rows = fitted("status")
    names, by_group = grouped(predictor.names, contributions(predictor, rows.features[:5]))
    assert len(names) == len(set(names)) == by_group.shape[1] - 1
    explained = explain(predictor, rows.features[:5])
    assert [sum(each.adds for each in row) for row in explained] == pytest.approx(
        predictor.predict(rows.features[:5])[:, 0], abs=1e-9
    )
    assert all(row[-1].name == BASE for row in explained)
    sizes = [abs(each.adds) for each in explained[0][:-1]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.fixture(scope="module")
def hill():
    """F is an inverted U of the level above what went before; age adds to it; luck does not matter."""
    rng = np.random.default_rng(8)
    names = ("level_above_recent", "age", "luck", "content")
    features = np.column_stack([rng.uniform(-3, 3, 800), rng.normal(size=(800, 2)), np.zeros(800)])
    target = np.exp(-(features[:, 0] ** 2) / 2) + 0.1 * features[:, 1]
    rows = Rows(names, features, target, np.repeat(np.arange(80), 10))
    return Predictor("feedback", CatBoost.fit(rows, target, OPTIONS), names, None, 0.0, (-9, 9), 0.9), rows


def test_what_does_not_matter_gets_next_to_nothing_and_what_does_has_its_direction(hill):
    found = {each.name: each for each in overall(*hill)}
    assert next(iter(found)) == "level against what went before"
    assert found["luck"].size < 0.05 * found["age"].size
    assert found["age"].direction > 0.9


def test_the_level_gap_has_its_inverted_u(hill):
    predictor, rows = hill
    gap, adds = rows.features[:, 0], contributions(predictor, rows.features)[:, 0]
    assert adds[np.abs(gap) < 0.5].mean() > 0.2
    assert adds[gap < -2].mean() < -0.2
    assert adds[gap > 2].mean() < -0.2
