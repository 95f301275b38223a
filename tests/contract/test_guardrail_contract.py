"""What every guardrail keeps to."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from posology.errors import SettingsError
from posology.guardrails import (
    GUARDRAILS,
    Amount,
    DataEvidence,
    Evidence,
    GoldenEvidence,
    PredictionEvidence,
    StressEvidence,
    TableRows,
    Verdict,
    guardrails_from,
    judge,
    overall,
)
from posology.offpolicy import LoggedDecisions
from posology.surrogate import ArmScores, CourseOutcomes, SurrogateEvidence

PARAMS = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())["guardrails"]
SHIPPED = guardrails_from(PARAMS)
CODES_FOR_EVER = ["G001", "G101", "G102", "G103", "G104", "G105", "G201", "G301", "G401", "G501", "G601"]
PARTS = ["data", "feedback", "status", "stress", "logged", "golden", "surrogate"]
each_guardrail = pytest.mark.parametrize("guardrail", SHIPPED, ids=lambda guardrail: guardrail.code)


def predictions(target, order):
    rng = np.random.default_rng(1)
    truth, error, baseline_error = rng.normal(size=(3, 1_000))
    predicted = truth + 0.1 * error
    columns = {
        "patient": np.repeat(np.arange(100), 10),
        "truth": truth,
        "predicted": predicted,
        "low": predicted - 0.2,
        "high": predicted + 0.2,
        "champion": truth + 0.2 * baseline_error,
    }
    baselines = {"mean": (truth + 0.5 * baseline_error)[order]}
    return PredictionEvidence(target=target, baselines=baselines, **{k: v[order] for k, v in columns.items()})


def logged(order):
    rng = np.random.default_rng(2)
    reward, target = rng.random(1_000), np.full(1_000, 0.5)
    columns = {
        "patient": np.repeat(np.arange(100), 10),
        "reward": reward,
        "propensity": target,
        "target": target,
        "predicted_given": reward / 2,
        "predicted_target": reward / 2,
        "n_eligible": np.full(1_000, 2),
    }
    return LoggedDecisions(**{name: values[order] for name, values in columns.items()})


def surrogate(order):
    rng = np.random.default_rng(4)
    feedback, noise = rng.normal(size=(2, 1_000))
    patient = np.repeat(np.arange(100), 10)
    scores = rng.normal(size=(1_000, 3))
    of_patient = rng.random((2, 100))
    return SurrogateEvidence(
        patient=patient[order],
        weight=np.ones(1_000),
        feedback=feedback[order],
        status=(feedback + 0.1 * noise)[order],
        by_feedback=np.ones(1_000),
        lost=noise[order],
        arms=ArmScores(("a", "b", "c"), scores[order], scores[order], np.ones((1_000, 3), dtype=bool)),
        courses=CourseOutcomes(of_patient[0], of_patient[1], {}, {}),
        smallest_important_change=1.0,
    )


@pytest.fixture(scope="module")
def good():
    return good_evidence(np.arange(1_000))


def good_evidence(order):
    splits = dict.fromkeys(("fit", "calibrate", "judge"), Amount(100, 1_000))
    return Evidence(
        declared=frozenset({"feedback", "status"}),
        data=DataEvidence({"feedback": splits, "status": splits}, {"users": TableRows(300, 0)}),
        feedback=predictions("feedback", order),
        status=predictions("status", order),
        stress=StressEvidence(3_000, 0),
        logged=logged(order),
        golden=GoldenEvidence(20, 0),
        surrogate=surrogate(order),
    )


def test_the_codes_are_the_ones_promised():
    assert [kind.code for kind in GUARDRAILS] == CODES_FOR_EVER


def test_a_good_release_passes_them_all(good):
    findings = judge(SHIPPED, good)
    assert {finding.verdict for finding in findings} == {Verdict.PASS}
    assert overall(findings) == Verdict.PASS


@each_guardrail
def test_it_is_a_frozen_value_that_says_what_its_thresholds_are(guardrail):
    with pytest.raises(dataclasses.FrozenInstanceError):
        guardrail.code = "G000"
    documented = "\n".join(kind.__doc__ for kind in type(guardrail).__mro__ if kind.__module__.startswith("posology"))
    for field in dataclasses.fields(guardrail):
        assert re.search(rf"^\s+{field.name}: \w", documented, re.MULTILINE), field.name
        with pytest.raises(SettingsError, match=field.name):
            dataclasses.replace(guardrail, **{field.name: -1})


@each_guardrail
def test_it_speaks_in_json_and_in_words(guardrail, good):
    finding = guardrail.judge(good)
    assert json.loads(json.dumps(finding.as_json(), allow_nan=False))["code"] == guardrail.code
    assert finding.title == guardrail.title
    assert finding.explanation
    assert finding.figures


@each_guardrail
def test_the_same_evidence_gives_the_same_finding(guardrail, good):
    assert guardrail.judge(good) == guardrail.judge(good_evidence(np.arange(1_000)))


@each_guardrail
def test_the_order_of_rows_does_not_change_the_verdict_or_the_figures(guardrail, good):
    shuffled = guardrail.judge(good_evidence(np.random.default_rng(3).permutation(1_000)))
    before = guardrail.judge(good)
    assert shuffled.verdict == before.verdict
    assert dict(shuffled.figures) == pytest.approx(dict(before.figures))


@pytest.mark.parametrize("part", PARTS)
def test_without_any_part_of_the_evidence_a_release_does_not_pass(part, good):
    assert overall(judge(SHIPPED, dataclasses.replace(good, **{part: None}))) == Verdict.INSUFFICIENT


@each_guardrail
def test_without_evidence_it_does_not_pass(guardrail):
    nothing = Evidence(declared=frozenset({"feedback", "status"}))
    assert guardrail.judge(nothing).verdict in (Verdict.INSUFFICIENT, Verdict.NOT_APPLICABLE)


@each_guardrail
def test_an_error_while_judging_is_a_failure_that_tells_no_data(guardrail):
    class Broken:
        """Raises whatever is asked of it."""

        def __getattr__(self, name):
            raise RuntimeError("patient 7 scored 12")

    finding = guardrail.judge(Broken())
    assert finding.verdict == Verdict.FAIL
    assert "RuntimeError" in finding.explanation
    assert "12" not in finding.explanation
