"""A policy's verdict beside what was logged."""

import dataclasses

import numpy as np
import pytest

from posology.guardrails.against_logged import against_logged
from posology.guardrails.finding import Verdict
from posology.offpolicy import LoggedDecisions, evaluate
from posology.offpolicy.direct_method import DirectMethod
from posology.offpolicy.ips import IPS


def log_of(target, reward=None, n_eligible=2, n=2_000):
    good = np.random.default_rng(0).random(n) < 0.5
    noise = np.random.default_rng(1).uniform(-0.2, 0.2, n)
    return LoggedDecisions(
        patient=np.arange(n) // 10,
        reward=np.where(good, 0.6, 0.4) + noise if reward is None else reward,
        propensity=np.full(n, 0.5),
        target=np.where(good, target, 1 - target),
        predicted_given=np.full(n, 0.5),
        predicted_target=np.full(n, 0.5),
        n_eligible=np.full(n, n_eligible),
    )


def asked(log, estimator=None, margin=0.02):
    estimate = evaluate(log, (estimator or IPS(),), np.random.default_rng(2))[0]
    return against_logged(estimate, log, margin=margin)


def test_better_passes_and_worse_fails():
    assert asked(log_of(0.8)).verdict == Verdict.PASS
    assert asked(log_of(0.2)).verdict == Verdict.FAIL


def test_where_neither_is_shown_it_says_how_many_more_decisions_would_settle_it():
    log = log_of(0.8, reward=np.random.default_rng(3).random(2_000))
    estimate = evaluate(log, (IPS(),), np.random.default_rng(2))[0]
    found, difference = against_logged(estimate, log, margin=0.0), estimate.difference
    assert found.verdict == Verdict.INSUFFICIENT
    assert "both sides" in found.reason
    ahead = difference.value > 0
    half = difference.value - difference.low if ahead else difference.high - difference.value
    assert 2_000 + found.more_decisions == pytest.approx(2_000 * (half / difference.value) ** 2, abs=1)


def test_a_small_effective_sample_asks_for_as_many_times_more():
    log = dataclasses.replace(log_of(0.5), target=np.where(np.arange(2_000) % 40 == 0, 0.5, 0.0))
    assert asked(log).more_decisions == 2_000


@pytest.mark.parametrize(
    ("log", "says"),
    [(log_of(0.8, reward=np.full(2_000, 0.5)), "the same in every"), (log_of(0.5, n_eligible=1), "one content")],
)
def test_where_nothing_can_be_told_the_evidence_is_insufficient(log, says):
    found = asked(log)
    assert found.verdict == Verdict.INSUFFICIENT
    assert says in found.reason


def test_a_diagnostic_gives_no_verdict():
    assert asked(log_of(0.8), DirectMethod()).verdict == Verdict.NOT_APPLICABLE
