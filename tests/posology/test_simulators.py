"""A cohort has the tables of the contract, known probabilities and nothing that was forbidden."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from posology.errors import TherapyError, TooSmall
from posology.simulators import Clinician, Cohort, Conditions, EpsilonGreedy, Moment, World, simulate
from posology.simulators.policies import draw
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

NAMES = ["mci", "depression", "tinnitus"]


@pytest.fixture(scope="module", params=NAMES)
def therapy(request: pytest.FixtureRequest) -> Therapy:
    """A programme of three weeks, so that tests are quick."""
    whole = load_therapy(request.param)
    assert whole.status
    short = whole.status.model_copy(update={"final_after_days": 21.0, "final_window_days": 7.0})
    return whole.model_copy(update={"status": short})


@pytest.fixture(scope="module")
def cohort(therapy: Therapy) -> Cohort:
    return simulate(therapy, patients=100, seed=7, weeks=2)


def test_the_same_seed_gives_the_same_tables_and_another_seed_others(therapy: Therapy) -> None:
    one, same, other = (simulate(therapy, patients=6, seed=seed, weeks=1) for seed in (3, 3, 4))
    for table in ("users", "measurements", "contents", "sessions"):
        assert_frame_equal(getattr(one.tables, table), getattr(same.tables, table))
    assert_frame_equal(one.truth.decisions, same.truth.decisions)
    assert not one.tables.sessions.equals(other.tables.sessions)


def test_a_cohort_is_read_back_as_it_was_written(cohort: Cohort, therapy: Therapy, tmp_path: Path) -> None:
    cohort.write(tmp_path / "cohort")
    again = Tables.read(tmp_path / "cohort", therapy)
    assert_frame_equal(again.sessions, cohort.tables.sessions)
    assert_frame_equal(again.measurements, cohort.tables.measurements)
    assert_frame_equal(again.users, cohort.tables.users)
    truth = pl.read_parquet(tmp_path / "cohort" / "truth" / "truth.parquet")
    assert truth["decision_id"].sort().to_list() == again.sessions["decision_id"].sort().to_list()
    assert truth["contents"][0].to_list() == again.contents["content_id"].to_list()
    assert (truth["expected_feedback"].list.len() == again.contents.height).all()
    assert (tmp_path / "cohort" / "truth" / "patients.parquet").is_file()


def test_values_stay_within_what_the_therapy_declares(cohort: Cohort, therapy: Therapy) -> None:
    assert therapy.feedback
    assert therapy.status
    for frame, columns in (
        (cohort.tables.users, therapy.user),
        (cohort.tables.sessions, therapy.context | therapy.feedback.columns),
    ):
        for name, column in columns.items():
            assert all(column.holds(value) for value in frame[name].unique())
    assert cohort.tables.measurements["score"].is_between(therapy.status.minimum, therapy.status.maximum).all()
    assert set(cohort.tables.measurements["instrument"]) == {therapy.status.instrument}


def test_times_run_in_order(cohort: Cohort) -> None:
    tables = cohort.tables
    assert tables.sessions["decided_at"].is_unique().all()
    assert (tables.sessions["feedback_at"] > tables.sessions["decided_at"]).all()
    first = tables.measurements.group_by("user_id").agg(pl.col("measured_at").min())
    of_session = tables.sessions.join(first, on="user_id").join(tables.users, on="user_id")
    assert of_session.height == tables.sessions.height
    assert (of_session["measured_at"] < of_session["decided_at"]).all()
    assert (of_session["enrolled_at"] < of_session["measured_at"]).all()


def test_times_run_in_order_whatever_is_wrong(therapy: Therapy) -> None:
    everything = Conditions(confounding=1.0, misleading=1.0, drift=1.0, sites=1.0, transfer=1.0)
    for policy in (Clinician(), EpsilonGreedy()):
        wrong = simulate(therapy, patients=40, seed=3, weeks=3, policy=policy, conditions=everything)
        test_times_run_in_order(wrong)
        test_values_stay_within_what_the_therapy_declares(wrong, therapy)
        test_only_eligible_contents_are_given(wrong)
        test_no_session_breaks_a_rule_or_a_cap(wrong, therapy)
        assert wrong.tables.sessions["decision_id"].is_unique().all()
        assert wrong.tables.sessions["probability"].is_between(0, 1, closed="right").all()


def test_without_consent_nothing_is_recorded(cohort: Cohort) -> None:
    tables = cohort.tables
    refused = tables.users.filter(~pl.col("consent"))["user_id"].to_list()
    assert refused
    assert not set(refused) & {*tables.sessions["user_id"], *tables.measurements["user_id"]}


def test_feedback_columns_are_null_exactly_where_none_came(cohort: Cohort, therapy: Therapy) -> None:
    assert therapy.feedback
    sessions = cohort.tables.sessions
    silent = sessions["feedback_at"].is_null()
    assert 0.03 < silent.mean() < 0.25
    for name, column in therapy.feedback.columns.items():
        if column.kind != "text":
            assert sessions[name].is_null().equals(silent)


def test_only_eligible_contents_are_given(cohort: Cohort) -> None:
    assert cohort.tables.sessions.select(pl.col("content_id").is_in(pl.col("eligible"))).to_series().all()


def test_no_session_breaks_a_rule_or_a_cap(cohort: Cohort, therapy: Therapy) -> None:
    caps, default = therapy.safety.caps, therapy.safety.safe_default
    assert caps.same_content_in_a_row
    assert caps.minutes_per_day
    assert caps.feature_share_of_last_10
    sessions = cohort.tables.sessions.join(cohort.tables.users, on="user_id").join(
        cohort.tables.contents, on="content_id"
    )
    given_by_choice = sessions.filter(pl.col("content_id") != default)
    for rule in therapy.safety.rules:
        assert given_by_choice.filter(therapy.forbid_expression(rule)).height == 0
    for (_,), course in sessions.sort("decided_at").group_by("user_id"):
        for nth, row in enumerate(course.iter_rows(named=True)):
            if row["content_id"] == default:
                continue
            before = course[max(0, nth - 9) : nth + 1]
            in_a_row = before.tail(caps.same_content_in_a_row + 1)["content_id"]
            assert len(in_a_row) <= caps.same_content_in_a_row or in_a_row.n_unique() > 1
            day = before.filter(pl.col("decided_at") > row["decided_at"] - pl.duration(hours=24))
            assert day["minutes"].sum() <= caps.minutes_per_day
            assert (before[caps.feature] == row[caps.feature]).sum() <= caps.feature_share_of_last_10 * 10 + 1e-9


def test_probabilities_sum_to_one_over_the_eligible_and_none_is_tiny(therapy: Therapy) -> None:
    world = World(therapy, patients=50, seed=2)
    patients = world.due(5)
    situations = world.situations(patients, 5)
    eligible = world.blocks(patients, situations).eligible
    moment = Moment(
        day=5,
        patients=patients,
        situations=situations,
        eligible=eligible,
        content_feedback=lambda: np.full(world.contents.height, np.nan),
        known=lambda: Tables.from_rows(therapy),
    )
    probabilities = Clinician().probabilities(np.random.default_rng(0), world, moment)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(patients)))
    assert (probabilities[~eligible] == 0).all()
    assert probabilities[eligible].min() >= 0.004


def test_logged_probabilities_are_how_often_contents_were_given(cohort: Cohort) -> None:
    sessions = cohort.tables.sessions
    weight_of_random_policy = (1 / sessions["probability"] / sessions["eligible"].list.len()).to_numpy()
    error = weight_of_random_policy.std() / len(weight_of_random_policy) ** 0.5
    assert abs(weight_of_random_policy.mean() - 1) < 4 * error


def test_drawn_contents_follow_their_probabilities() -> None:
    probabilities = np.array([0.0, 0.5, 0.3, 0.0, 0.2, 0.0])
    drawn = draw(np.random.default_rng(0), np.tile(probabilities, (20_000, 1)))
    assert np.bincount(drawn, minlength=6) / 20_000 == pytest.approx(probabilities, abs=0.015)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(any), st.integers(0, 100))
def test_a_content_without_a_chance_is_never_drawn(weights: list[float], seed: int) -> None:
    probabilities = np.array([weights]) / sum(weights)
    assert probabilities[0, draw(np.random.default_rng(seed), probabilities)[0]] > 0


def test_a_therapy_without_a_mechanism_is_refused_with_those_that_have_one() -> None:
    unknown = load_therapy("mci").model_copy(update={"name": "insomnia"})
    with pytest.raises(TherapyError, match="insomnia: expected one of mci, depression, tinnitus"):
        simulate(unknown, patients=2, seed=0)


def test_a_therapy_whose_mean_feedback_cannot_be_known_is_refused() -> None:
    mci = load_therapy("mci")
    assert mci.feedback
    product = mci.feedback.model_copy(update={"value": "score / 100 * CAST(completed AS DOUBLE)"})
    with pytest.raises(TherapyError, match="weighted sum"):
        World(mci.model_copy(update={"feedback": product}), patients=2, seed=0)


def test_a_therapy_that_lacks_what_its_mechanism_works_on_is_refused() -> None:
    mci = load_therapy("mci")
    contents = {name: column for name, column in mci.content.items() if name != "level"}
    for change, message in (
        ({"content": contents}, "content columns level"),
        ({"status": None}, "needs status"),
        ({"feedback": None}, "needs feedback"),
        ({"user": {}}, "draws users with age"),
    ):
        with pytest.raises(TherapyError, match=message):
            World(mci.model_copy(update=change), patients=2, seed=0)


def test_a_cohort_of_nobody_is_refused() -> None:
    with pytest.raises(TooSmall, match="1 or more patients"):
        simulate(load_therapy("mci"), patients=0, seed=0)


def test_one_patient_is_a_cohort() -> None:
    cohort = simulate(load_therapy("depression"), patients=1, seed=0, weeks=1, prefix="solo")
    assert cohort.tables.users["user_id"].to_list() == ["solo-000000"]
    assert cohort.truth.decisions.height == cohort.tables.sessions.height
