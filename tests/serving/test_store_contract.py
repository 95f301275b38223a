"""What every store does, on SQLite and on PostgreSQL."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from posology.errors import Conflict, NotFound, TableError
from posology.tables import NAMES, Tables, catalogue_of
from posology.therapy import Therapy
from serving.records import Decision, Feedback, Measurement, User
from serving.store import Store

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ADA = User(
    "ada", START, "Bern", consent=True, declared={"age": 50.5, "sex": None, "history": "é – 日本", "voice": [0.1]}
)
FIRST = Measurement("ada", START, "PHQ9", 0.1 + 0.2)
DECIDED = Decision(
    decision_id="d1",
    user_id="ada",
    decided_at=START + timedelta(microseconds=1),
    content_id="slow",
    eligible=("rest", "slow"),
    probability=1 / 3,
    release="calm-0123456789ab",
    context={"sleep_hours": 7.1},
    source="model",
    reasons=("S001",),
    seed=2**62 + 1,
    candidates=("slow",),
    ranking=({"content_id": "slow", "probability": 1 / 3},),
    course_revision=1,
)
RECEIVED = Feedback("d1", START + timedelta(hours=1), {"score": 80.0, "completed": True, "comment": None})


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with one patient's course."""
    store.add_user(ADA)
    store.add_measurement(FIRST)
    store.add_decision(DECIDED)
    store.add_feedback(RECEIVED)
    return store


def test_what_is_read_is_what_was_written(filled: Store) -> None:
    assert filled.user("ada") == ADA
    assert filled.decision("d1") == DECIDED
    course = filled.course("ada")
    assert course.measurements.row(0, named=True) == dataclasses.asdict(FIRST)
    session = course.sessions.row(0, named=True)
    assert session["decided_at"] == DECIDED.decided_at
    assert session["feedback_at"] == RECEIVED.received_at
    assert (session["score"], session["completed"], session["sleep_hours"]) == (80.0, True, 7.1)
    assert session["probability"] == 1 / 3


def test_the_same_row_again_changes_nothing(filled: Store) -> None:
    before = filled.snapshot(), filled.revision("ada")
    filled.add_user(ADA)
    filled.add_measurement(FIRST)
    filled.add_decision(DECIDED)
    filled.add_feedback(RECEIVED)
    filled.activate("d1", START)
    revision = filled.revision("ada")
    filled.activate("d1", START + timedelta(hours=1))
    assert filled.revision("ada") == revision == before[1] + 1
    for name in NAMES:
        assert_frame_equal(getattr(filled.snapshot(), name), getattr(before[0], name))


def test_the_same_id_with_other_content_is_a_conflict(filled: Store) -> None:
    with pytest.raises(Conflict):
        filled.add_user(dataclasses.replace(ADA, site="Basel"))
    with pytest.raises(Conflict):
        filled.add_measurement(dataclasses.replace(FIRST, score=3.0))
    with pytest.raises(Conflict):
        filled.add_decision(dataclasses.replace(DECIDED, content_id="rest"))
    with pytest.raises(Conflict):
        filled.add_feedback(dataclasses.replace(RECEIVED, declared={**RECEIVED.declared, "completed": False}))


def test_the_time_of_arrival_is_no_content(filled: Store) -> None:
    later = dataclasses.replace(RECEIVED, received_at=START + timedelta(days=1))
    filled.add_feedback(later, time_is_given=False)
    with pytest.raises(Conflict):
        filled.add_feedback(later)


def test_a_decision_id_of_another_user_is_a_conflict(filled: Store) -> None:
    filled.add_user(dataclasses.replace(ADA, user_id="bo"))
    with pytest.raises(Conflict):
        filled.add_decision(dataclasses.replace(DECIDED, user_id="bo"))


def test_rows_of_nobody_are_refused(filled: Store) -> None:
    for call in (
        lambda: filled.course("nobody"),
        lambda: filled.user("nobody"),
        lambda: filled.revision("nobody"),
        lambda: filled.decision("nothing"),
        lambda: filled.activate("nothing", START),
        lambda: filled.add_measurement(dataclasses.replace(FIRST, user_id="nobody")),
        lambda: filled.add_decision(dataclasses.replace(DECIDED, user_id="nobody")),
        lambda: filled.add_feedback(dataclasses.replace(RECEIVED, decision_id="nothing")),
    ):
        with pytest.raises(NotFound):
            call()


