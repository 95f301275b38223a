"""Simulated cohorts are neither hopeless nor trivial: what can be known, gained and changed is in stated bands."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from posology.simulators import simulate
from posology.simulators.truth import counted_feedback
from posology.therapy_file import load_therapy

NAMES = ["mci", "depression", "tinnitus"]
STATUS_CHANGE = {"mci": (0.8, 2.5), "depression": (-5.5, -2.0), "tinnitus": (-16, -6)}
SEPARATION = {"mci": 0.7, "depression": 1.0, "tinnitus": 3.5}  # least SD of the true change, points


@dataclass(frozen=True)
class Numbers:
    """What a cohort of 400 patients shows."""

    value: np.ndarray  # F of each session, NaN where it is left out
    expected: np.ndarray  # its true mean
    random: np.ndarray  # mean over the eligible contents
    best: np.ndarray  # of the best eligible content
    sessions_per_patient: float
    share_with_final: float
    change: np.ndarray  # true status at the end minus at the start
    dose: np.ndarray  # sum of the expected F a patient got


@pytest.fixture(scope="module", params=NAMES)
def numbers(request: pytest.FixtureRequest) -> tuple[str, Numbers]:
    therapy = load_therapy(request.param)
    assert therapy.feedback
    cohort = simulate(therapy, patients=400, seed=11, weeks=8)
    sessions = cohort.tables.sessions
    decisions = sessions.select("decision_id", "user_id", "content_id", "eligible").join(
        cohort.truth.decisions, on="decision_id", maintain_order="left"
    )
    ids = cohort.tables.contents["content_id"].to_list()
    expected = np.array(decisions["expected_feedback"].to_list())
    chosen = decisions["content_id"].replace_strict({x: i for i, x in enumerate(ids)}, return_dtype=pl.Int64)
    of_chosen = expected[np.arange(len(expected)), chosen.to_numpy()]
    is_eligible = np.array([np.isin(ids, row) for row in decisions["eligible"].to_list()])
    doses = decisions.with_columns(dose=of_chosen).group_by("user_id").agg(pl.col("dose").sum())
    finished = cohort.truth.patients.drop_nulls("status_at_end").join(doses, on="user_id")
    return therapy.name, Numbers(
        value=counted_feedback(therapy, sessions).to_numpy(),
        expected=of_chosen,
        random=(expected * is_eligible).sum(axis=1) / is_eligible.sum(axis=1),
        best=np.where(is_eligible, expected, -1).max(axis=1),
        sessions_per_patient=sessions.height / 400,
        share_with_final=cohort.truth.patients["status_at_end"].is_not_null().mean(),  # type: ignore[arg-type]
        change=(finished["status_at_end"] - finished["status_at_start"]).to_numpy(),
        dose=finished["dose"].to_numpy(),
    )


def test_the_mean_of_feedback_is_what_the_truth_says(numbers: tuple[str, Numbers]) -> None:
    _, n = numbers
    difference = (n.value - n.expected)[~np.isnan(n.value)]
    assert abs(difference.mean()) < 4 * difference.std() / len(difference) ** 0.5


def test_about_half_of_feedback_can_be_known(numbers: tuple[str, Numbers]) -> None:
    _, n = numbers
    here = ~np.isnan(n.value)
    assert 0.4 < n.expected[here].var() / n.value[here].var() < 0.65


def test_the_clinic_beats_chance_and_leaves_room(numbers: tuple[str, Numbers]) -> None:
    _, n = numbers
    assert 0.4 < n.expected.mean() < 0.6
    assert n.random.mean() + 0.03 < n.expected.mean() < n.best.mean() - 0.15
    assert 0.7 < n.best.mean() < 0.85


def test_most_patients_stay_and_some_leave(numbers: tuple[str, Numbers]) -> None:
    name, n = numbers
    assert (18 if name == "depression" else 28) < n.sessions_per_patient < 45
    assert 0.6 < n.share_with_final < 0.92


def test_patients_end_differently_and_the_dose_tells_how(numbers: tuple[str, Numbers]) -> None:
    name, n = numbers
    low, high = STATUS_CHANGE[name]
    assert low < n.change.mean() < high
    assert n.change.std() > SEPARATION[name]
    assert abs(np.corrcoef(n.change, n.dose)[0, 1]) > 0.5
