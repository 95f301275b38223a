"""One choice: the same as in a batch, the same for the same seed, and safe when there is nothing to go by."""

import dataclasses
import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.choice import NO_FIRST_STATUS, NOT_OFFERED, NOTHING_ELSE, Choice, choose, draw, score
from models.release import Release
from posology.errors import NotFound
from posology.tables import Tables

CONTEXT = {"sleep_hours": 7.0, "hour_of_day": 10.0}


@pytest.fixture(scope="module")
def patient(cohort: Tables) -> Tables:
    """The course of the patient with the most sessions."""
    counts = cohort.sessions.group_by("user_id").len().sort("len", "user_id")
    return cohort.of_users([counts["user_id"][-1]])


@pytest.fixture(scope="module")
def now(patient: Tables) -> datetime:
    return patient.sessions["decided_at"].max() + timedelta(days=1)


@pytest.fixture(scope="module")
def choice(release: Release, patient: Tables, now: datetime) -> Choice:
    return choose(release, patient, now=now, context=CONTEXT, seed=1)


def test_a_stored_decision_is_chosen_from_the_very_numbers_of_the_batch(release, cohort):
    rows = np.arange(7, cohort.sessions.height, cohort.sessions.height // 25)
    batch = score(release, cohort, rows)
    for place, row in enumerate(rows):
        session = cohort.sessions.row(int(row), named=True)
        tables = cohort.of_users([session["user_id"]])
        past = tables.sessions.filter(pl.col("decision_id") != session["decision_id"])
        context = {name: session[name] for name in release.therapy.context}
        course = dataclasses.replace(tables, sessions=past)
        single = choose(release, course, now=session["decided_at"], context=context, seed=1)
        for content, content_id in enumerate(release.contents["content_id"]):
            ranked = next(item for item in single.ranking if item.content_id == content_id)
            assert ranked.probability == batch.probability[place, content]
            assert ranked.eligible == batch.blocks.eligible[place, content]
            assert ranked.reasons == batch.blocks.reasons(place, content)
            assert ranked.feedback == tuple(batch.feedback[place, content])
            assert ranked.status == tuple(batch.status[place, content])


def test_the_choice_stands_in_its_ranking_most_probable_first(release, choice):
    probabilities = [item.probability for item in choice.ranking]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert {item.content_id for item in choice.ranking} == set(release.contents["content_id"])
    chosen = next(item for item in choice.ranking if item.content_id == choice.content_id)
    assert (chosen.eligible, chosen.probability, chosen.reasons) == (True, choice.probability, ())
    assert all(item.eligible == (item.probability > 0) == (not item.reasons) for item in choice.ranking)


def test_the_same_seed_draws_the_same_and_other_seeds_others(release, patient, now, choice):
    assert choose(release, patient, now=now, context=CONTEXT, seed=1) == choice
    assert len({choose(release, patient, now=now, context=CONTEXT, seed=seed).content_id for seed in range(12)}) > 1


def test_contents_are_drawn_as_often_as_their_probabilities_say(choice):
    probability = np.array([item.probability for item in choice.ranking])
    drawn = np.bincount([draw(probability, seed) for seed in range(20_000)], minlength=probability.size)
    likely = probability > 0
    assert (drawn[~likely] == 0).all()
    expected = 20_000 * probability[likely]
    squares = ((drawn[likely] - expected) ** 2 / expected).sum()
    assert squares < likely.sum() - 1 + 4 * math.sqrt(2 * likely.sum())  # chi-squared within four standard deviations


@pytest.mark.parametrize("probability", [[1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1e-300], [0.1] * 10])
def test_what_has_no_probability_is_never_drawn(probability):
    assert all(probability[draw(np.array(probability), seed)] > 0 for seed in range(200))


def test_what_happens_later_does_not_change_the_choice(release, patient):
    now = patient.sessions["decided_at"][20] + timedelta(hours=2)
    past = patient.sessions.filter(pl.col("decided_at") <= now)
    later = past.with_columns(pl.when(pl.col("feedback_at") <= now).then("feedback_at"))
    measured = patient.measurements.filter(pl.col("measured_at") <= now)
    known = dataclasses.replace(patient, sessions=later, measurements=measured)
    first, second = (choose(release, tables, now=now, context=CONTEXT, seed=3) for tables in (patient, known))
    assert first == second


def test_a_patient_never_measured_is_given_the_safe_default(release, patient, now):
    unmeasured = dataclasses.replace(patient, measurements=patient.measurements.clear())
    choice = choose(release, unmeasured, now=now, context=CONTEXT, seed=1)
    assert (choice.content_id, choice.probability) == ("rest", 1.0)
    assert (choice.source, choice.reasons) == ("safe_default", (NO_FIRST_STATUS,))
    assert [item.probability for item in choice.ranking] == [1.0] + [0.0] * (len(choice.ranking) - 1)
    before = patient.measurements["measured_at"].min() - timedelta(microseconds=1)
    assert choose(release, patient, now=before, context=CONTEXT, seed=1).reasons == (NO_FIRST_STATUS,)


def test_a_new_patient_just_measured_is_given_a_choice(release, patient):
    new = dataclasses.replace(patient, sessions=patient.sessions.clear())
    choice = choose(release, new, now=new.measurements["measured_at"].min(), context=CONTEXT, seed=1)
    assert (choice.source, choice.reasons) == ("model", ())


def test_only_what_is_offered_is_chosen_from(release, patient, now):
    offered = ["memory_01_pairs", "attention_01_find_one"]
    found = {
        choose(release, patient, now=now, context=CONTEXT, candidates=offered, seed=n).content_id for n in range(9)
    }
    assert found <= {*offered, "rest"}
    choice = choose(release, patient, now=now, context=CONTEXT, candidates=offered, seed=1)
    for item in choice.ranking:
        assert (NOT_OFFERED in item.reasons) == (item.content_id not in {*offered, "rest"})


@pytest.mark.parametrize("candidates", [["rest"], []])
def test_when_nothing_else_may_be_given_the_safe_default_is(release, patient, now, candidates):
    choice = choose(release, patient, now=now, context=CONTEXT, candidates=candidates, seed=1)
    assert (choice.content_id, choice.probability) == ("rest", 1.0)
    assert (choice.source, choice.reasons) == ("safe_default", (NOTHING_ELSE,))


def test_an_unknown_candidate_is_not_found(release, patient, now):
    with pytest.raises(NotFound, match=f"unknown content juggling; expected contents of release {release.name}"):
        choose(release, patient, now=now, context=CONTEXT, candidates=["rest", "juggling"], seed=1)


def eligible(choice: Choice) -> set[str]:
    return {item.content_id for item in choice.ranking if item.eligible}


@pytest.mark.parametrize("unknown", [{}, {"sleep_hours": None}, {"sleep_hours": math.nan}])
def test_a_context_that_is_not_known_blocks_what_it_might_forbid(release, patient, now, unknown):
    context: dict[str, Any] = {"hour_of_day": 10.0} | unknown
    known = choose(release, patient, now=now, context=CONTEXT, seed=1)
    choice = choose(release, patient, now=now, context=context, seed=1)
    hard = set(release.contents.filter(pl.col("level") > 6)["content_id"])
    assert eligible(choice) == eligible(known) - hard
    assert eligible(known) & hard


def test_the_context_cannot_stand_in_for_the_decision(release, patient, now, choice):
    sly = CONTEXT | {"user_id": "somebody", "decided_at": now - timedelta(days=90), "content_id": "walk"}
    assert choose(release, patient, now=now, context=sly, seed=1) == choice


@pytest.mark.parametrize("users", [[], ["both"]])
def test_the_tables_hold_one_user(release, cohort, now, users):
    some = cohort.of_users(cohort.users["user_id"][: 2 * len(users)])
    with pytest.raises(ValueError, match=f"expected the tables of one user, got {2 * len(users)}"):
        choose(release, some, now=now, context=CONTEXT, seed=1)


def test_no_decisions_have_no_scores(release, cohort):
    assert score(release, cohort, np.arange(0)).probability.shape == (0, release.contents.height)