def test_therapies_do_not_see_each_other(filled: Store, therapy: Therapy) -> None:
    other = Store(filled.engine, therapy.model_copy(update={"name": "other"}))
    with pytest.raises(NotFound):
        other.course("ada")
    other.add_user(dataclasses.replace(ADA, site="elsewhere"))
    assert other.snapshot().sessions.is_empty()
    assert filled.user("ada") == ADA


def test_an_earlier_course_can_be_read_again(filled: Store) -> None:
    revision = filled.revision("ada")
    before = filled.course("ada", revision=revision)
    filled.add_measurement(dataclasses.replace(FIRST, measured_at=START - timedelta(days=1)))  # comes late
    filled.add_decision(dataclasses.replace(DECIDED, decision_id="d2"))
    filled.add_feedback(dataclasses.replace(RECEIVED, decision_id="d2"))
    again = filled.course("ada", revision=revision)
    for name in NAMES:
        assert_frame_equal(getattr(again, name), getattr(before, name))
    without_feedback = filled.course("ada", revision=revision - 1)
    assert without_feedback.sessions["feedback_at"].to_list() == [None]
    assert filled.course("ada").sessions.height == filled.course("ada").measurements.height == 2


def test_contents_go_into_the_tables_as_given(filled: Store, therapy: Therapy) -> None:
    contents = catalogue_of(therapy)
    assert filled.course("ada").contents.is_empty()
    assert_frame_equal(filled.course("ada", contents).contents, contents)
    assert_frame_equal(filled.snapshot(contents).contents, contents)


def history(therapy: Therapy) -> Tables:
    """A cohort as it comes from a file, with everything optional missing somewhere."""
    users = [
        {"user_id": f"u{n}", "enrolled_at": START, "site": None, "consent": n > 0, "age": 40.0 + n} for n in range(3)
    ]
    measurements = [
        {"user_id": f"u{n}", "measured_at": START + timedelta(days=day), "instrument": "PHQ9", "score": 10.0 + n}
        for n in range(3)
        for day in (0, 56)
    ]
    sessions = [
        {
            "decision_id": f"u{n}-{place}",
            "user_id": f"u{n}",
            "decided_at": START + timedelta(days=place),
            "content_id": "slow",
            "eligible": ["rest", "slow"] if place else None,
            "probability": 0.5 if place else None,
            "sleep_hours": 7.0,
            "feedback_at": START + timedelta(days=place, hours=1) if place % 2 else None,
            "score": 70.0 if place % 2 else None,
            "voice": None,
        }
        for n in range(3)
        for place in range(4)
    ]
    return Tables.from_rows(therapy, users=users, measurements=measurements, sessions=sessions)


def test_a_history_comes_back_as_it_was_loaded(store: Store, therapy: Therapy) -> None:
    tables = history(therapy)
    store.load(tables)
    store.load(tables)
    for name in NAMES:
        assert_frame_equal(getattr(store.snapshot(), name), getattr(tables, name))
    assert store.decision("u0-0").source == "imported"
    assert store.revision("u0") == 1


def test_a_snapshot_of_live_decisions_can_be_loaded_again(filled: Store) -> None:
    snapshot = filled.snapshot()
    filled.load(snapshot)
    assert filled.decision("d1") == DECIDED
    for name in NAMES:
        assert_frame_equal(getattr(filled.snapshot(), name), getattr(snapshot, name))


def test_a_history_with_a_difference_leaves_nothing(filled: Store, therapy: Therapy) -> None:
    tables = history(therapy)
    other = filled.snapshot().users.with_columns(site=pl.lit("Basel"))
    with pytest.raises(Conflict, match="ada"):
        filled.load(dataclasses.replace(tables, users=pl.concat([tables.users, other])))
    with pytest.raises(NotFound, match="u0"):
        filled.load(dataclasses.replace(tables, users=tables.users.filter(pl.col("user_id") != "u0")))
    bad = tables.measurements.with_columns(score=pl.lit(float("nan")))
    with pytest.raises(TableError, match="score"):
        filled.load(dataclasses.replace(tables, measurements=bad))
    with pytest.raises(Conflict):
        filled.load(dataclasses.replace(tables, users=pl.concat([tables.users, tables.users])))
    assert filled.snapshot().users["user_id"].to_list() == ["ada"]


