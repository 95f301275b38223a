"""The empirical Bernstein interval."""

import numpy as np
import pytest

from posology.offpolicy.bernstein import bernstein_interval


def test_it_equals_the_formula_by_hand():
    values = np.array([0.2, 0.4, 0.6, 0.8] * 500)
    found = bernstein_interval(np.arange(2000), values, (0.0, 1.0))
    log_odds = np.log(4 / 0.05)
    half = np.sqrt(2 * values.var(ddof=1) * log_odds / 2000) + 7 * log_odds / (3 * 1999)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))


def test_a_patient_of_many_decisions_counts_as_one():
    rng = np.random.default_rng(0)
    level = rng.random(200)
    alone = bernstein_interval(np.arange(200), level, (0.0, 1.0))
    repeated = bernstein_interval(np.repeat(np.arange(200), 10), np.repeat(level, 10), (0.0, 1.0))
    assert (repeated.low, repeated.high) == pytest.approx((alone.low, alone.high))


def test_it_covers_at_least_as_often_as_it_promises():
    rng = np.random.default_rng(1)
    found = [bernstein_interval(np.arange(300), rng.beta(0.5, 2, 300), (0.0, 1.0)) for _ in range(300)]
    assert np.mean([each.low <= 0.2 <= each.high for each in found]) >= 0.95


def test_it_says_nothing_where_little_is_known():
    found = bernstein_interval(np.arange(10), np.linspace(0, 5, 10), (0.0, 50.0))
    assert (found.low, found.high) == (0.0, 1.0)
