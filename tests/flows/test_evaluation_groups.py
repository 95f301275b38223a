"""Protected groups in the evaluation: whoever is predicted worse is shown to be."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.evaluation.groups import group_rows
from posology.guardrails import PredictionEvidence
from posology.therapy import Column

PATIENTS, EACH = 60, 4


def candidate() -> Any:
    """A candidate as far as groups look at it: half of the patients are of one sex, two have none known."""
    ids = [f"p{number:02d}" for number in range(PATIENTS)]
    sex = ["female" if number % 2 else "male" for number in range(PATIENTS - 2)] + [None, None]
    rows = pl.DataFrame({"user_id": np.repeat(ids, EACH), "part": "judge"})
    columns = {"sex": Column(kind="category", values=("female", "male"), protected=True), "age": Column(kind="number")}
    return SimpleNamespace(
        feature_table=lambda _: rows,
        therapy=SimpleNamespace(user=columns),
        tables=SimpleNamespace(users=pl.DataFrame({"user_id": ids, "sex": sex})),
        params=SimpleNamespace(evaluation=SimpleNamespace(seed=3)),
    )


def test_a_group_that_is_promised_too_much_stands_out() -> None:
    patient = np.repeat(np.arange(PATIENTS), EACH)
    truth = np.random.default_rng(1).uniform(0.2, 0.6, patient.size)
    predicted = truth + np.where(patient % 2, 0.2, 0.0)  # women are promised too much
    evidence = PredictionEvidence(
        "feedback", patient, truth, predicted, predicted - 0.1, predicted + 0.1, {"mean": truth}, None
    )
    female, male, unknown = group_rows(candidate(), evidence)
    assert (female.group, female.patients) == ("sex: female", 29)
    assert female.bias is not None
    assert male.bias is not None
    assert female.bias.mean == pytest.approx(0.2)
    assert male.bias.mean == pytest.approx(0.0)
    assert female.coverage is not None
    assert female.coverage.mean == 0.0
    assert (unknown.group, unknown.patients, unknown.loss) == ("sex: unknown", 2, None)
