"""Sensitivity to unobserved confounding: published values, a linear program, EconML."""

import numpy as np
import pytest
from scipy.optimize import linprog

from posology.sensitivity import MeanUnderOdds, e_value, odds_that_flip, robustness_value


def test_the_published_e_value_comes_out():
    # VanderWeele & Ding 2017: breast feeding and infant death, risk ratio 3.9, E-value 7.26
    assert e_value(np.log(3.9) / 0.91, sd=1.0) == pytest.approx(7.26, abs=0.005)
    assert e_value(0.0, sd=1.0) == 1.0


def test_the_robustness_value_is_econmls():
    reference = pytest.importorskip("econml.validate.sensitivity_analysis")
    rng = np.random.default_rng(1)
    residual, representer = rng.normal(size=(2, 500)) * [[0.5], [3.0]]
    sigma, nu = np.mean(residual**2), np.mean(representer**2)
    expected = reference.RV(0.2, sigma, nu, np.zeros((3, 3)), 0.05, interval_type="theta")
    assert robustness_value(0.2, residual, representer) == pytest.approx(expected, abs=1e-5)


def mean_of(rng, n=40):
    return MeanUnderOdds(0.4, rng.normal(size=n), rng.uniform(0.05, 0.9, n), rng.uniform(0.2, 1, n))


@pytest.mark.parametrize("odds", [1.0, 1.5, 4.0])
def test_bounds_are_those_of_the_linear_program(odds):
    mean = mean_of(np.random.default_rng(2))
    against = 1 / mean.propensity - 1
    low, high = mean.share * (1 + against / odds), mean.share * (1 + against * odds)
    # weights w = t v with Σ v = 1 (Charnes & Cooper 1962), the last variable is t
    n = len(against)
    bounds_on = np.vstack([np.hstack([np.eye(n), -high[:, None]]), np.hstack([-np.eye(n), low[:, None]])])
    for sign, found in ((1, mean.low(odds)), (-1, mean.high(odds))):
        best = linprog(
            np.append(sign * mean.residual, 0),
            A_ub=bounds_on,
            b_ub=np.zeros(2 * n),
            A_eq=np.append(np.ones(n), 0)[None],
            b_eq=[1],
        )
        assert found == pytest.approx(0.4 + sign * best.fun, abs=1e-6)


def test_the_order_turns_where_the_bounds_meet():
    rng = np.random.default_rng(3)
    leader, other = mean_of(rng), mean_of(rng)
    leader = MeanUnderOdds(leader.predicted + 1.5, leader.residual, leader.propensity, leader.share)
    odds = odds_that_flip(leader, other)
    assert 1 < odds < 100
    assert leader.low(odds) == pytest.approx(other.high(odds), abs=1e-6)
    assert odds_that_flip(leader, other, error=0.3) < odds
    assert odds_that_flip(other, leader) == 1.0
