"""How often guardrails err when the truth is known: type I and type II."""

import numpy as np

from posology.guardrails import Evidence, PredictionEvidence, Verdict
from posology.guardrails.as_good_as_champion import AsGoodAsChampion
from posology.guardrails.better_than_baselines import FeedbackBetterThanBaselines

RUNS = 300
HIGHEST_TYPE_I = 0.025 + 3 * np.sqrt(0.025 * 0.975 / RUNS)  # one side of a 95 % interval, within Monte-Carlo error


def share_passed(guardrail, *, variance, patients=60, sessions=8):
    """Both err with patients' own sizes and offsets; the candidate's loss is ``variance`` times the other's."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(patients), sessions)
    n = len(patient)
    passed = 0
    for run in range(RUNS):
        size = rng.uniform(0.5, 1.5, patients)[patient]
        shared = 0.2 * rng.normal(size=patients)[patient] + 0.2 * rng.normal(size=n)
        own, other = (
            size * (shared + 0.2 * rng.normal(size=patients)[patient] + 0.2 * rng.normal(size=n)) for _ in range(2)
        )
        found = PredictionEvidence(
            target="feedback",
            patient=patient,
            truth=np.zeros(n),
            predicted=np.sqrt(variance) * own,
            low=own - 1,
            high=own + 1,
            baselines={"other": other},
            champion=other,
        )
        finding = guardrail.judge(Evidence(frozenset({"feedback"}), feedback=found, seed=run))
        passed += finding.verdict == Verdict.PASS
    return passed / RUNS


def test_a_predictor_no_better_than_the_baseline_seldom_passes():
    guardrail = FeedbackBetterThanBaselines(minimum_patients=30, largest_growth=4)
    assert share_passed(guardrail, variance=1, patients=30) <= HIGHEST_TYPE_I


def test_a_predictor_with_half_the_loss_mostly_passes():
    guardrail = FeedbackBetterThanBaselines(minimum_patients=30, largest_growth=4)
    assert share_passed(guardrail, variance=0.5) >= 0.8


def test_a_candidate_worse_by_the_margin_seldom_passes():
    guardrail = AsGoodAsChampion(minimum_patients=30, margin=0.25)
    assert share_passed(guardrail, variance=1.25, patients=30) <= HIGHEST_TYPE_I


def test_a_candidate_clearly_better_than_the_margin_mostly_passes():
    guardrail = AsGoodAsChampion(minimum_patients=30, margin=0.25)
    assert share_passed(guardrail, variance=0.75) >= 0.8
