"""Evidence checks itself, findings travel as JSON, the worst verdict counts."""

import json

import numpy as np
import pytest

from posology.guardrails import (
    Evidence,
    Finding,
    GoldenEvidence,
    PredictionEvidence,
    StressEvidence,
    TableRows,
    Verdict,
    overall,
)


def predictions(**changes):
    usual = {name: np.zeros(4) for name in ("patient", "truth", "predicted", "low", "high")}
    more = {"target": "feedback", "baselines": {"mean": np.zeros(4)}, "champion": None}
    return PredictionEvidence(**{**usual, **more, **changes})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"target": "mood"}, "expected one of feedback, status"),
        ({"baselines": {}}, "one baseline or more"),
        ({"truth": np.zeros(3)}, "truth has shape"),
        ({"predicted": np.full(4, np.nan)}, "predicted holds values that are not finite"),
        ({"champion": np.full(4, np.inf)}, "champion holds"),
        ({"baselines": {"mean": np.zeros(5)}}, "baseline mean has shape"),
        ({"low": np.ones(4)}, "low end is above"),
        ({"nominal_coverage": 90}, "expected between 0 and 1"),
    ],
)
def test_predictions_that_do_not_fit_together_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        predictions(**changes)


def test_evidence_of_another_target_or_of_one_not_declared_is_refused():
    with pytest.raises(ValueError, match="status: evidence of feedback"):
        Evidence(frozenset({"status"}), status=predictions())
    with pytest.raises(ValueError, match="while the therapy declares status"):
        Evidence(frozenset({"status"}), feedback=predictions())
    with pytest.raises(ValueError, match="declared"):
        Evidence(frozenset())


@pytest.mark.parametrize("kind", [StressEvidence, GoldenEvidence, TableRows])
def test_more_bad_than_there_are_is_refused(kind):
    bad = (1, 2)
    with pytest.raises(ValueError, match="2"):
        kind(*bad)


def finding(verdict):
    return Finding("G001", "title", verdict, "because", {"share": 0.5, "rows": 3})


def test_a_finding_survives_json():
    before = finding(Verdict.INSUFFICIENT)
    plain = json.loads(json.dumps(before.as_json(), allow_nan=False))
    assert plain["verdict"] == "insufficient evidence"
    assert Finding.from_json(plain) == before


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), None, np.zeros(2)])
def test_a_figure_that_json_cannot_hold_is_refused(figure):
    with pytest.raises((ValueError, TypeError), match="share"):
        Finding("G001", "title", Verdict.PASS, "because", {"share": figure})


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass", "not applicable"], "pass"),
        (["pass", "insufficient evidence"], "insufficient evidence"),
        (["insufficient evidence", "fail", "pass"], "fail"),
        (["not applicable"], "insufficient evidence"),
        ([], "insufficient evidence"),
    ],
)
def test_the_worst_verdict_counts_and_nothing_found_is_no_pass(verdicts, expected):
    assert overall(finding(Verdict(verdict)) for verdict in verdicts) == expected
