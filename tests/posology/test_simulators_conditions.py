"""Each switch does what it says, seen against the known truth; off, it does nothing."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from posology.errors import CannotDo
from posology.simulators import MECHANISMS, Clinician, Cohort, Conditions, Oracle, simulate, value_of
from posology.simulators.population import moved
from posology.simulators.truth import counted_feedback
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

SWITCHES = [each.name for each in dataclasses.fields(Conditions)]

CHANCE = Clinician(trying=1.0)


@pytest.fixture(scope="module")
def therapy() -> Therapy:
    """Three weeks of mci."""
    mci = load_therapy("mci")
    assert mci.status
    short = mci.status.model_copy(update={"final_after_days": 21.0, "final_window_days": 7.0})
    return mci.model_copy(update={"status": short})


def expected_of(cohort: Cohort) -> np.ndarray:
    return np.array(cohort.truth.decisions["expected_feedback"].to_list())


def change(cohort: Cohort) -> float:
    patients = cohort.truth.patients.drop_nulls("status_at_end_of_all")
    return float((patients["status_at_end_of_all"] - patients["status_at_start"]).mean())  # type: ignore[arg-type]


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
@pytest.mark.parametrize("switch", SWITCHES)
def test_a_strength_outside_0_to_1_is_refused(switch: str, strength: float) -> None:
    with pytest.raises(CannotDo, match=f"{switch} is .*from 0"):
        Conditions(**{switch: strength})


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_changes_what_comes(switch: str, therapy: Therapy) -> None:
    patients = 600 if switch in ("dropout", "deterring") else 8  # few leave in three weeks
    none, weak, full = (
        simulate(
            therapy, patients=patients, seed=1, weeks=2, conditions=Conditions(**{switch: strength})
        ).truth.decisions
        for strength in (0.0, 0.2, 1.0)
    )
    assert_frame_equal(none, simulate(therapy, patients=patients, seed=1, weeks=2).truth.decisions)
    assert not none.equals(weak)
    assert not weak.equals(full)


def errors_of_ips(therapy: Therapy, confounding: float) -> tuple[float, float]:
    """Standard errors by which the value of a policy that likes demanding contents is off: by logged, by true odds."""
    cohort = simulate(
        therapy, patients=500, seed=3, weeks=1, policy=CHANCE, conditions=Conditions(confounding=confounding)
    )
    ids = cohort.tables.contents["content_id"].to_list()
    rows = cohort.truth.decisions.select("decision_id", true="probability").join(
        cohort.tables.sessions, on="decision_id", maintain_order="left"
    )
    eligible = np.array([np.isin(ids, row) for row in rows["eligible"].to_list()])
    weight = eligible * np.exp(cohort.tables.contents["level"].to_numpy() / 2)
    target = weight / weight.sum(axis=1, keepdims=True)
    given = target[np.arange(len(rows)), [ids.index(content_id) for content_id in rows["content_id"]]]
    value = counted_feedback(therapy, rows).to_numpy()
    truth = value_of(cohort.truth, target)
    errors = []
    for odds in (rows["probability"], rows["true"]):
        worth = given / odds.to_numpy() * value
        errors.append(abs(worth.mean() - truth) / (worth.std() / len(worth) ** 0.5))
    return errors[0], errors[1]


def test_with_confounding_logged_propensities_mislead_and_only_the_true_ones_do_not(therapy: Therapy) -> None:
    by_logged, by_true = errors_of_ips(therapy, confounding=1.0)
    assert by_logged > 6
    assert by_true < 4


def test_without_confounding_logged_propensities_are_the_true_ones(therapy: Therapy) -> None:
    by_logged, by_true = errors_of_ips(therapy, confounding=0.0)
    assert by_logged == by_true < 4


def test_logged_propensities_are_the_chance_given_what_is_recorded(therapy: Therapy) -> None:
    conditions = Conditions(confounding=1.0)
    sessions = simulate(therapy, patients=300, seed=5, weeks=1, policy=CHANCE, conditions=conditions).tables.sessions
    weight = (1 / sessions["probability"] / sessions["eligible"].list.len()).to_numpy()
    assert abs(weight.mean() - 1) < 4 * weight.std() / len(weight) ** 0.5


def test_where_feedback_misleads_the_best_of_it_heals_less_than_chance(therapy: Therapy) -> None:
    gain = {}
    for misleading in (0.0, 1.0):
        of_best, of_chance = (
            change(
                simulate(
                    therapy,
                    patients=250,
                    seed=3,
                    weeks=1,
                    policy=policy,
                    conditions=Conditions(misleading=misleading),
                )
            )
            for policy in (Oracle(), CHANCE)
        )
        gain[misleading] = of_best - of_chance
    assert gain[0.0] > 0.3
    assert gain[1.0] < -0.05


def test_drift_changes_over_the_calendar_what_is_liked_and_who_comes(therapy: Therapy) -> None:
    found = {}
    for drift in (0.0, 1.0):
        cohort = simulate(therapy, patients=250, seed=2, weeks=40, conditions=Conditions(drift=drift))
        domain = cohort.tables.contents["domain"].to_numpy()
        lead = expected_of(cohort)[:, domain == "memory"].mean(axis=1)
        lead -= expected_of(cohort)[:, domain == "attention"].mean(axis=1)
        rows = cohort.truth.decisions.select("decision_id").join(
            cohort.tables.sessions, on="decision_id", maintain_order="left"
        )
        year = (rows["decided_at"] - rows["decided_at"].min()).dt.total_days().to_numpy() / 365
        enrolled = np.arange(250) / 250
        found[drift] = (
            np.polyfit(year, lead, 1)[0],
            np.polyfit(enrolled, cohort.truth.patients["status_at_start"].to_numpy(), 1)[0],
        )
    assert abs(found[0.0][0]) < 0.05
    assert found[1.0][0] > 0.3
    assert found[1.0][1] < found[0.0][1] - 1.0


def test_sites_differ_in_who_comes_and_how_they_answer(therapy: Therapy) -> None:
    spread = {}
    for sites in (0.0, 1.0):
        cohort = simulate(therapy, patients=500, seed=4, weeks=1, policy=CHANCE, conditions=Conditions(sites=sites))
        site = cohort.tables.users.select("user_id", "site")
        status = cohort.truth.patients.join(site, on="user_id").group_by("site").agg(pl.col("status_at_start").mean())
        answers = cohort.tables.sessions.with_columns(value=counted_feedback(therapy, cohort.tables.sessions))
        value = answers.join(site, on="user_id").group_by("site").agg(pl.col("value").mean())
        spread[sites] = {
            name: frame.sort("site")[column].to_numpy()
            for name, frame, column in (("status", status, "status_at_start"), ("value", value, "value"))
        }
    assert np.ptp(spread[0.0]["status"]) < 1.2
    assert np.ptp(spread[1.0]["status"]) > 2.0
    assert np.ptp(spread[1.0]["value"]) > np.ptp(spread[0.0]["value"]) + 0.1


def test_the_second_population_is_sicker_learns_less_and_answers_less(therapy: Therapy) -> None:
    first, second = (
        simulate(therapy, patients=300, seed=6, weeks=1, policy=Clinician(), conditions=Conditions(transfer=strength))
        for strength in (0.0, 1.0)
    )
    start = [float(each.truth.patients["status_at_start"].mean()) for each in (first, second)]  # type: ignore[arg-type]
    silent = [float(each.tables.sessions["feedback_at"].is_null().mean()) for each in (first, second)]  # type: ignore[arg-type]
    assert start[1] < start[0] - 1.0
    assert change(second) < change(first)
    assert silent[1] > silent[0] + 0.03


def test_the_way_to_the_second_population_is_gradual() -> None:

    for mechanism in MECHANISMS.values():
        means = [moved(mechanism, share).capacity_mean for share in (0.0, 0.5, 1.0)]
        assert means == pytest.approx([mechanism.capacity_mean - share for share in (0.0, 0.5, 1.0)])
        assert moved(mechanism, 0.0) == mechanism
