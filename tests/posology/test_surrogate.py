"""F as a stand-in for Mf: intervals hold the truth, and G105 answers on all sides."""

from dataclasses import replace

import numpy as np
import pytest

from posology.errors import TooSmall
from posology.guardrails import Evidence, Verdict
from posology.guardrails.stand_in import FeedbackStandsIn
from posology.surrogate import ArmScores, CourseOutcomes, SurrogateEvidence, surrogate

BOTH = frozenset({"feedback", "status"})
GUARDRAIL = FeedbackStandsIn(minimum_patients=30, least_gain=0.5)


def evidence(seed, gain, patients=200, decisions=10, noise=0.3):
    """Decisions in which choosing by F brings a gain over a course, in smallest important changes."""
    rng = np.random.default_rng(seed)
    n = patients * decisions
    patient = np.repeat(np.arange(patients), decisions)
    feedback = rng.normal(size=n)
    own = rng.normal(size=patients)[patient]
    scores = rng.normal(size=(n, 4)) + np.arange(4)
    mean = rng.uniform(0.3, 0.8, patients)
    return SurrogateEvidence(
        patient=patient,
        weight=rng.uniform(0.5, 1.5, n),
        feedback=feedback,
        status=0.2 * feedback + own,
        by_feedback=gain / decisions + noise * rng.normal(size=n),
        lost=rng.normal(size=n),
        arms=ArmScores(tuple("abcd"), scores, -scores, np.ones((n, 4), dtype=bool)),
        courses=CourseOutcomes(
            mean,
            2 * mean + 0.1 * rng.normal(size=patients),
            {"sex": np.repeat(["female", "male"], patients // 2)},
            {"memory": np.where(np.arange(patients) < 5, mean, np.nan)},
        ),
        smallest_important_change=1.0,
    )


def test_slope_and_gain_cover_the_truth():
    found = [surrogate(evidence(seed, 0.4), np.random.default_rng(seed)) for seed in range(40)]
    assert np.mean([each.slope.low <= 0.2 <= each.slope.high for each in found]) >= 0.85
    assert np.mean([each.gain.low <= 0.4 <= each.gain.high for each in found]) >= 0.85


def test_agreement_and_associations_are_told_for_all_groups_and_arms():
    found = surrogate(evidence(1, 0.4), np.random.default_rng(1))
    assert found.ranks is not None
    assert found.ranks.value == -1
    assert found.signs is not None
    assert found.signs.value == 0
    by_whom = {each.whom: each for each in found.associations}
    assert list(by_whom) == ["all patients", "sex: female", "sex: male", "F in memory"]
    assert by_whom["all patients"].slope.low <= 2 <= by_whom["all patients"].slope.high
    assert by_whom["F in memory"].patients == 5
    assert by_whom["F in memory"].correlation is None


def judged(found, objective="feedback", **others):
    return GUARDRAIL.judge(Evidence(declared=BOTH, surrogate=found, objective=objective, **others))


def test_the_guardrail_passes_fails_and_waits():
    assert judged(evidence(2, 1.0)).verdict == Verdict.PASS
    assert judged(evidence(2, -1.0)).verdict == Verdict.FAIL
    assert judged(evidence(2, 0.0)).verdict == Verdict.FAIL
    assert judged(evidence(2, 0.1, noise=3)).verdict == Verdict.INSUFFICIENT
    assert judged(evidence(2, 1.0, patients=20)).verdict == Verdict.INSUFFICIENT


def test_where_mf_guards_the_choice_harm_blocks_and_doubt_does_not():
    assert judged(evidence(2, -1.0), "constrained").verdict == Verdict.FAIL
    assert judged(evidence(2, 1.0), "constrained").verdict == Verdict.PASS
    assert judged(evidence(2, 0.1, noise=3), "constrained").verdict == Verdict.NOT_APPLICABLE
    assert judged(None, "constrained", no_surrogate="no finished course").verdict == Verdict.NOT_APPLICABLE


def test_where_f_alone_decides_a_missing_answer_blocks_and_says_why():
    found = judged(None, no_surrogate="EconML is not installed")
    assert found.verdict == Verdict.INSUFFICIENT
    assert "EconML" in found.explanation


def test_it_does_not_apply_without_f_without_mf_or_where_mf_decides():
    assert judged(evidence(2, -1.0), "status").verdict == Verdict.NOT_APPLICABLE
    only = Evidence(declared=frozenset({"feedback"}), objective="feedback")
    assert GUARDRAIL.judge(only).verdict == Verdict.NOT_APPLICABLE


def test_the_same_f_everywhere_and_no_decision_are_too_little():
    flat = evidence(3, 1.0)
    with pytest.raises(TooSmall, match="the same for all contents"):
        surrogate(replace(flat, feedback=np.zeros(2_000)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="by_feedback"):
        replace(flat, by_feedback=np.zeros(3))