def test_live_rows_follow_a_loaded_history(store: Store, therapy: Therapy) -> None:
    store.load(history(therapy))
    store.add_decision(dataclasses.replace(DECIDED, user_id="u1"))
    assert store.revision("u1") == 2
    assert store.course("u1", revision=1).sessions.height == 4
    assert store.course("u1").sessions.height == 5


def test_many_writers_at_once_lose_nothing(filled: Store) -> None:
    readings = [dataclasses.replace(FIRST, measured_at=START + timedelta(days=day)) for day in range(1, 21)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(filled.add_measurement, readings * 2))
        list(pool.map(filled.add_user, [dataclasses.replace(ADA, user_id="bo")] * 8))
    assert filled.course("ada").measurements.height == 21
    assert filled.revision("ada") == 3 + 20


OPEN = "import sys; from serving.database import open_database; open_database(sys.argv[1])"


def test_processes_may_start_at_once_on_a_new_database(store_url: str) -> None:
    command = [sys.executable, "-c", OPEN, store_url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[1] for process in started] == [""] * 3
    assert [process.returncode for process in started] == [0] * 3


@pytest.fixture
def hours(store_url: str, therapy: Therapy) -> Iterator[Store]:
    """A store whose clock says one hour later at every row; the first is recorded an hour after START."""
    times = (START + timedelta(hours=hour) for hour in range(1, 100))
    opened = Store.open(store_url, therapy, clock=lambda: next(times))
    yield opened
    opened.close()


def test_what_came_late_was_not_known_before(hours: Store) -> None:
    hours.add_user(ADA)  # recorded at hour 1
    hours.add_decision(DECIDED)  # 2
    hours.add_measurement(FIRST)  # 3: measured at START, entered late
    hours.add_feedback(RECEIVED)  # 4: received an hour after START, sent on late
    known = [hours.snapshot(as_of=START + timedelta(hours=hour)) for hour in range(5)]
    assert [tables.users.height for tables in known] == [0, 1, 1, 1, 1]
    assert [tables.sessions.height for tables in known] == [0, 0, 1, 1, 1]
    assert [tables.measurements.height for tables in known] == [0, 0, 0, 1, 1]
    assert [tables.sessions["score"].drop_nulls().to_list() for tables in known] == [[], [], [], [], [80.0]]
    for name in NAMES:
        assert_frame_equal(getattr(known[4], name), getattr(hours.snapshot(), name))


def test_what_comes_later_changes_no_earlier_snapshot(hours: Store, therapy: Therapy) -> None:
    hours.add_user(ADA)
    hours.add_decision(DECIDED)
    then = START + timedelta(hours=2)
    before = hours.snapshot(as_of=then)
    hours.add_feedback(RECEIVED)
    hours.add_measurement(FIRST)
    hours.add_user(dataclasses.replace(ADA, user_id="bo"))
    for name in NAMES:
        assert_frame_equal(getattr(hours.snapshot(as_of=then), name), getattr(before, name))


def test_an_imported_history_was_known_elsewhere_at_its_own_times(hours: Store, therapy: Therapy) -> None:
    tables = history(therapy)
    hours.load(tables)
    for name in NAMES:
        assert_frame_equal(getattr(hours.snapshot(as_of=START - timedelta(days=1)), name), getattr(tables, name))


def test_a_store_of_an_earlier_version_is_brought_up_to_this_one(store_url: str, therapy: Therapy) -> None:
    with closing(Store.open(store_url, therapy)) as store:
        store.add_user(ADA)
        with store.engine.begin() as connection:
            for table in ("users", "measurements", "decisions", "feedback", "activations"):
                connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN recorded_at"))
    with closing(Store.open(store_url, therapy)) as store:
        store.add_measurement(FIRST)
        known = store.snapshot(as_of=START)
        assert (known.users.height, known.measurements.height) == (1, 0)
