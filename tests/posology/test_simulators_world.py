"""Patients answer, learn, tire and are measured as their mechanism says."""

import copy
import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from posology.simulators import MECHANISMS, World
from posology.simulators.answers import Feedbacks
from posology.simulators.life import Life
from posology.simulators.mechanism import Mechanism
from posology.simulators.patients import Patients
from posology.tables import catalogue_of
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

START = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = ["mci", "depression", "tinnitus"]


@pytest.fixture(scope="module", params=NAMES)
def therapy(request: pytest.FixtureRequest) -> Therapy:
    return load_therapy(request.param)


def life_of(therapy: Therapy, mechanism: Mechanism, n: int = 30) -> Life:
    assert therapy.status
    patients = Patients.draw(np.random.default_rng(5), mechanism, therapy.status, n, days=1, prefix="p")
    return Life(mechanism, patients, catalogue_of(therapy))


def test_measuring_twice_differs_by_the_stated_noise(therapy: Therapy) -> None:
    assert therapy.status
    mechanism = MECHANISMS[therapy.name]
    world = World(therapy, patients=4000, seed=1)
    everyone = np.arange(4000)
    status, reach = world.true_status(everyone), 4 * mechanism.measurement_sd
    inside = everyone[(status > therapy.status.minimum + reach) & (status < therapy.status.maximum - reach)]
    difference = world.measure(inside, 0) - world.measure(inside, 0)
    of_rounding = mechanism.score_step**2 / 12
    assert difference.std() / 2**0.5 == pytest.approx((mechanism.measurement_sd**2 + of_rounding) ** 0.5, rel=0.06)


def test_scores_stand_on_the_grid_of_the_instrument(therapy: Therapy) -> None:
    scores = World(therapy, patients=300, seed=1).measure(np.arange(300), 0)
    assert (scores % MECHANISMS[therapy.name].score_step == 0).all()


def test_the_expected_feedback_is_the_mean_of_what_comes_back(therapy: Therapy) -> None:
    mechanism, rng = MECHANISMS[therapy.name], np.random.default_rng(0)
    feedbacks = Feedbacks(therapy, mechanism.answers, mechanism.silence, late_share=0.0)
    for appeal in (-1.5, 0.0, 1.0, 2.5):
        values = feedbacks.worth(feedbacks.draw(rng, np.full(20_000, appeal)))
        values = values[~np.isnan(values)]
        error = values.std() / len(values) ** 0.5
        assert abs(values.mean() - feedbacks.expected(np.array([appeal]))[0]) < 4 * error


def test_the_expected_feedback_of_a_patient_is_the_mean_over_many_lives(therapy: Therapy) -> None:
    assert therapy.feedback
    world = World(therapy, patients=40, seed=9)
    patients = world.due(6)[:5]
    world.situations(patients, 6)
    expected = world.expected_feedback(patients)
    missing = np.nan if therapy.feedback.missing is None else therapy.feedback.missing
    for content in (0, 9, 17, 26, 33):
        lives = copy.deepcopy(world)
        given = lives.give(np.repeat(patients, 4000), np.full(20_000, content))
        values = given.select(therapy.feedback.expression.fill_null(missing)).to_series().to_numpy().reshape(5, 4000)
        assert np.nanmean(values, axis=1) == pytest.approx(expected[:, content], abs=0.025)


def test_a_fitting_level_is_liked_best_and_teaches_most(therapy: Therapy) -> None:
    mechanism = dataclasses.replace(MECHANISMS[therapy.name], charm_sd=0.0, taste_sd=0.0)
    appeal_by_gap, growth_by_gap = {}, {}
    for off in (-3, 0, 3):
        life = life_of(therapy, mechanism)
        everyone = np.arange(30)
        distance = np.where(life.is_rest, np.inf, np.abs(life.gap(everyone) - off))
        contents = distance.argmin(axis=1)
        appeal_by_gap[off] = life.appeal(everyone)[everyone, contents].mean()
        before = life.capacities.sum()
        life.take(everyone, contents, np.full(30, 0.5))
        growth_by_gap[off] = life.capacities.sum() - before
    assert appeal_by_gap[0] > max(appeal_by_gap[-3], appeal_by_gap[3]) + 0.5
    assert growth_by_gap[0] > 1.5 * max(growth_by_gap[-3], growth_by_gap[3])


