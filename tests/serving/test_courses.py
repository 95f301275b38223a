"""A course kept in memory is the course of the store, to the last bit, whatever came between."""

import dataclasses
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.one_course import OneCourse
from posology.errors import NotFound
from posology.tables import Tables
from posology.therapy import Therapy
from serving.changes import KnownCourse, read_on
from serving.courses import HEARD, Courses
from serving.records import Decision, Feedback, Measurement, User
from serving.schema import feedback, users
from serving.store import Store
from tests.serving.conftest import NOW

HOURS = st.integers(-200, 200)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), HOURS),
        st.tuples(st.just("answer"), st.integers(0, 9), HOURS, st.floats(0, 100)),
        st.tuples(st.just("measure"), HOURS, st.integers(0, 27)),
        st.tuples(st.just("show"), st.integers(0, 9)),
        st.tuples(st.just("ask")),
    ),
    max_size=25,
)


def ada(name: str) -> User:
    declared = {"age": 50.0, "sex": "female", "history": None, "voice": None}
    return User(name, NOW - timedelta(days=9), None, consent=True, declared=declared)


def decision(name: str, number: int, hours: int) -> Decision:
    return Decision(
        decision_id=f"{name}-{number}",
        user_id=name,
        decided_at=NOW + timedelta(hours=hours),
        content_id=("rest", "slow", "deep", "hard", "gone")[number % 5],
        eligible=None,
        probability=None,
        release=None,
        context={"sleep_hours": 7.0},
    )


def as_stored(store: Store, user_id: str) -> OneCourse:
    return OneCourse.of(store.therapy, store.course(user_id))


def assert_equal(found: OneCourse, expected: OneCourse) -> None:
    for field in (each for each in dataclasses.fields(OneCourse) if each.compare):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other, err_msg=field.name)
        else:
            assert one == other, field.name


def take(store: Store, name: str, made: list[str], step: tuple[Any, ...]) -> None:
    kind, *told = step
    if kind == "decide":
        store.add_decision(decision(name, len(made), told[0]))
        made.append(f"{name}-{len(made)}")
    elif kind == "measure":
        at = NOW + timedelta(hours=told[0])
        store.add_measurement(Measurement(name, at, "PHQ9", float(told[1])))
    elif kind == "answer" and told[0] < len(made):
        came = Feedback(made[told[0]], NOW + timedelta(hours=told[1]), {"score": told[2], "completed": True})
        store.add_feedback(came)
    elif kind == "show" and told[0] < len(made):
        store.activate(made[told[0]], NOW)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_kept_course_is_the_one_in_the_store_whatever_came_between(sqlite_store: Store, steps: list[Any]) -> None:
    name = f"user-{np.random.default_rng().integers(2**60)}"
    sqlite_store.add_user(ada(name))
    courses, made = Courses(sqlite_store), []
    for step in [*steps, ("ask",)]:
        if step[0] == "ask":
            known = courses.of(name)
            assert known.revision == sqlite_store.revision(name)
            assert_equal(known.kept.course, as_stored(sqlite_store, name))
        else:
            try:
                take(sqlite_store, name, made, step)
            except Exception as error:  # a second answer or reading at the same time is a conflict
                assert "already" in str(error)  # noqa: PT017


def test_it_is_the_same_on_every_database_also_when_it_was_written_elsewhere(store: Store) -> None:
    store.add_user(ada("ada"))
    mine, theirs = Courses(store), Courses(store)
    for number in range(3):
        store.add_decision(decision("ada", number, number))
        assert_equal(mine.of("ada").kept.course, as_stored(store, "ada"))
    store.add_measurement(Measurement("ada", NOW - timedelta(days=3), "PHQ9", 12.5))
    store.add_feedback(Feedback("ada-1", NOW + timedelta(hours=3), {"score": 81.3, "completed": True}))
    store.activate("ada-1", NOW)
    assert_equal(mine.of("ada").kept.course, as_stored(store, "ada"))
    assert_equal(theirs.of("ada").kept.course, as_stored(store, "ada"))


def test_what_an_earlier_version_wrote_is_found(sqlite_store: Store) -> None:
    sqlite_store.add_user(ada("ada"))
    sqlite_store.add_decision(decision("ada", 0, 0))
    courses = Courses(sqlite_store)
    courses.of("ada")
    sqlite_store.add_feedback(Feedback("ada-0", NOW + timedelta(hours=3), {"score": 81.3, "completed": True}))
    with sqlite_store.engine.begin() as connection:
        connection.execute(sa.update(feedback).values(user_id=None))
    assert_equal(courses.of("ada").kept.course, as_stored(sqlite_store, "ada"))


