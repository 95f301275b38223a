"""Each guardrail on all its sides: it fires, stays quiet, has too little, does not apply."""

from types import MappingProxyType

import numpy as np
import pytest

from posology.guardrails import (
    Amount,
    DataEvidence,
    Evidence,
    GoldenEvidence,
    PredictionEvidence,
    StressEvidence,
    TableRows,
    Verdict,
)
from posology.guardrails.as_good_as_champion import AsGoodAsChampion
from posology.guardrails.better_than_baselines import FeedbackBetterThanBaselines, StatusBetterThanBaselines
from posology.guardrails.data_valid import DataValid
from posology.guardrails.enough_data import EnoughData
from posology.guardrails.golden_answers import GoldenAnswers
from posology.guardrails.interval_coverage import FeedbackIntervalCoverage, StatusIntervalCoverage
from posology.guardrails.no_unsafe_choice import NoUnsafeChoice
from posology.guardrails.policy_not_worse import PolicyNotWorse
from posology.offpolicy import LoggedDecisions

PASS, FAIL, INSUFFICIENT, NOT_APPLICABLE = Verdict
BOTH = frozenset({"feedback", "status"})
ONLY = MappingProxyType({"feedback": frozenset({"feedback"}), "status": frozenset({"status"})})


def predictions(target="feedback", patients=200, *, noise=0.1, baseline_noise=0.3, champion_noise=None, width=0.165):
    """Errors of a given size, ten sessions a patient; 0.165 wide to each side covers 90 % of noise 0.1."""
    rng = np.random.default_rng(0)
    n = patients * 10
    truth = rng.normal(0.5, 0.2, n)
    predicted = truth + rng.normal(0, noise, n)
    return PredictionEvidence(
        target=target,
        patient=np.repeat(np.arange(patients), 10),
        truth=truth,
        predicted=predicted,
        low=predicted - width,
        high=predicted + width,
        baselines={"mean": truth + rng.normal(0, 0.5, n), "ridge": truth + rng.normal(0, baseline_noise, n)},
        champion=None if champion_noise is None else truth + rng.normal(0, champion_noise, n),
    )


def of(target, found, **more):
    return Evidence(declared=BOTH, **{target: found}, **more)


class TestDataValid:
    guardrail = DataValid(largest_quarantined_share=0.05)

    def verdict(self, quarantined=0, failed=(), total=1_000):
        tables = {"users": TableRows(total, 0), "sessions": TableRows(total, quarantined)}
        finding = self.guardrail.judge(Evidence(BOTH, data=DataEvidence({}, tables, failed)))
        return finding.verdict, finding.explanation

    def test_few_rows_in_quarantine_pass(self):
        assert self.verdict(quarantined=50)[0] == PASS

    def test_many_rows_in_quarantine_fail(self):
        verdict, explanation = self.verdict(quarantined=51)
        assert verdict == FAIL
        assert "sessions" in explanation
        assert "5.10%" in explanation

    def test_a_broken_table_rule_fails_by_name(self):
        verdict, explanation = self.verdict(failed=("T012",))
        assert verdict == FAIL
        assert "T012" in explanation

    def test_no_rows_are_insufficient(self):
        assert self.verdict(total=0)[0] == INSUFFICIENT


