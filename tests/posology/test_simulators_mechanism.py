"""The parts of the mechanism one by one: dose, fatigue, hour, drift, drop-out, late feedback, words."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from posology.simulators import MECHANISMS, Clinician, Cohort, World, simulate
from posology.simulators.comments import OPENINGS, REASONS, Signs, comments
from posology.simulators.life import Life
from posology.simulators.mechanism import Mechanism
from posology.simulators.patients import Patients
from posology.simulators.truth import counted_feedback
from posology.tables import catalogue_of
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

NAMES = ["mci", "depression", "tinnitus"]
EASY, HARD, BORED, TIRED, SLEEPY, FITS = (set(REASONS[place]) for place in (1, 0, 2, 3, 4, 5))


@pytest.fixture(scope="module", params=NAMES)
def therapy(request: pytest.FixtureRequest) -> Therapy:
    return load_therapy(request.param)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return simulate(load_therapy("mci"), patients=150, seed=8, weeks=4, policy=Clinician(trying=1.0))


def life_of(therapy: Therapy, mechanism: Mechanism, n: int = 40) -> Life:
    assert therapy.status
    patients = Patients.draw(np.random.default_rng(5), mechanism, therapy.status, n, days=1, prefix="p")
    return Life(mechanism, patients, catalogue_of(therapy))


def test_a_content_tires_the_longer_the_more_and_a_night_restores(therapy: Therapy) -> None:
    life, everyone, minutes = (
        life_of(therapy, MECHANISMS[therapy.name]),
        np.arange(40),
        catalogue_of(therapy)["minutes"],
    )
    rested = life.gap(everyone)
    tired = {}
    for content in (int(minutes.arg_min() or 0), int(minutes.arg_max() or 0)):
        life.fatigue[:] = 0
        life.take(everyone, np.full(40, content), np.full(40, 0.5))
        tired[content] = life.fatigue.copy()
    short, long = tired.values()
    assert (short == 0).all()  # a rest
    assert (long > 0.1).all()
    assert (life.gap(everyone).mean() - rested.mean()) > 0
    life.pass_day(np.random.default_rng(0), everyone >= 0, everyone < 0)
    assert life.fatigue == pytest.approx(long / 2)


def test_doses_that_pile_up_exhaust_but_never_beyond(therapy: Therapy) -> None:
    life, everyone = life_of(therapy, MECHANISMS[therapy.name]), np.arange(40)
    longest = np.full(40, catalogue_of(therapy)["minutes"].arg_max())
    reached = []
    for _ in range(30):
        life.take(everyone, longest, np.full(40, 0.5))
        reached.append(life.fatigue[0])
    assert (np.diff(reached) > 0).all()
    assert 0.9 < reached[-1] < 1


def test_contents_are_easiest_at_the_best_hour(therapy: Therapy) -> None:
    mechanism = MECHANISMS[therapy.name]
    life, everyone = life_of(therapy, mechanism), np.arange(40)
    best = life.gap(everyone)
    life.hour += 3
    between = life.gap(everyone)
    life.hour += 9
    worst = life.gap(everyone)
    assert between - best == pytest.approx(np.full(best.shape, mechanism.hour_cost / 2))
    assert worst - best == pytest.approx(np.full(best.shape, mechanism.hour_cost))


def test_more_minutes_train_more_with_less_and_less_return(therapy: Therapy) -> None:
    catalogue = catalogue_of(therapy)
    grown = []
    for minutes in (5, 15, 45):
        contents = catalogue.with_columns(minutes=pl.lit(float(minutes)))
        assert therapy.status
        mechanism = MECHANISMS[therapy.name]
        traits = Patients.draw(np.random.default_rng(5), mechanism, therapy.status, 40, days=1, prefix="p")
        life = Life(mechanism, traits, contents)
        content = np.full(40, np.flatnonzero(~life.is_rest)[3])
        before = life.capacities.sum()
        life.take(np.arange(40), content, np.full(40, 0.5))
        grown.append(life.capacities.sum() - before)
    short, usual, long = grown
    assert short < usual < long
    assert (long - usual) / 30 < (usual - short) / 10
    half = MECHANISMS[therapy.name].half_dose_minutes
    assert short / usual == pytest.approx(5 / (5 + half) * (15 + half) / 15, rel=0.02)


def test_without_treatment_each_patient_has_a_course_of_its_own() -> None:
    mci = load_therapy("mci")
    life = life_of(mci, MECHANISMS["mci"], n=400)
    before, everyone = life.capacities.copy(), np.arange(400)
    for day in range(84):
        life.pass_day(np.random.default_rng(day), everyone >= 0, everyone < 0)
    decline = (life.capacities - before).mean(axis=1)
    assert (decline < 0).all()
    assert np.median(decline) == pytest.approx(12 * MECHANISMS["mci"].drift_per_week, rel=0.15)
    assert np.log(-decline).std() == pytest.approx(MECHANISMS["mci"].drift_spread, rel=0.25)


def test_the_worse_a_patient_is_the_sooner_it_leaves(therapy: Therapy) -> None:
    left = {}
    for capacity in (1.0, 8.0):
        life = life_of(therapy, MECHANISMS[therapy.name], n=3000)
        life.capacities[:] = capacity
        for day in range(40):
            life.pass_day(np.random.default_rng(day), np.zeros(3000, dtype=bool), np.ones(3000, dtype=bool))
        left[capacity] = life.has_left.mean()
    assert left[1.0] > 1.5 * left[8.0]


def test_some_feedback_comes_after_it_was_due_and_counts_as_missing(cohort: Cohort) -> None:
    therapy = load_therapy("mci")
    assert therapy.feedback
    sessions = cohort.tables.sessions
    hours = (sessions["feedback_at"] - sessions["decided_at"]).dt.total_seconds() / 3600
    came = hours.drop_nulls()
    late = came > therapy.feedback.due_hours
    assert late.mean() == pytest.approx(MECHANISMS["mci"].late_share, abs=0.01)
    assert came.filter(~late).max() < 1.0  # type: ignore[operator]
    assert came.filter(late).max() < 24 * 14  # type: ignore[operator]
    counted = counted_feedback(therapy, sessions)
    assert (counted.filter((hours > therapy.feedback.due_hours).fill_null(value=False)) == 0).all()


def signs(n: int = 3000, **felt: float) -> Signs:
    usual = {"value": 0.55, "gap": 0.0, "boredom": 0.1, "fatigue": 0.1, "sleep": 7.5}
    columns = {name: np.full(n, value) for name, value in (usual | felt).items()}
    return Signs(came=np.ones(n, dtype=bool), capacities=np.full((n, 3), 6.0), **columns)


def share(words: pl.Series, phrases: set[str] | tuple[str, ...]) -> float:
    spoken = words.drop_nulls()
    return sum(any(phrase in text for phrase in phrases) for text in spoken) / len(spoken)


@pytest.mark.parametrize(
    ("felt", "phrases"),
    [
        ({"gap": 2.5}, HARD),
        ({"gap": -2.5}, EASY),
        ({"boredom": 0.95}, BORED),
        ({"fatigue": 0.95}, TIRED),
        ({"sleep": 4.0}, SLEEPY),
        ({}, FITS),
    ],
)
def test_words_tell_what_stood_in_the_way(felt: dict[str, float], phrases: set[str]) -> None:
    complaints = MECHANISMS["mci"].complaints
    here = share(comments(np.random.default_rng(0), signs(**felt), complaints), phrases)
    elsewhere = share(
        comments(np.random.default_rng(0), signs(gap=2.5 if phrases != HARD else 0.0), complaints), phrases
    )
    assert here > 0.5
    assert elsewhere < 0.15


def test_words_open_as_it_went_and_complain_of_what_is_weak(therapy: Therapy) -> None:
    complaints, rng = MECHANISMS[therapy.name].complaints, np.random.default_rng(0)
    assert share(comments(rng, signs(value=0.1), complaints), OPENINGS[0]) == 1.0
    assert share(comments(rng, signs(value=0.9), complaints), OPENINGS[2]) == 1.0
    weak = dataclasses.replace(signs(), capacities=np.tile([6.0, 2.0, 6.0], (3000, 1)))
    words = comments(rng, weak, complaints)
    assert share(words, complaints[1]) > 0.2
    assert share(words, complaints[0] + complaints[2]) == 0.0


def test_words_are_many_and_come_only_with_feedback(cohort: Cohort) -> None:
    comment = cohort.tables.sessions.filter(pl.col("comment").is_not_null())
    assert comment["feedback_at"].is_not_null().all()
    assert comment["comment"].n_unique() > 100
    assert 0.1 < comment.height / cohort.tables.sessions["feedback_at"].is_not_null().sum() < 0.2


def test_words_foretell_feedback(cohort: Cohort) -> None:
    value = cohort.tables.sessions.with_columns(value=counted_feedback(load_therapy("mci"), cohort.tables.sessions))
    by_opening = [
        value.filter(pl.col("comment").str.contains_any(list(phrases)))["value"].mean() for phrases in OPENINGS
    ]
    assert by_opening == sorted(by_opening)  # type: ignore[type-var]


def test_patients_abreast_are_the_same_patients_on_the_same_calendar() -> None:
    mci = load_therapy("mci")
    by_calendar, abreast = (World(mci, patients=60, seed=2, enrolment_days=90, abreast=way) for way in (False, True))
    assert by_calendar.users.equals(abreast.users)
    assert abreast.last_day < by_calendar.last_day - 60
    firsts = []
    for world in (by_calendar, abreast):
        days = range(world.last_day + 1)
        found = [world.measurements(patients, day) for day in days if len(patients := world.to_measure(day))]
        firsts.append(pl.concat(found).group_by("user_id").agg(pl.col("measured_at").dt.date().min()).sort("user_id"))
    assert firsts[0].equals(firsts[1])


def test_the_parts_a_mechanism_must_have_are_asked_for() -> None:
    with pytest.raises(ValueError, match="one number for each of memory"):
        dataclasses.replace(MECHANISMS["mci"], complaints=(("one",),))
