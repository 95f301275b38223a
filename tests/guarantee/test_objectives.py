"""Where F misleads, looking at Mf ends better than argmax F; where contents drive away, a cost of it keeps patients.

Where they do not, nothing that matters is lost.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from models.contents import ContentArrays
from models.features import Features
from models.leaving import left_after
from models.policies import Dpo
from models.policies.fit_leaving import Departures, fit_leaving
from models.policies.fit_status_effects import GivenSessions, fit_status_effects
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.rows import Rows
from models.split import split
from models.targets import Target, target_rows
from models.treating import Treating
from posology.simulators import Conditions, World, simulate, treat
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

OPTIONS = {
    "coverage": 0.9,
    "iterations": 100,
    "depth": 5,
    "learning_rate": 0.15,
    "l2_leaf_reg": 5,
    "seed": 7,
    "threads": 1,
}
SURELY_ARGMAX = {"floor": 0.0, "temperature": 1e-6}
Worth = Callable[[str], tuple[float, float]]  # objective → mean true F, mean true change of status, positive better


def learnt(therapy: Therapy, tables: Tables) -> Dpo:
    """As the stages learn it."""
    features = Features(therapy, ContentArrays(therapy, tables.contents))

    def table(target: Target) -> pl.DataFrame:
        rows = split(target_rows(therapy, tables, target), past_share=0.6)
        matrix = features.of_given(tables, rows["session"].to_numpy())
        return rows.hstack(pl.DataFrame(matrix, schema=list(features.names), orient="row")).drop(
            "session", "decided_at", "known_at"
        )

    fit, calibrate = (Rows.of(table("feedback"), part) for part in ("fit", "calibrate"))
    predictor = fit_predictor(KINDS["catboost"], "feedback", fit, calibrate, options=OPTIONS, bounds=(0.0, 1.0))
    chances = tables.sessions.select("decision_id", chance="probability", n_eligible=pl.col("eligible").list.len())
    ended = table("status").filter(pl.col("part") != "judge").join(chances, on="decision_id", maintain_order="left")
    return Dpo(therapy, predictor, fit_status_effects(GivenSessions.of(ended, features, predictor)))


def worth_in(conditions: Conditions) -> Worth:
    therapy = load_therapy("mci")
    policy = learnt(therapy, simulate(therapy, patients=3000, seed=41, conditions=conditions).tables)

    def worth(objective: str) -> tuple[float, float]:
        exploration = therapy.exploration.model_copy(update=SURELY_ARGMAX)
        asked = therapy.model_copy(update={"objective": objective, "exploration": exploration})
        world = World(therapy, patients=200, seed=42, enrolment_days=7, conditions=conditions, abreast=True)
        truth = treat(world, Treating(Dpo(asked, policy.feedback, policy.effects)), seed=42).truth
        ended = truth.patients.drop_nulls("status_at_end_of_all")
        change = (ended["status_at_end_of_all"] - ended["status_at_start"]).to_numpy()
        return float(truth.decisions["given_feedback"].to_numpy().mean()), float(np.mean(change))

    return worth


@pytest.mark.slow
def test_where_f_misleads_those_who_look_at_mf_end_better() -> None:
    worth = worth_in(Conditions(misleading=1.0))
    _, by_feedback = worth("feedback")
    assert worth("constrained")[1] > by_feedback + 0.5  # points of the MMSE
    assert worth("status")[1] > by_feedback + 0.3


@pytest.mark.slow
def test_where_f_is_a_good_stand_in_the_constraint_loses_nothing_that_matters() -> None:
    worth = worth_in(Conditions())
    by_feedback, constrained = worth("feedback"), worth("constrained")
    assert constrained[0] > by_feedback[0] - 0.01  # F
    assert constrained[1] > by_feedback[1] - 0.2  # points of the MMSE


def with_leaving(policy: Dpo, tables: Tables) -> Dpo:
    """As the stage learns who leaves, and with its usual cost."""
    therapy, features = policy.therapy, Features(policy.therapy, ContentArrays(policy.therapy, tables.contents))
    rows = target_rows(therapy, tables, "status", unfinished=True)
    matrix = pl.DataFrame(features.of_given(tables, rows["session"].to_numpy()), list(features.names))
    described = (
        rows.select("decision_id")
        .hstack(matrix)
        .join(left_in(therapy, tables), on="decision_id", maintain_order="left")
    )
    leaving = fit_leaving(Departures.of(described, features, policy.feedback))
    return replace(policy, therapy=therapy.model_copy(update={"dropout": 10.0}), leaving=leaving)


def left_in(therapy: Therapy, tables: Tables, *, long_after: timedelta = timedelta(0)) -> pl.DataFrame:
    assert therapy.status
    assert tables.as_of
    return left_after(therapy.status, tables.sessions, tables.measurements, tables.as_of + long_after)


def kept(policy: Dpo, conditions: Conditions) -> tuple[float, float, float]:
    """Sessions of a patient, the share of patients who left, and mean true F."""
    world = World(policy.therapy, patients=800, seed=44, enrolment_days=7, conditions=conditions, abreast=True)
    cohort = treat(world, Treating(policy), seed=44)
    sessions, patients = cohort.tables.sessions.height, cohort.tables.users["consent"].sum()
    left = left_in(policy.therapy, cohort.tables, long_after=timedelta(days=100))["left"].sum()
    return sessions / patients, left / patients, float(cohort.truth.decisions["given_feedback"].to_numpy().mean())


@pytest.mark.thorough
@pytest.mark.parametrize("deterring", [0.0, 1.0])
def test_a_cost_of_drop_out_keeps_patients_where_contents_drive_them_away_and_costs_little_f(deterring: float) -> None:
    therapy, conditions = load_therapy("mci"), Conditions(deterring=deterring)
    tables = simulate(therapy, patients=2000, seed=43, conditions=conditions).tables
    without = learnt(therapy, tables)
    with_cost = with_leaving(without, tables)
    assert with_cost.leaving is not None
    sessions, left, feedback = np.array([kept(policy, conditions) for policy in (without, with_cost)]).T
    assert feedback[1] > feedback[0] - 0.02
    if deterring:
        assert with_cost.leaving.content.std() > 0.3
        assert sessions[1] > 1.01 * sessions[0]
        assert left[1] < 0.9 * left[0]
    else:
        assert with_cost.leaving.content.std() < 0.15
        assert sessions[1] > 0.98 * sessions[0]