@pytest.mark.parametrize(
    ("target", "kind"), [("feedback", FeedbackBetterThanBaselines), ("status", StatusBetterThanBaselines)]
)
class TestBetterThanBaselines:
    def judge(self, kind, evidence):
        return kind(minimum_patients=30, largest_growth=4).judge(evidence)

    def test_smaller_errors_than_all_baselines_pass(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target)))
        assert finding.verdict == PASS
        assert 0 < finding.figures["reduction_from_ridge_low"] < finding.figures["reduction_from_ridge_high"]

    def test_one_baseline_that_is_better_fails_and_is_named(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target, baseline_noise=0.05)))
        assert finding.verdict == FAIL
        assert "hardest baseline, ridge" in finding.explanation

    def test_a_baseline_just_as_good_does_not_pass(self, target, kind):
        same = predictions(target)
        tied = PredictionEvidence(**{**vars(same), "baselines": {"same": same.predicted}})
        assert self.judge(kind, of(target, tied)).verdict == FAIL

    def test_a_promising_difference_on_few_patients_says_how_many_more_are_needed(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target, patients=36, baseline_noise=0.106)))
        assert finding.verdict == INSUFFICIENT
        assert "more patients would show it" in finding.explanation

    def test_too_few_patients_are_insufficient(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target, patients=29)))
        assert finding.verdict == INSUFFICIENT
        assert "1 more" in finding.explanation

    def test_a_target_without_predictor_is_insufficient(self, target, kind):
        finding = self.judge(kind, Evidence(BOTH))
        assert finding.verdict == INSUFFICIENT
        assert target in finding.explanation

    def test_a_target_not_declared_is_not_applicable(self, target, kind):
        other = ONLY["status" if target == "feedback" else "feedback"]
        assert self.judge(kind, Evidence(other)).verdict == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("target", "kind"), [("feedback", FeedbackIntervalCoverage), ("status", StatusIntervalCoverage)]
)
class TestIntervalCoverage:
    def judge(self, kind, evidence, largest_margin=0.1):
        return kind(minimum_patients=30, tolerance=0.05, largest_margin=largest_margin).judge(evidence)

    def test_intervals_that_cover_as_promised_pass(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target)))
        assert finding.verdict == PASS
        assert finding.figures["coverage"] == pytest.approx(0.9, abs=0.03)
        assert finding.figures["mean_width"] == pytest.approx(0.33)

    def test_too_narrow_intervals_fail(self, target, kind):
        assert self.judge(kind, of(target, predictions(target, width=0.1))).verdict == FAIL

    def test_too_wide_intervals_are_reported_not_failed(self, target, kind):
        finding = self.judge(kind, of(target, predictions(target, width=1.0)))
        assert finding.verdict == PASS
        assert finding.figures["coverage"] == 1

    def test_a_coverage_that_is_hardly_known_is_insufficient(self, target, kind):
        found = predictions(target, patients=30, width=0.145)
        assert self.judge(kind, of(target, found), largest_margin=0.01).verdict == INSUFFICIENT

    def test_too_few_patients_are_insufficient(self, target, kind):
        assert self.judge(kind, of(target, predictions(target, patients=29))).verdict == INSUFFICIENT

    def test_a_target_not_declared_is_not_applicable(self, target, kind):
        other = ONLY["status" if target == "feedback" else "feedback"]
        assert self.judge(kind, Evidence(other)).verdict == NOT_APPLICABLE


class TestAsGoodAsChampion:
    guardrail = AsGoodAsChampion(minimum_patients=30, margin=0.05)

    def test_a_better_candidate_passes(self):
        assert self.guardrail.judge(of("status", predictions("status", champion_noise=0.15))).verdict == PASS

    def test_the_champion_itself_passes(self):
        same = predictions()
        itself = PredictionEvidence(**{**vars(same), "champion": same.predicted})
        assert self.guardrail.judge(of("feedback", itself)).verdict == PASS

    def test_a_candidate_worse_in_one_target_fails(self):
        good, bad = predictions(champion_noise=0.2), predictions("status", champion_noise=0.07)
        finding = self.guardrail.judge(Evidence(BOTH, feedback=good, status=bad))
        assert finding.verdict == FAIL
        assert finding.figures["status_relative_excess_low"] > 0.05

    def test_a_difference_on_both_sides_of_the_margin_is_insufficient(self):
        assert (
            self.guardrail.judge(of("feedback", predictions(patients=40, champion_noise=0.1))).verdict == INSUFFICIENT
        )

    def test_too_few_patients_are_insufficient(self):
        found = predictions(patients=29, champion_noise=0.2)
        assert self.guardrail.judge(of("feedback", found)).verdict == INSUFFICIENT

    def test_without_a_champion_it_is_not_applicable(self):
        assert self.guardrail.judge(of("feedback", predictions())).verdict == NOT_APPLICABLE


class TestNoUnsafeChoice:
    guardrail = NoUnsafeChoice(minimum_decisions=3_000)

    def judge(self, decisions, unsafe, *examples):
        return self.guardrail.judge(Evidence(BOTH, stress=StressEvidence(decisions, unsafe, examples)))

    def test_no_unsafe_choice_in_enough_decisions_passes_with_the_rule_of_three(self):
        finding = self.judge(3_000, 0)
        assert finding.verdict == PASS
        assert finding.figures["upper_bound"] == pytest.approx(3 / 3_000, rel=0.01)

    def test_one_unsafe_choice_fails_even_in_few_decisions(self):
        finding = self.judge(10, 1, "S001")
        assert finding.verdict == FAIL
        assert "S001" in finding.explanation

    def test_few_decisions_are_insufficient(self):
        finding = self.judge(2_900, 0)
        assert finding.verdict == INSUFFICIENT
        assert "100 more" in finding.explanation

    def test_no_stress_set_is_insufficient(self):
        assert self.guardrail.judge(Evidence(BOTH)).verdict == INSUFFICIENT