def test_a_rest_teaches_nothing(therapy: Therapy) -> None:
    life = life_of(therapy, MECHANISMS[therapy.name])
    before = life.capacities.copy()
    life.take(np.arange(30), np.full(30, np.flatnonzero(life.is_rest)[0]), np.ones(30))
    assert (life.capacities == before).all()


def test_repetition_bores_and_boredom_passes(therapy: Therapy) -> None:
    life = life_of(therapy, dataclasses.replace(MECHANISMS[therapy.name], learning_rate=0.0, drift_per_week=0.0))
    everyone, content = np.arange(30), np.full(30, np.flatnonzero(~life.is_rest)[0])
    fresh = life.appeal(everyone)
    for _ in range(6):
        life.take(everyone, content, np.full(30, 0.5))
    bored = life.appeal(everyone)
    nobody = np.zeros(30, dtype=bool)
    for _ in range(40):
        life.pass_day(np.random.default_rng(0), ~nobody, nobody)
    assert (bored[:, content[0]] < fresh[:, content[0]] - 0.5).all()
    other = life.is_rest
    assert (bored[:, other] == fresh[:, other]).all()
    assert life.appeal(everyone) == pytest.approx(fresh, abs=0.01)


def test_short_sleep_makes_every_content_harder(therapy: Therapy) -> None:
    life = life_of(therapy, MECHANISMS[therapy.name])
    everyone = np.arange(30)
    life.sleep[:] = 8.0
    rested = life.gap(everyone)
    life.sleep[:] = 4.0
    assert (life.gap(everyone) > rested + 0.5).all()


def test_those_who_get_little_out_of_it_leave_sooner(therapy: Therapy) -> None:
    left = {}
    for value in (0.1, 0.9):
        life = life_of(therapy, MECHANISMS[therapy.name], n=2000)
        everyone = np.arange(2000)
        content = np.full(2000, np.flatnonzero(life.is_rest)[0])
        for day in range(21):
            life.take(everyone, content, np.full(2000, value))
            life.pass_day(np.random.default_rng(day), everyone >= 0, everyone >= 0)
        left[value] = life.has_left.mean()
    assert left[0.1] > 2 * left[0.9]


def test_patients_can_live_through_other_peoples_choices() -> None:
    therapy = load_therapy("mci")
    world = World(therapy, patients=12, seed=3, start=START, prefix="live")
    assert world.users["user_id"].str.starts_with("live-").all()
    measured, given = [], 0
    for day in range(15):
        if len(patients := world.to_measure(day)):
            measured.append(world.measurements(patients, day))
        if len(patients := world.due(day)):
            situations = world.situations(patients, day)
            assert set(situations["decided_at"].dt.date()) == {START.date() + timedelta(days=day)}
            contents = world.blocks(patients, situations).eligible.argmax(axis=1)
            answers = world.give(patients, contents)
            assert answers.height == len(patients)
            assert (answers["feedback_at"].drop_nulls() > situations["decided_at"].min()).all()
            given += len(patients)
    assert pl.concat(measured)["user_id"].n_unique() > 8
    assert given > 40
    assert world.day == 14


def test_the_world_does_not_go_back() -> None:
    world = World(load_therapy("mci"), patients=2, seed=0)
    world.due(3)
    with pytest.raises(ValueError, match="day 3 and cannot go back to 2"):
        world.due(2)


def test_a_mechanism_with_numbers_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="one number for each of memory, attention, problem_solving"):
        dataclasses.replace(MECHANISMS["mci"], score_per_capacity=(1.0,))
    with pytest.raises(ValueError, match="sum to 1"):
        dataclasses.replace(MECHANISMS["mci"], trains={"memory": (0.5, 0.2, 0.0)})
