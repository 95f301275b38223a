"""Intervals cover new patients; every patient weighs the same."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.predictors.baselines import baselines_of
from models.predictors.conformal import conformal_margin
from models.predictors.rows import Rows

NAMES = ("content", "feedback_last", "score_last")


def scores(rng: np.random.Generator, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """How far outcomes fall outside; the rows of a patient resemble each other, and the ill have more of them."""
    level = rng.normal(size=patients)
    patient = np.repeat(np.arange(patients), np.clip(np.exp(1 + level), 1, 40).astype(int))
    return 0.9 * level[patient] + 0.4 * rng.normal(size=patient.size), patient


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_a_new_patient_s_outcome_is_covered_as_promised(coverage):
    rng, covered = np.random.default_rng(5), []
    for _ in range(400):
        margin = conformal_margin(*scores(rng, 40), coverage=coverage)
        new, patient = scores(rng, 20)
        covered.append((np.bincount(patient, new <= margin) / np.bincount(patient)).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert np.mean(covered) > coverage - 3 * error
    assert np.mean(covered) < coverage + 1 / 41 + 3 * error  # no wider than the finite sample needs


def test_rows_taken_for_patients_would_not_cover():
    rng, covered = np.random.default_rng(5), []
    for _ in range(200):
        score, _ = scores(rng, 40)
        margin = conformal_margin(-score, np.arange(score.size), coverage=0.9)
        new, patient = scores(rng, 20)
        covered.append((np.bincount(patient, -new <= margin) / np.bincount(patient)).mean())
    assert np.mean(covered) < 0.88  # those with most rows are the easy ones here


def test_the_margin_is_the_quantile_of_patients_and_not_of_rows():
    score, patient = np.array([0.0] * 90 + [1.0, 2.0, 3.0]), np.array([0] * 90 + [1, 2, 3])
    assert conformal_margin(score, patient, coverage=0.2) == 0.0
    assert conformal_margin(score, patient, coverage=0.4) == 1.0
    assert conformal_margin(score, patient, coverage=0.6) == 2.0


def test_the_margin_is_a_little_wider_for_there_are_few_patients():
    score = np.arange(1.0, 10)  # the 0.75 (1 + 1/9) quantile of nine is the eighth, not the seventh
    assert conformal_margin(score, np.arange(9), coverage=0.75) == 8


@given(
    coverage=st.floats(0.5, 0.99),
    scored=st.lists(st.tuples(st.integers(0, 5), st.floats(-5, 5)), min_size=1, max_size=30),
)
def test_the_margin_is_one_of_the_scores_and_grows_with_the_coverage(coverage, scored):
    patient, score = (np.array(column) for column in zip(*scored, strict=True))
    margin = conformal_margin(score, patient, coverage=coverage)
    assert margin in score
    assert margin <= conformal_margin(score, patient, coverage=0.99)
    order = np.random.default_rng(1).permutation(score.size)
    assert conformal_margin(score[order], patient[order] + 7, coverage=coverage) == margin


def test_too_few_patients_for_the_level_give_the_widest_margin():
    assert conformal_margin(np.array([0.1, 0.7, -0.2]), np.array([0, 1, 2]), coverage=0.9) == 0.7


def rows_of(*rows: tuple[str, str, float, float, float, float]) -> Rows:
    columns = ["user_id", "part", "target", "content", "feedback_last", "score_last"]
    table = pl.DataFrame(list(rows), schema=columns, orient="row").with_columns(decision_id=pl.lit("d"))
    return Rows.of(table.with_columns(content_id=pl.lit("c")), "fit")


@pytest.fixture
def few() -> Rows:
    return rows_of(
        ("ann", "fit", 1.0, 0, 0.2, 20.0),
        ("bob", "fit", 0.0, 1, 0.4, 21.0),
        ("bob", "fit", 0.0, 1, 0.6, float("nan")),
        ("bob", "fit", 0.0, 1, 0.6, 24.0),
        ("eve", "judge", 9.0, 1, 9.0, 9.0),
    )


def test_rows_are_those_of_their_part_with_the_features_and_nothing_else(few):
    assert few.names == NAMES
    assert few.features.shape == (4, 3)
    assert few.target.tolist() == [1, 0, 0, 0]
    assert few.patients == 2
    assert few.column("feedback_last").tolist() == [0.2, 0.4, 0.6, 0.6]


def test_the_rows_of_a_patient_together_weigh_one(few):
    assert few.weight.mean() == pytest.approx(1)
    assert few.weight[0] == pytest.approx(few.weight[1:].sum())


def test_no_rows_are_no_patients():
    nobody = rows_of(("eve", "judge", 9.0, 1, 9.0, 9.0))
    assert (nobody.patients, nobody.weight.size) == (0, 0)


def test_the_baselines_of_feedback_say_what_their_names_say(few):
    judge = rows_of(("zoe", "fit", 0.5, 1, 0.9, 20.0), ("zoe", "fit", 0.5, 2, float("nan"), 20.0))
    found = {name: predict(few, judge).tolist() for name, predict in baselines_of("feedback").items()}
    assert found["mean"] == [0.5, 0.5]
    assert found["last value"] == [0.9, 0.5]
    assert found["content mean"] == pytest.approx([5 * 0.5 / (3 + 5), 0.5])


def test_the_baselines_of_the_status_say_what_their_names_say(few):
    judge = rows_of(("zoe", "fit", 0.5, 1, 0.9, 20.0), ("zoe", "fit", 0.5, 2, 0.9, float("nan")))
    found = {name: predict(few, judge).tolist() for name, predict in baselines_of("status").items()}
    assert found["mean"] == [0.5, 0.5]
    assert found["last value"] == [20.0, 0.5]
    change = (1 - 20 + 0 - 21 + 0 - 24) / 3
    assert found["last value + mean change"] == pytest.approx([20 + change, 0.5 + change])