def test_a_history_that_is_loaded_is_found(sqlite_store: Store) -> None:
    sqlite_store.add_user(ada("ada"))
    sqlite_store.add_decision(decision("ada", 0, 0))
    courses = Courses(sqlite_store)
    courses.of("ada")
    with_more = sqlite_store.course("ada")
    row = {**with_more.sessions.row(0, named=True), "decision_id": "older", "decided_at": NOW - timedelta(days=1)}
    sqlite_store.load(Tables.from_rows(sqlite_store.therapy, users=with_more.users.rows(named=True), sessions=[row]))
    assert_equal(courses.of("ada").kept.course, as_stored(sqlite_store, "ada"))
    assert courses.of("ada").kept.decision_ids == ["older", "ada-0"]


def test_the_user_asked_for_longest_ago_goes_first(sqlite_store: Store) -> None:
    courses = Courses(sqlite_store, sessions_kept=2)
    for name in ("ada", "bea", "cia"):
        sqlite_store.add_user(ada(name))
        courses.of(name)
    assert list(courses._kept) == ["bea", "cia"]
    courses.forget("bea")
    assert list(courses._kept) == ["cia"]
    assert courses._sessions == 1


@pytest.fixture
def reads_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patients whose changes were asked of the database."""
    asked: list[str] = []

    def noted(engine: sa.Engine, therapy: Therapy, user_id: str, *more: Any) -> KnownCourse | None:
        asked.append(user_id)
        return read_on(engine, therapy, user_id, *more)

    monkeypatch.setattr("serving.courses.read_on", noted)
    return asked


def test_what_this_process_wrote_is_not_asked_for(store: Store, reads_on: list[str]) -> None:
    store.add_user(ada("ada"))
    courses = Courses(store)
    courses.of("ada")
    store.add_decision(decision("ada", 0, 0))
    store.add_measurement(Measurement("ada", NOW - timedelta(days=3), "PHQ9", 12))
    store.add_feedback(Feedback("ada-0", NOW + timedelta(hours=3), {"score": 81, "completed": True}))
    store.activate("ada-0", NOW)
    store.add_decision(decision("ada", 0, 0))  # again: it changes nothing
    assert_equal(courses.of("ada").kept.course, as_stored(store, "ada"))
    store.add_decision(decision("ada", 1, -1))  # and one that comes late
    assert_equal(courses.of("ada").kept.course, as_stored(store, "ada"))
    assert reads_on == []


def test_what_others_wrote_between_is_asked_for(sqlite_store: Store, reads_on: list[str]) -> None:
    other = Store(sqlite_store.engine, sqlite_store.therapy)  # as another process has it
    sqlite_store.add_user(ada("ada"))
    courses = Courses(sqlite_store)
    courses.of("ada")
    sqlite_store.add_decision(decision("ada", 0, 0))
    other.add_decision(decision("ada", 1, 1))
    sqlite_store.add_decision(decision("ada", 2, 2))
    assert_equal(courses.of("ada").kept.course, as_stored(sqlite_store, "ada"))
    assert reads_on == ["ada"]
    sqlite_store.add_decision(decision("ada", 3, 3))
    assert_equal(courses.of("ada").kept.course, as_stored(sqlite_store, "ada"))
    assert reads_on == ["ada"]
    other.close()


def test_much_that_was_written_is_not_held_until_somebody_asks(sqlite_store: Store, reads_on: list[str]) -> None:
    sqlite_store.add_user(ada("ada"))
    courses = Courses(sqlite_store)
    courses.of("ada")
    for number in range(HEARD + 1):
        sqlite_store.add_decision(decision("ada", number, number))
    assert len(courses._kept["ada"].heard) == 1
    assert_equal(courses.of("ada").kept.course, as_stored(sqlite_store, "ada"))
    assert reads_on == ["ada"]
    assert courses._kept["ada"].heard == {}


def test_who_withdrew_consent_or_declared_something_else_is_read_anew(sqlite_store: Store) -> None:
    sqlite_store.add_user(ada("ada"))
    courses = Courses(sqlite_store)
    assert courses.of("ada").consents(NOW)
    sqlite_store.withdraw_consent("ada", NOW)
    assert not courses.of("ada").consents(NOW)
    assert courses.of("ada").consents(NOW - timedelta(microseconds=1))
    with sqlite_store.engine.begin() as connection:
        connection.execute(sa.update(users).values(declared={"age": 51.0}))
    assert courses.of("ada").kept.course.user["age"] == 51.0


def test_nobody_is_not_found(sqlite_store: Store) -> None:
    with pytest.raises(NotFound, match="no such user"):
        Courses(sqlite_store).of("nobody")
