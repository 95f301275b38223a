"""The filter that knows the mechanism: honest, blind to the future, and between chance and the oracle."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from posology.simulators import Clinician, Cohort, Informed, Oracle, World, informed_feedback, simulate, treat
from posology.therapy import Therapy
from posology.therapy_file import find_therapy, load_therapy

PARTICLES = 150


@pytest.fixture(scope="module")
def mci() -> Therapy:
    return load_therapy(find_therapy("mci"))


@pytest.fixture(scope="module")
def cohort(mci: Therapy) -> Cohort:
    return simulate(mci, patients=40, seed=3)


@pytest.fixture(scope="module")
def known(mci: Therapy, cohort: Cohort) -> np.ndarray:
    return informed_feedback(mci, cohort.tables, particles=PARTICLES)


def _truth(cohort: Cohort) -> np.ndarray:
    order = cohort.tables.sessions.select("decision_id")
    decisions = order.join(cohort.truth.decisions, on="decision_id", how="left", maintain_order="left")
    return np.array(decisions["expected_feedback"].to_list())


def test_its_predictions_are_right_on_average_at_every_height(known: np.ndarray, cohort: Cohort) -> None:
    slope, _ = np.polyfit(known.ravel(), _truth(cohort).ravel(), 1)
    assert 0.85 < slope < 1.1


def test_it_explains_more_than_half_of_the_truth_and_not_all(known: np.ndarray, cohort: Cohort) -> None:
    truth = _truth(cohort)
    assert 0.5 < 1 - ((known - truth) ** 2).mean() / truth.var() < 0.95


def test_a_prediction_sees_only_what_came_before_it(mci: Therapy, cohort: Cohort) -> None:
    longest = cohort.tables.sessions["user_id"].value_counts(sort=True)["user_id"][:1]
    tables = cohort.tables.of_users(longest)
    nth = pl.int_range(pl.len())
    blanked = tables.sessions.sort("decided_at").with_columns(pl.when(nth < 5).then(pl.col("score")).alias("score"))
    with_all, without = (
        informed_feedback(mci, dataclasses.replace(tables, sessions=sessions), particles=PARTICLES)
        for sessions in (tables.sessions.sort("decided_at"), blanked)
    )
    assert np.array_equal(with_all[:6], without[:6])
    assert not np.allclose(with_all[6:], without[6:])


def test_its_policy_lies_between_the_clinician_and_the_oracle(mci: Therapy) -> None:
    def value(policy: Clinician | Informed | Oracle) -> float:
        world = World(mci, patients=40, seed=5, abreast=True)
        return treat(world, policy, seed=5).truth.summary()["feedback"]["given"] or 0.0

    assert value(Clinician()) + 0.05 < value(Informed(particles=PARTICLES)) < value(Oracle())
