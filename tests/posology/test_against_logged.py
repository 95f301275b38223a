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


def test_better_passes_worse_fails_and_neither_needs_more():
    assert asked(log_of(0.8)).verdict == Verdict.PASS
    assert asked(log_of(0.2)).verdict == Verdict.FAIL
    unclear = asked(log_of(0.45), margin=0.0)
    assert unclear.verdict == Verdict.INSUFFICIENT
    assert unclear.more_decisions > 0
    assert "both sides" in unclear.reason


def test_what_it_says_is_missing_settles_it():
    missing = asked(log_of(0.45), margin=0.0).more_decisions
    assert asked(log_of(0.45, n=3 * (2_000 + missing)), margin=0.0).verdict == Verdict.FAIL


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
