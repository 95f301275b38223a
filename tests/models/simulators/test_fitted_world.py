"""Patients simulated from a log live as the log's did, by the same interface as those of a mechanism."""

import copy
import dataclasses
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from models.simulators import Fitted, FittedWorld
from models.simulators.log import Log
from posology.errors import TooSmall
from posology.simulators import Clinician, Cohort, Simulator, simulate, treat
from posology.simulators.truth import counted_feedback
from posology.tables import Tables
from posology.therapy import Therapy


def by_patient(tables: Tables) -> pl.DataFrame:
    return tables.sessions.group_by("user_id").agg(
        sessions=pl.len(),
        days=(pl.col("decided_at").max() - pl.col("decided_at").min()).dt.total_days(),
        sleep=pl.col("sleep_hours").mean(),
    )


def test_levels_and_spreads_are_those_of_the_log(known: Cohort, lived: Cohort) -> None:
    real, simulated = known.tables.sessions, lived.tables.sessions
    assert simulated["score"].mean() == pytest.approx(real["score"].mean(), abs=3)
    assert simulated["score"].std() == pytest.approx(real["score"].std(), rel=0.1)
    assert simulated["score"].null_count() / simulated.height == pytest.approx(
        real["score"].null_count() / real.height, abs=0.04
    )
    one, other = by_patient(known.tables), by_patient(lived.tables)
    for column in ("sessions", "days"):
        assert other[column].mean() == pytest.approx(one[column].mean(), rel=0.15)
    assert other["sleep"].std() == pytest.approx(one["sleep"].std(), rel=0.25)


def test_the_noise_of_the_instrument_is_found_in_readings_alone(fitted: Fitted) -> None:
    assert fitted.readings
    assert fitted.readings.noise_sd == pytest.approx(1.0, abs=0.2)
    assert fitted.readings.grid == 1.0


def test_patients_get_better_by_as_much_as_those_of_the_log(known: Cohort, lived: Cohort) -> None:
    gains = [
        (cohort.truth.patients["status_at_end"] - cohort.truth.patients["status_at_start"]).mean()
        for cohort in (known, lived)
    ]
    assert gains[1] == pytest.approx(gains[0], abs=0.35)


def test_ids_are_new_and_words_are_left_out(known: Cohort, lived: Cohort) -> None:
    assert not set(known.tables.users["user_id"]) & set(lived.tables.users["user_id"])
    assert known.tables.sessions["comment"].null_count() < known.tables.sessions.height
    assert lived.tables.sessions["comment"].null_count() == lived.tables.sessions.height


def test_the_course_of_a_simulated_patient_is_the_course_its_tables_tell(fitted: Fitted) -> None:
    """Whoever folds the tables afterwards finds the features the simulation used."""
    world = _Watched(fitted, patients=25, seed=4)
    tables = treat(world, Clinician(trying=1.0), seed=4).tables
    log = Log.of(world.therapy, tables, contents=world.contents)
    used = pl.DataFrame(world.watched, schema=["user_id", "at", "content"], orient="row").with_row_index("nth")
    found = pl.DataFrame({"user_id": tables.sessions["user_id"], "at": log.decided_at}).with_row_index("row")
    rows = found.join(used, on=["user_id", "at"])
    assert rows.height == log.rows.size > 300
    same = np.array(world.features)[rows["nth"].to_numpy()]
    assert same == pytest.approx(log.matrix[rows["row"].to_numpy()], nan_ok=True, abs=1e-9)


class _Watched(FittedWorld):
    def __init__(self, fitted: Fitted, *, patients: int, seed: int) -> None:
        super().__init__(fitted, patients=patients, seed=seed)
        self.watched: list[tuple[str, int, int]] = []
        self.features: list[np.ndarray] = []

    def give(self, patients: np.ndarray, contents: np.ndarray) -> pl.DataFrame:
        n_contents = self.contents.height
        for row, (patient, content) in enumerate(zip(patients, contents, strict=True)):
            self.watched.append((self.users["user_id"][int(patient)], int(self._not_before[patient]), int(content)))
            self.features.append(self._matrix[row * n_contents + content])
        return super().give(patients, contents)


def test_the_expected_feedback_is_the_mean_of_what_comes_back(fitted: Fitted) -> None:
    world = FittedWorld(fitted, patients=60, seed=9)
    day = next(day for day in range(30, 60) if world.due(day).size > 4)
    patients = world.due(day)[:5]
    moments = world.situations(patients, day).select("decided_at")[np.repeat(np.arange(patients.size), 4000)]
    expected = world.expected_feedback(patients)
    for content in (0, 9, 20):
        lives = copy.deepcopy(world)
        given = lives.give(np.repeat(patients, 4000), np.full(4000 * patients.size, content))
        value = counted_feedback(world.therapy, moments.hstack(given)).to_numpy()
        assert value.reshape(-1, 4000).mean(axis=1) == pytest.approx(expected[:, content], abs=0.02)


