"""The compiled trees give what CatBoost gives, to the last bit."""

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor

from models.predictors.trees import ROWS_AT_ONCE, NamedTrees, Trees
from posology.errors import CannotDo

QUIET = {"allow_writing_files": False, "verbose": False, "thread_count": 1, "random_seed": 3}


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(5)
    made = rng.normal(size=(2 * ROWS_AT_ONCE + 7, 6))
    made[rng.random(made.shape) < 0.2] = np.nan
    made[:, 2] = np.round(made[:, 2])
    return made


@pytest.mark.parametrize(
    "model",
    [
        CatBoostRegressor(iterations=40, depth=4, **QUIET),
        CatBoostRegressor(iterations=30, depth=3, loss_function="MultiQuantile:alpha=0.05,0.95", **QUIET),
        CatBoostClassifier(iterations=20, depth=5, **QUIET),
    ],
    ids=["mean", "quantiles", "classifier"],
)
def test_the_sums_are_catboosts_whatever_the_number_of_rows(model, rows):
    target = np.nan_to_num(rows[:, 0]) + np.nan_to_num(rows[:, 2]) ** 2
    model.fit(rows, target > 1 if isinstance(model, CatBoostClassifier) else target)
    theirs = model.predict(rows, prediction_type="RawFormulaVal").reshape(len(rows), -1)
    trees = Trees.of(model)
    np.testing.assert_array_equal(trees.sums(rows), theirs)
    for some in (0, 1, 3):
        np.testing.assert_array_equal(trees.sums(rows[:some]), theirs[:some])


def test_columns_that_are_the_same_in_all_rows_change_nothing(rows):
    model = CatBoostRegressor(iterations=40, depth=4, **QUIET).fit(rows, np.nan_to_num(rows).sum(axis=1))
    trees = Trees.of(model)
    for columns in ([0], [0, 2, 5], range(6)):
        alike = rows[:50].copy()
        alike[:, columns] = rows[1, columns]
        assert np.isnan(rows[1]).any()
        np.testing.assert_array_equal(trees.sums(alike)[:, 0], model.predict(alike))


def test_the_columns_of_a_model_are_found_among_others_by_name(rows):
    names = tuple("abcdef")
    model = CatBoostRegressor(iterations=20, depth=4, **QUIET).fit(rows, np.nan_to_num(rows).sum(axis=1))
    order = (3, 1, 5, 0, 2, 4)
    found = NamedTrees(model, names).sums(rows[:, order], tuple(names[place] for place in order))
    np.testing.assert_array_equal(found[:, 0], model.predict(rows))


def test_missing_values_that_count_as_large_are_refused(rows):
    model = CatBoostRegressor(iterations=2, depth=2, nan_mode="Max", **QUIET).fit(rows, np.arange(len(rows)))
    with pytest.raises(CannotDo, match="missing values small"):
        Trees.of(model)
