"""Off-policy evaluation: numbers by hand, laws, and when it refuses."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posology.errors import TooSmall
from posology.offpolicy import ESTIMATORS, Comparison, LoggedDecisions, OverlapRule, evaluate
from posology.offpolicy.direct_method import DirectMethod
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.ips import IPS
from posology.offpolicy.overlap import effective_sample_size
from posology.offpolicy.self_normalised import SelfNormalised


def log_of(n_patients=40, each=20, seed=0, **columns):
    """Decisions of a logging policy that gives two contents with 0.5 each, unless told otherwise."""
    n = n_patients * each
    rng = np.random.default_rng(seed)
    usual = {
        "patient": np.repeat(np.arange(n_patients), each),
        "reward": rng.random(n),
        "propensity": np.full(n, 0.5),
        "target": np.full(n, 0.5),
        "predicted_given": np.full(n, 0.5),
        "predicted_target": np.full(n, 0.5),
        "n_eligible": np.full(n, 2),
    }
    return LoggedDecisions(**{**usual, **columns})


def by_name(estimates):
    return {each.estimator: each for each in estimates}


def judged(log, seed=1, **options):
    return by_name(evaluate(log, ESTIMATORS, np.random.default_rng(seed), **options))


def test_estimates_equal_numbers_computed_by_hand():
    log = LoggedDecisions(
        patient=np.array([0, 0, 1]),
        reward=np.array([1.0, 0.5, 0.0]),
        propensity=np.array([0.5, 0.25, 0.8]),
        target=np.array([0.25, 0.5, 0.4]),
        predicted_given=np.array([0.8, 0.6, 0.2]),
        predicted_target=np.array([0.5, 0.7, 0.3]),
        n_eligible=np.array([2, 4, 2]),
    )  # weights 0.5, 2, 0.5
    by_hand = {
        IPS(): (0.5 + 1.0 + 0.0) / 3,
        SelfNormalised(): (0.5 + 1.0 + 0.0) / (0.5 + 2 + 0.5),
        DoublyRobust(): ((0.5 + 0.5 * 0.2) + (0.7 - 2 * 0.1) + (0.3 - 0.5 * 0.2)) / 3,
        DirectMethod(): (0.5 + 0.7 + 0.3) / 3,
    }
    for estimator, value in by_hand.items():
        assert estimator.value(estimator.terms(log).sum(axis=0)) == pytest.approx(value, abs=1e-12)
    assert effective_sample_size(log.weights) == pytest.approx(3**2 / (0.25 + 4 + 0.25))


@given(st.integers(0, 10_000))
def test_the_logging_policy_is_worth_the_logged_mean(seed):
    rng = np.random.default_rng(seed)
    propensity = rng.uniform(0.05, 0.9, 800)
    log = log_of(seed=seed, propensity=propensity, target=propensity)
    found = by_name(evaluate(log, (IPS(), SelfNormalised()), rng, resamples=50))
    for estimate in found.values():
        assert estimate.value == pytest.approx(log.reward.mean())
        assert estimate.difference.value == pytest.approx(0, abs=1e-12)
        assert estimate.verdict == Comparison.NO_DIFFERENCE
        assert estimate.effective_sample_size == pytest.approx(800)


@given(st.floats(0, 0.4))
def test_a_constant_added_to_feedback_is_added_to_the_self_normalised_value(constant):
    target = np.random.default_rng(5).uniform(0.2, 0.8, 800)
    log = log_of(reward=np.random.default_rng(6).uniform(0, 0.6, 800), target=target)
    raised = dataclasses.replace(log, reward=log.reward + constant)
    estimator = SelfNormalised()
    before, after = (estimator.value(estimator.terms(each).sum(axis=0)) for each in (log, raised))
    assert after - before == pytest.approx(constant)


def test_a_policy_that_prefers_what_worked_is_better_and_its_opposite_worse():
    given_good = np.random.default_rng(7).random(800) < 0.5
    reward = np.where(given_good, 0.8, 0.2)
    prefers, avoids = np.where(given_good, 0.9, 0.1), np.where(given_good, 0.1, 0.9)
    assert judged(log_of(reward=reward, target=prefers))["self_normalised"].verdict == Comparison.BETTER
    assert judged(log_of(reward=reward, target=avoids))["doubly_robust"].verdict == Comparison.WORSE


def test_the_direct_method_never_says_more_than_diagnostic():
    assert judged(log_of(predicted_target=np.full(800, 0.9)))["direct_method"].verdict == Comparison.DIAGNOSTIC


def test_the_same_random_state_gives_the_same_estimates():
    assert judged(log_of()) == judged(log_of())


BAD_LOGS = {
    "no logged propensity": {"propensity": np.full(800, np.nan)},
    "5.0% of decisions have no logged": {"propensity": np.where(np.arange(800) % 20 == 0, np.nan, 0.5)},
    "deterministic": {"propensity": np.ones(800), "target": np.ones(800)},
    "mean importance weight": {"target": np.full(800, 0.4)},
    "effective sample size is 0.0": {"target": np.zeros(800)},
    "effective sample size is 20.0": {"target": np.where(np.arange(800) % 40 == 0, 0.5, 0.0)},
    "one patient carries": {"patient": np.repeat(np.arange(20), 40) * (np.arange(800) >= 120)},
    "decisions of 2 patients": {"patient": np.arange(800) % 2},
}


@pytest.mark.parametrize("reason", BAD_LOGS)
def test_a_log_that_cannot_judge_the_policy_gives_a_reason_and_no_number(reason):
    for estimate in judged(log_of(**BAD_LOGS[reason])).values():
        assert estimate.verdict == Comparison.INSUFFICIENT
        assert reason in estimate.reason
        assert (estimate.value, estimate.low, estimate.high, estimate.difference) == (None, None, None, None)


def test_a_few_decisions_without_propensity_are_left_out():
    propensity = np.where(np.arange(800) < 8, np.nan, 0.5)
    log = log_of(propensity=propensity)
    assert judged(log)["ips"].value == pytest.approx(log.reward[8:].mean())


def test_a_single_eligible_content_is_no_deterministic_logging():
    alone = np.arange(800) % 2 == 0
    one = np.where(alone, 1.0, 0.5)
    log = log_of(propensity=one, target=one, n_eligible=np.where(alone, 1, 2))
    assert judged(log)["ips"].verdict == Comparison.NO_DIFFERENCE


def test_thresholds_of_overlap_can_be_set():
    log = log_of(target=np.where(np.arange(800) % 2 == 0, 1.0, 0.0))
    assert judged(log)["ips"].value is not None
    strict = OverlapRule(minimum_effective_sample_size=500)
    assert "at least 500" in judged(log, rule=strict)["ips"].reason


def test_a_value_undefined_in_some_resamples_is_insufficient_evidence():
    carries_all = np.arange(400) < 20  # one of twenty patients, missing in a third of the resamples
    log = log_of(20, 20, propensity=np.full(400, 0.05), target=carries_all.astype(float))
    lenient = OverlapRule(minimum_effective_sample_size=1, largest_patient_share=1)
    estimate = judged(log, rule=lenient)["self_normalised"]
    assert (estimate.verdict, estimate.value) == (Comparison.INSUFFICIENT, None)
    assert "undefined" in estimate.reason


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reward", 1.5),
        ("reward", np.nan),
        ("propensity", 0.0),
        ("target", -0.1),
        ("predicted_given", np.inf),
        ("n_eligible", 0),
    ],
)
def test_a_log_out_of_range_is_refused_by_column(column, value):
    with pytest.raises(ValueError, match=column):
        log_of(**{column: np.full(800, value)})


def test_a_log_of_unequal_lengths_or_of_nothing_is_refused():
    with pytest.raises(ValueError, match="one length"):
        log_of(reward=np.ones(3))
    with pytest.raises(TooSmall):
        log_of(n_patients=0)