def test_its_truth_is_right_about_its_own_tables(mci: Therapy, lived: Cohort) -> None:
    places = {content: place for place, content in enumerate(lived.tables.contents["content_id"])}
    rows = lived.tables.sessions.join(lived.truth.decisions, on="decision_id")
    given = rows["content_id"].replace_strict(places, return_dtype=pl.Int64)
    expected = rows.select(pl.col("expected_feedback").list.get(given)).to_series()
    value = counted_feedback(mci, rows)
    assert (value - expected).mean() == pytest.approx(0, abs=0.01)
    assert (rows["oracle_feedback"] >= expected - 1e-12).all()


def test_time_goes_forward_and_nothing_happens_before_enrolment(lived: Cohort) -> None:
    tables = lived.tables
    for table, time in (("sessions", "decided_at"), ("measurements", "measured_at")):
        rows = getattr(tables, table).join(tables.users, on="user_id")
        assert (rows[time] >= rows["enrolled_at"]).all()
    gaps = tables.sessions.select(pl.col("decided_at").diff().over("user_id")).to_series().drop_nulls()
    assert (gaps.dt.total_microseconds() > 0).all()
    first = tables.measurements.group_by("user_id").agg(pl.col("measured_at").min())
    begun = tables.sessions.group_by("user_id").agg(pl.col("decided_at").min()).join(first, on="user_id")
    assert (begun["measured_at"] < begun["decided_at"]).mean() > 0.98
    assert ((tables.sessions["feedback_at"] >= tables.sessions["decided_at"]).drop_nulls()).all()


def test_the_same_seed_gives_the_same_cohort(mci: Therapy, known: Cohort) -> None:
    some = known.tables.of_users(known.tables.users["user_id"][:30])
    fits = [Fitted.fit(mci, some) for _ in range(2)]
    cohorts = [treat(FittedWorld(fit, patients=6, seed=6), Clinician(trying=1.0), seed=6) for fit in fits]
    assert cohorts[0].tables.sessions.equals(cohorts[1].tables.sessions)
    other = treat(FittedWorld(fits[0], patients=6, seed=7), Clinician(trying=1.0), seed=7)
    assert not cohorts[0].tables.sessions.equals(other.tables.sessions)


def test_it_is_a_simulator_that_can_start_on_any_day(fitted: Fitted) -> None:
    start = datetime(2031, 5, 5, tzinfo=UTC)
    world: Simulator = FittedWorld(fitted, patients=30, seed=1, start=start, prefix="p", enrolment_days=1)
    assert world.users["enrolled_at"].dt.date().unique().to_list() == [start.date()]
    assert world.users["user_id"].str.starts_with("p-").all()
    assert treat(world, Clinician(trying=1.0), seed=1).tables.sessions.height > 500


def test_situations_come_first_and_days_do_not_go_back(fitted: Fitted) -> None:
    world = FittedWorld(fitted, patients=5, seed=1)
    with pytest.raises(ValueError, match="ask for situations first"):
        world.expected_feedback(np.arange(2))
    world.due(4)
    with pytest.raises(ValueError, match="cannot go back to 3"):
        world.due(3)


def test_contents_given_too_seldom_are_not_simulated(mci: Therapy, known: Cohort) -> None:
    rare = "memory_05_story"
    given = (pl.col("content_id") == rare).cum_sum()
    some = known.tables.of_users(known.tables.users["user_id"][:80])
    sessions = some.sessions.filter((pl.col("content_id") != rare) | (given <= 3))
    fitted = Fitted.fit(mci, dataclasses.replace(some, sessions=sessions))
    assert rare in fitted.unsupported
    world = FittedWorld(fitted, patients=3, seed=1)
    assert rare not in world.contents["content_id"].to_list()
    assert not set(fitted.unsupported) & set(world.contents["content_id"])


def test_a_log_that_says_too_little_is_refused(mci: Therapy, known: Cohort) -> None:
    with pytest.raises(TooSmall, match="5 patients or more, the log has 4"):
        Fitted.fit(mci, known.tables.of_users(known.tables.sessions["user_id"].unique(maintain_order=True)[:4]))
    no_rest = known.tables.sessions.filter(pl.col("content_id") != "rest")
    with pytest.raises(TooSmall, match="safe default rest was given 0 times"):
        Fitted.fit(mci, dataclasses.replace(known.tables, sessions=no_rest))
    read_once = known.tables.measurements.unique("user_id", keep="first", maintain_order=True)
    with pytest.raises(TooSmall, match="pairs of readings"):
        Fitted.fit(mci, dataclasses.replace(known.tables, measurements=read_once))


@pytest.mark.parametrize("name", ["depression", "tinnitus"])
def test_the_other_therapies_are_learned_as_well(name: str) -> None:
    from posology.therapy_file import load_therapy

    therapy = load_therapy(name)
    tables = simulate(therapy, patients=40, seed=3, weeks=1).tables
    lived = treat(FittedWorld(Fitted.fit(therapy, tables), patients=20, seed=1), Clinician(trying=1.0), seed=1).tables
    assert lived.sessions.height > 100
    assert lived.measurements.height > 20
