"""What was known at a time: nothing that came later changes it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from posology.as_of import as_of
from posology.errors import TableError
from posology.tables import NAMES, Tables, schema_of
from posology.therapy import Therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
CALM = Therapy.model_validate(
    {
        "name": "calm",
        "title": "Breathing",
        "version": 1,
        "status": {
            "instrument": "PHQ9",
            "minimum": 0,
            "maximum": 27,
            "better": "lower",
            "smallest_important_change": 5,
            "final_after_days": 56,
            "final_window_days": 14,
        },
        "user": {},
        "context": {},
        "content": {},
        "feedback": {
            "columns": {"score": {"kind": "number", "minimum": 0, "maximum": 100}},
            "value": "score / 100",
            "due_hours": 24,
            "missing": 0.0,
        },
        "safety": {"safe_default": "rest", "rules": [], "caps": {}},
        "objective": "feedback",
        "exploration": {"floor": 0.02, "temperature": 0.1},
    }
)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def tables_of(**rows: list[dict[str, Any]]) -> Tables:
    return Tables.from_rows(CALM, **rows)


def known(tables: Tables | Mapping[str, pl.DataFrame], moment: datetime) -> dict[str, pl.DataFrame]:
    frames = vars(tables) if isinstance(tables, Tables) else tables
    lazy = {name: frames[name].lazy() for name in NAMES}
    return {name: rows.collect() for name, rows in as_of(lazy, moment, CALM).items()}


def assert_same(left: Mapping[str, pl.DataFrame], right: Mapping[str, pl.DataFrame]) -> None:
    for name in NAMES:
        assert_frame_equal(left[name], right[name], check_row_order=False)


@pytest.fixture(scope="module")
def course() -> Tables:
    """One patient from day 0, one from day 5 who was screened on day 4; feedback comes a day after the session."""
    return tables_of(
        users=[{"user_id": user, "enrolled_at": day(at), "consent": True} for user, at in (("ada", 0), ("bo", 5))],
        measurements=[
            {"user_id": user, "measured_at": day(at), "instrument": "PHQ9", "score": 9.0}
            for user, at in (("ada", 0), ("ada", 8), ("bo", 4))
        ],
        contents=[
            {"content_id": "rest"},
            {"content_id": "slow", "active_from": day(3), "active_until": day(9)},
            {"content_id": "song", "active_until": day(2)},
        ],
        sessions=[
            {"decision_id": "d1", "user_id": "ada", "decided_at": day(1), "content_id": "rest"}
            | {"feedback_at": day(2), "score": 50.0},
            {"decision_id": "d2", "user_id": "ada", "decided_at": day(3), "content_id": "slow"}
            | {"feedback_at": day(4), "score": 60.0},
            {"decision_id": "d3", "user_id": "ada", "decided_at": day(6), "content_id": "rest"},
        ],
    )


def test_late_feedback_is_not_known_and_its_decision_stays(course: Tables) -> None:
    then = known(course, day(3.5))["sessions"]
    assert then.select("decision_id", "feedback_at", "score").rows() == [("d1", day(2), 50.0), ("d2", None, None)]


def test_late_patients_and_readings_are_not_known(course: Tables) -> None:
    then = known(course, day(4.5))
    assert then["users"]["user_id"].to_list() == ["ada"]
    assert then["measurements"]["user_id"].to_list() == ["ada"]  # bo was screened, and is nobody yet
    assert sorted(known(course, day(5))["measurements"]["user_id"]) == ["ada", "bo"]


def test_contents_are_as_they_were_active_then(course: Tables) -> None:
    then = known(course, day(2.5))["contents"]
    assert then.select("content_id", "active_until").rows() == [("rest", None), ("song", day(2))]
    later = known(course, day(3))["contents"]
    assert later.filter(content_id="slow")["active_until"].to_list() == [None]  # that it would end is not known yet


def test_a_moment_includes_what_happened_in_it_in_any_zone(course: Tables) -> None:
    here = day(6).astimezone(timezone(timedelta(hours=-7)))
    assert known(course, here)["sessions"].height == 3
    assert known(course, here - timedelta(microseconds=1))["sessions"].height == 2


def test_long_after_everything_all_is_known(course: Tables) -> None:
    assert_same(known(course, day(1000)), vars(course))


def test_feedback_without_a_time_cannot_be_placed(course: Tables) -> None:
    frames = {**vars(course), "sessions": course.sessions.drop("feedback_at")}
    then = known(frames, day(10))["sessions"]
    assert then.height == 3
    assert then["score"].null_count() == 3


@pytest.mark.parametrize(
    ("table", "column", "change", "said"),
    [
        ("users", "enrolled_at", pl.col("enrolled_at").dt.replace_time_zone(None), "set the time zone"),
        ("sessions", "feedback_at", pl.col("feedback_at").cast(pl.String), "column feedback_at is String, expected"),
        ("measurements", "measured_at", None, "missing column measured_at"),
        ("sessions", "user_id", None, "missing column user_id"),
        ("sessions", "user_id", pl.lit(1, pl.UInt64).alias("user_id"), "user_id is UInt64, expected String"),
    ],
)
def test_without_times_nobody_can_say_what_was_known(
    course: Tables, table: str, column: str, change: pl.Expr | None, said: str
) -> None:
    frame: pl.DataFrame = getattr(course, table)
    frames = {**vars(course), table: frame.drop(column) if change is None else frame.with_columns(change)}
    with pytest.raises(TableError, match=said):
        known(frames, day(3))


@pytest.mark.parametrize("table", ["users", "measurements", "sessions"])
def test_ids_that_can_be_read_as_text_are(course: Tables, table: str) -> None:
    frame: pl.DataFrame = getattr(course, table)
    words = frame.with_columns(pl.col("user_id").cast(pl.Categorical))
    for name, rows in known({**vars(course), table: words}, day(10)).items():
        assert rows.height == known(vars(course), day(10))[name].height
    nobody = {**vars(course), table: frame.with_columns(user_id=pl.lit(None))}
    assert known(nobody, day(10))["sessions" if table == "users" else table].is_empty()


days = st.integers(0, 8).map(day)
maybe_days = st.none() | days
names = st.sampled_from(["ada", "bo", "nobody"])


@st.composite
def histories(draw: st.DrawFn) -> Tables:
    """Any history, possible or not: rows of nobody, feedback before its decision, contents with any end."""
    users = draw(st.dictionaries(st.sampled_from(["ada", "bo"]), days, max_size=2))
    readings = draw(st.sets(st.tuples(names, days), max_size=4))
    contents = draw(st.dictionaries(st.sampled_from(["rest", "slow"]), st.tuples(maybe_days, maybe_days), max_size=2))
    given_ = draw(st.lists(st.tuples(names, days, maybe_days), max_size=5))
    return tables_of(
        users=[{"user_id": user, "enrolled_at": at, "consent": True} for user, at in users.items()],
        measurements=[{"user_id": u, "measured_at": at, "instrument": "PHQ9", "score": 1.0} for u, at in readings],
        contents=[{"content_id": c, "active_from": a, "active_until": b} for c, (a, b) in contents.items()],
        sessions=[
            {"decision_id": f"d{n}", "user_id": user, "decided_at": at, "content_id": "rest"}
            | ({"feedback_at": came, "score": float(n)} if came else {})
            for n, (user, at, came) in enumerate(given_)
        ],
    )


def later_than(tables: Tables, moment: datetime) -> dict[str, pl.DataFrame]:
    """The same history, in which everything goes on after the moment."""
    after, no = moment + timedelta(microseconds=1), pl.lit(None, dtype=pl.String)
    more = tables_of(
        users=[{"user_id": "nobody", "enrolled_at": after, "consent": True}],
        measurements=[{"user_id": "ada", "measured_at": after, "instrument": "PHQ9", "score": 2.0}],
        contents=[{"content_id": "new", "active_from": after}],
        sessions=[{"decision_id": "new", "user_id": "ada", "decided_at": after, "content_id": "rest"}],
    )
    withdrawn = tables.contents.with_columns(
        active_until=pl.when(pl.col("active_until").fill_null(after) > moment).then(after).otherwise("active_until")
    )
    answer = pl.col("feedback_at").is_null()
    answered = tables.sessions.with_columns(
        score=pl.when(answer).then(99.0).otherwise("score"),
        feedback_at=pl.when(answer).then(after).otherwise("feedback_at"),
        release=no,
    )
    now = {**vars(tables), "contents": withdrawn, "sessions": answered}
    return {name: pl.concat([getattr(more, name), now[name]]) for name in NAMES}


@settings(max_examples=40, deadline=None)
@given(histories(), days)
def test_what_becomes_known_later_changes_nothing(tables: Tables, moment: datetime) -> None:
    assert_same(known(later_than(tables, moment), moment), known(tables, moment))


@settings(max_examples=40, deadline=None)
@given(histories(), days, days)
def test_known_of_what_was_known_is_what_was_known_at_the_earlier_time(
    tables: Tables, one: datetime, other: datetime
) -> None:
    assert_same(known(known(tables, one), other), known(tables, min(one, other)))


@settings(max_examples=40, deadline=None)
@given(histories(), days, days)
def test_more_is_known_later(tables: Tables, one: datetime, other: datetime) -> None:
    before, after = known(tables, min(one, other)), known(tables, max(one, other))
    keys = {"users": "user_id", "measurements": "measured_at", "contents": "content_id", "sessions": "decision_id"}
    for name, key in keys.items():
        assert set(before[name][key]) <= set(after[name][key])
    answers = dict(after["sessions"].select("decision_id", "score").iter_rows())
    assert all(
        score in (None, answers[name]) for name, score in before["sessions"].select("decision_id", "score").rows()
    )


def test_it_keeps_the_columns_of_the_contract(course: Tables) -> None:
    for name, rows in known(course, day(3)).items():
        assert dict(rows.schema) == schema_of(name, CALM)
