"""The compiled steps of a prediction are their formulas, bit for bit."""

import numpy as np
import pytest

from models.policies.exploration import explored
from models.policies.status_effects import StatusEffects
from models.predictors.interval import interval
from models.predictors.ridge import Ridge
from models.predictors.slices import MOST, Slice, wider
from posology.therapy import Exploration

NAMES = ("content", "age", "score_last")
BOUNDS = (0.0, 30.0)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    made = np.random.default_rng(1).normal(15, 12, (80, 3))
    made[:, 0] = np.arange(80) % 5
    made[::7, 1] = np.nan
    made[::9, 2] = np.nan
    return made


@pytest.mark.parametrize("anchor", [None, "score_last"])
def test_an_interval_is_clipped_and_widened_by_every_slice_it_is_in(features, anchor):
    rng = np.random.default_rng(2)
    raw = rng.normal(0, 9, (80, 3))
    slices = [Slice("age", -MOST, 15, 0.3), Slice("age", 10, 20, 0.0), Slice("content", 0.5, MOST, 0.7)]
    begin = np.zeros(80) if anchor is None else np.nan_to_num(features[:, 2])
    place = -1 if anchor is None else 2
    widened = np.zeros(80)
    for each in slices:
        widened += np.where(each.holds(features, NAMES), each.margin, 0.0)
    mean, low, high = (raw + begin[:, None]).T
    expected = [mean, np.minimum(low - (0.2 + widened), mean), np.maximum(high + (0.2 + widened), mean)]
    found = interval(raw, features, place, 0.2, wider(slices, NAMES), BOUNDS)
    np.testing.assert_array_equal(found, np.clip(np.column_stack(expected), *BOUNDS))


def test_ridge_adds_up_its_terms(features):
    flagged = np.array([1, 2])
    rng = np.random.default_rng(3)
    weights = rng.normal(size=3 + 2 + 4)
    ridge = Ridge(NAMES, rng.normal(size=3), rng.uniform(1, 9, 3), flagged, 4, weights, 1.5, (-2.0, 3.0))
    mean = (ridge.design(features) * weights).sum(axis=1) + 1.5
    assert ridge.predict(features) == pytest.approx(np.column_stack([mean, mean - 2.0, mean + 3.0]), rel=1e-12)


@pytest.mark.parametrize("feedback", [None, np.random.default_rng(5).random((6, 4))])
def test_a_loss_is_of_the_difference_to_the_best_that_may_be_given(feedback):
    rng = np.random.default_rng(4)
    root, eligible = rng.normal(size=(5, 5)), rng.random((6, 4)) < 0.7
    eligible[:, 2] = True
    effects = StatusEffects(rng.normal(size=4), 0.7, rng.random(4), root @ root.T, 20.0)
    loss, gain = effects.loss(feedback, eligible), np.broadcast_to(effects.gain(feedback), (6, 4))
    more = np.zeros((6, 4)) if feedback is None else feedback - effects.usual
    for row in range(6):
        best = max(np.flatnonzero(eligible[row]), key=lambda place, row=row: gain[row, place])
        for place in range(4):
            apart = np.eye(4)[place] - np.eye(4)[best]
            contrast = np.append(apart, more[row, place] - more[row, best])
            assert loss.mean[row, place] == gain[row, best] - gain[row, place]
            assert loss.error[row, place] == pytest.approx(np.sqrt(contrast @ effects.covariance @ contrast), abs=1e-7)


def test_one_score_for_all_decisions_is_explored_as_each_by_itself():
    rng, exploration = np.random.default_rng(6), Exploration(floor=0.05, temperature=0.1)
    score, eligible = rng.random((1, 5)), rng.random((8, 5)) < 0.6
    eligible[:, 0] = True
    together = explored(score, eligible, eligible, exploration)
    alone = [explored(score, each[None], each[None], exploration)[0] for each in eligible]
    np.testing.assert_array_equal(together, alone)
    assert together.sum(axis=1) == pytest.approx(1)