class TestPolicyNotWorse:
    guardrail = PolicyNotWorse(
        margin=0.02,
        minimum_effective_sample_size=100,
        largest_patient_share=0.1,
        largest_unusable_share=0.01,
        weight_tolerance=0.01,
    )

    def judge(self, preference, *, patients=200, propensity=0.5, q=0.5):
        """A policy that gives the good one of two contents with a preference between 0 and 1."""
        n = patients * 20
        rng = np.random.default_rng(0)
        is_good = rng.random(n) < 0.5
        logged = LoggedDecisions(
            patient=np.repeat(np.arange(patients), 20),
            reward=(rng.random(n) < np.where(is_good, 0.7, 0.3)).astype(float),
            propensity=np.full(n, propensity),
            target=np.where(is_good, preference, 1 - preference),
            predicted_given=np.full(n, q),
            predicted_target=np.full(n, q),
            n_eligible=np.full(n, 2),
        )
        return self.guardrail.judge(Evidence(BOTH, logged=logged))

    def test_a_better_policy_passes(self):
        finding = self.judge(0.8)
        assert finding.verdict == PASS
        assert finding.figures["self_normalised_value"] == pytest.approx(0.62, abs=0.04)
        assert finding.figures["effective_sample_size"] > 2_000

    def test_the_logging_policy_passes(self):
        assert self.judge(0.5).verdict == PASS

    def test_a_worse_policy_fails(self):
        assert self.judge(0.3).verdict == FAIL

    def test_a_difference_on_both_sides_of_the_margin_is_insufficient(self):
        assert self.judge(0.44, patients=20).verdict == INSUFFICIENT

    @pytest.mark.parametrize("propensity", [np.nan, 1.0, 0.7])
    def test_without_overlap_it_is_insufficient_and_shows_no_value(self, propensity):
        finding = self.judge(0.8, propensity=propensity)
        assert finding.verdict == INSUFFICIENT
        assert not finding.figures

    def test_no_log_is_insufficient(self):
        assert self.guardrail.judge(Evidence(BOTH)).verdict == INSUFFICIENT

    def test_without_feedback_it_is_not_applicable(self):
        assert self.guardrail.judge(Evidence(ONLY["status"])).verdict == NOT_APPLICABLE


class TestEnoughData:
    guardrail = EnoughData(patients_to_fit=100, patients_to_calibrate=50, patients_to_judge=50, sessions_to_judge=500)

    def judge(self, declared=BOTH, **amounts):
        enough = {"fit": Amount(100, 1_000), "calibrate": Amount(50, 500), "judge": Amount(50, 500)}
        by_target = {target: {**enough, **amounts.get(target, {})} for target in declared}
        return self.guardrail.judge(Evidence(declared, data=DataEvidence(by_target, {})))

    def test_enough_for_both_targets_passes(self):
        assert self.judge().verdict == PASS

    def test_what_is_missing_is_counted_per_target_and_split(self):
        few = {"calibrate": Amount(43, 500), "judge": Amount(50, 488)}
        finding = self.judge(feedback=few, status={"fit": Amount(99, 99)})
        assert finding.verdict == INSUFFICIENT
        assert "7 more patients with feedback to calibrate" in finding.explanation
        assert "12 more sessions with feedback to judge" in finding.explanation
        assert "1 more patients with status to fit" in finding.explanation

    def test_a_final_status_comes_once_a_patient_so_sessions_are_not_asked_of_it(self):
        assert self.judge(status={"judge": Amount(50, 50)}).verdict == PASS

    def test_a_target_not_declared_is_not_asked_for(self):
        assert self.judge(declared=ONLY["status"]).verdict == PASS

    def test_a_declared_target_that_was_not_counted_is_insufficient(self):
        finding = self.guardrail.judge(Evidence(BOTH, data=DataEvidence({}, {})))
        assert finding.verdict == INSUFFICIENT


class TestGoldenAnswers:
    guardrail = GoldenAnswers(minimum_requests=20)

    def verdict(self, requests, differing):
        return self.guardrail.judge(Evidence(BOTH, golden=GoldenEvidence(requests, differing))).verdict

    def test_equal_answers_pass(self):
        assert self.verdict(20, 0) == PASS

    def test_a_differing_answer_fails_even_among_few(self):
        assert self.verdict(2, 1) == FAIL

    def test_few_requests_are_insufficient(self):
        assert self.verdict(19, 0) == INSUFFICIENT

    def test_a_bundle_not_asked_is_insufficient(self):
        assert self.guardrail.judge(Evidence(BOTH)).verdict == INSUFFICIENT
