"""What every off-policy estimator keeps to."""

import dataclasses

import numpy as np
import pytest

from posology.offpolicy import ESTIMATORS, Comparison, LoggedDecisions, evaluate

each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: estimator.name)


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    n = 1_000
    propensity = rng.uniform(0.2, 0.8, n)
    return LoggedDecisions(
        patient=np.repeat(np.arange(50), 20),
        reward=rng.random(n),
        propensity=propensity,
        target=(propensity * rng.choice([0.8, 1.2], n)).clip(0, 1),
        predicted_given=rng.random(n),
        predicted_target=rng.random(n),
        n_eligible=np.full(n, 3),
    )


def estimate_of(estimator, log, seed=0):
    return evaluate(log, (estimator,), np.random.default_rng(seed), resamples=200)[0]


def test_their_names_differ():
    assert len({estimator.name for estimator in ESTIMATORS}) == len(ESTIMATORS)


@each_estimator
def test_it_is_a_frozen_value_whose_docstring_tells_when_not_to_trust_it(estimator):
    assert dataclasses.is_dataclass(estimator)
    assert estimator == type(estimator)()
    for word in ("Symbols:", "Assumption:", "Breaks when:", "Reference:", "V = "):
        assert word in type(estimator).__doc__


@each_estimator
def test_its_value_lies_in_its_interval(estimator, log):
    estimate = estimate_of(estimator, log)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.difference.value == pytest.approx(estimate.value - log.reward.mean())


@each_estimator
def test_its_sums_add_up_and_are_vectorised(estimator, log):
    terms = estimator.terms(log)
    assert terms.shape[0] == len(log)
    whole = terms.sum(axis=0)
    np.testing.assert_allclose(estimator.value(np.stack([whole, 2 * whole])), np.full(2, estimator.value(whole)))


@each_estimator
def test_the_order_of_decisions_and_the_names_of_patients_do_not_matter(estimator, log):
    order = np.random.default_rng(1).permutation(len(log))
    before = estimate_of(estimator, log)
    after = estimate_of(estimator, dataclasses.replace(log.where(order), patient=log.patient[order] * 3 + 10))
    assert (after.value, after.low, after.high) == pytest.approx((before.value, before.low, before.high))


@each_estimator
def test_it_says_nothing_without_propensities(estimator, log):
    estimate = estimate_of(estimator, dataclasses.replace(log, propensity=np.full(len(log), np.nan)))
    assert (estimate.verdict, estimate.value) == (Comparison.INSUFFICIENT, None)


@each_estimator
def test_a_perfect_prediction_of_a_constant_feedback_is_returned(estimator, log):
    flat = dict.fromkeys(("reward", "predicted_given", "predicted_target"), np.full(len(log), 0.6))
    estimate = estimate_of(estimator, dataclasses.replace(log, **flat, target=log.propensity))
    assert estimate.value == pytest.approx(0.6)
