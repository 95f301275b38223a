"""Corruptions of files, of single values and of keys: each is found where it is, in its rows, by its code."""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

EVERY = 9  # of the corpus, one is in the quick suite


def put(table: str, rows: int = 3, **values: Any) -> Callable:
    return lambda cohort: cohort.put(table, rows, **values)


def again(table: str, rows: int = 3, **values: Any) -> Callable:
    return lambda cohort: cohort.again(table, rows, **values)


def cast(table: str, *columns: pl.Expr) -> Callable:
    return lambda cohort: cohort.cast(table, *columns)


def cut(table: str, column: str) -> Callable:
    def spoil(cohort: Any) -> None:
        cohort.frames[table] = cohort.frames[table].drop(column)

    return spoil


def empty(table: str) -> Callable:
    return lambda cohort: cohort.drop(table, pl.lit(value=True))


def one_id_for_two_users(cohort: Any) -> Any:
    first, last = cohort.frames["sessions"]["decision_id"][[0, -1]]
    cohort.put("sessions", 1, pl.col("decision_id") == last, decision_id=first)
    return {(first,)}


def one_time_for_two_scores(cohort: Any) -> Any:
    return cohort.again("measurements", score=pl.col("score") - 1)


def one_decision_for_two_contents(cohort: Any) -> Any:
    return cohort.again("sessions", where=pl.col("content_id") != "rest", content_id="rest", probability=None)


def content_twice(cohort: Any) -> Any:
    return cohort.again("contents", 2, level=pl.col("level") + 1)


def no_safe_default(cohort: Any) -> None:
    cohort.drop("contents", pl.col("content_id") == "rest")


def nights_in_minutes(cohort: Any) -> Any:
    return cohort.put("sessions", 10**6, cohort.of(0), sleep_hours=pl.col("sleep_hours") * 60)


def half_in_quarantine(cohort: Any) -> int:
    half = cohort.frames["sessions"].height // 2
    cohort.put("sessions", half, sleep_hours=25.0)
    return half


NAN, INFINITY = float("nan"), float("inf")
CORRUPTIONS: dict[str, tuple[str, str, str | None, Callable]] = {
    "a column is missing": ("V101", "users", "age", cut("users", "age")),
    "the time of decisions is missing": ("V101", "sessions", "decided_at", cut("sessions", "decided_at")),
    "an attribute of contents is missing": ("V101", "contents", "level", cut("contents", "level")),
    "a column nobody declared": ("V102", "users", "shoe", cast("users", pl.lit(42).alias("shoe"))),
    "a diagnosis among the sessions": ("V102", "sessions", "icd", cast("sessions", pl.lit("F06").alias("icd"))),
    "scores as text": ("V103", "measurements", "score", cast("measurements", pl.col("score").cast(pl.String))),
    "times without a zone": (
        "V103",
        "sessions",
        "decided_at",
        cast("sessions", pl.col("decided_at").dt.replace_time_zone(None)),
    ),
    "consent as text": ("V103", "users", "consent", cast("users", pl.col("consent").cast(pl.String))),
    "eligible contents as one text": (
        "V103",
        "sessions",
        "eligible",
        cast("sessions", pl.col("eligible").list.join(",")),
    ),
    "feedback as text": ("V103", "sessions", "completed", cast("sessions", pl.col("completed").cast(pl.String))),
    "no users": ("V104", "users", None, empty("users")),
    "no readings": ("V104", "measurements", None, empty("measurements")),
    "no sessions": ("V104", "sessions", None, empty("sessions")),
    "no contents": ("V104", "contents", None, empty("contents")),
    "a content twice with two levels": ("V106", "contents", "content_id", content_twice),
    "no safe default": ("V107", "contents", "content_id", no_safe_default),
    "half of the sessions wrong": ("V108", "sessions", "share in quarantine", half_in_quarantine),
    "a session of nobody": ("V201", "sessions", "user_id", put("sessions", user_id=None)),
    "a session at no time": ("V201", "sessions", "decided_at", put("sessions", decided_at=None)),
    "a session without a content": ("V201", "sessions", "content_id", put("sessions", content_id=None)),
    "a session without an id": ("V201", "sessions", "decision_id", put("sessions", 1, decision_id=None)),
    "a reading without a score": ("V201", "measurements", "score", put("measurements", score=None)),
    "a reading without an instrument": ("V201", "measurements", "instrument", put("measurements", instrument=None)),
    "a user who never enrolled": ("V201", "users", "enrolled_at", put("users", enrolled_at=None)),
    "a user nobody asked": ("V201", "users", "consent", put("users", consent=None)),
    "a content without a level": ("V201", "contents", "level", put("contents", 1, level=None)),
    "an empty decision id": ("V202", "sessions", "decision_id", put("sessions", 1, decision_id="")),
    "an empty user id": ("V202", "users", "user_id", put("users", 1, user_id="")),
    "a line break in an id": ("V210", "sessions", "decision_id", put("sessions", 1, decision_id="a\nb")),
    "an escape sequence in an id": ("V210", "users", "user_id", put("users", 1, user_id="\x1b[31mred")),
    "a zero byte in an id": ("V210", "users", "user_id", put("users", 1, user_id="a\x00b")),
    "a night that is no number": ("V203", "sessions", "sleep_hours", put("sessions", sleep_hours=NAN)),
    "a night without end": ("V203", "sessions", "sleep_hours", put("sessions", sleep_hours=INFINITY)),
    "a score of minus infinity": ("V203", "measurements", "score", put("measurements", score=-INFINITY)),
    "a probability that is no number": ("V203", "sessions", "probability", put("sessions", probability=NAN)),
    "a child of seven": ("V204", "users", "age", put("users", age=7.0)),
    "a night of 25 hours": ("V204", "sessions", "sleep_hours", put("sessions", sleep_hours=25.0)),
    "one patient's nights in minutes": ("V204", "sessions", "sleep_hours", nights_in_minutes),
    "a rating of zero stars": (
        "V204",
        "sessions",
        "rating",
        lambda cohort: cohort.put("sessions", 3, pl.col("rating").is_not_null(), rating=0.0),
    ),
    "a content beyond the last level": ("V204", "contents", "level", put("contents", 1, level=11.0)),
    "a sex in one letter": ("V205", "users", "sex", put("users", sex="f")),
    "a domain nobody declared": ("V205", "contents", "domain", put("contents", 1, domain="sports")),
    "another instrument": ("V207", "measurements", "instrument", put("measurements", instrument="MoCA")),
    "the instrument in small letters": ("V207", "measurements", "instrument", put("measurements", instrument="mmse")),
    "a score above the instrument": ("V208", "measurements", "score", put("measurements", score=31.0)),
    "a score below the instrument": ("V208", "measurements", "score", put("measurements", score=-1.0)),
    "a user twice": ("V301", "users", "user_id", again("users")),
    "a reading twice": ("V301", "measurements", "user_id, measured_at, instrument", again("measurements")),
    "a session twice": ("V301", "sessions", "decision_id", again("sessions")),
    "a user with two ages": ("V302", "users", "user_id", again("users", age=pl.col("age") + 1)),
    "two scores at one time": ("V302", "measurements", "user_id, measured_at, instrument", one_time_for_two_scores),
    "one decision for two contents": ("V302", "sessions", "decision_id", one_decision_for_two_contents),
    "one decision id for two users": ("V302", "sessions", "decision_id", one_id_for_two_users),
    "a session of an unknown user": ("V401", "sessions", "user_id", put("sessions", user_id="nobody")),
    "a reading of an unknown user": ("V401", "measurements", "user_id", put("measurements", user_id="nobody")),
    "an unknown content": ("V402", "sessions", "content_id", put("sessions", content_id="gone", eligible=None)),
    "an unknown content among those eligible": (
        "V403",
        "sessions",
        "eligible",
        put("sessions", eligible=pl.concat_list("eligible", pl.lit("gone"))),
    ),
    "nothing among those eligible": (
        "V403",
        "sessions",
        "eligible",
        put("sessions", eligible=pl.concat_list("eligible", pl.lit(None, dtype=pl.String))),
    ),
    "what a broken user left behind": (
        "V901",
        "sessions",
        "user_id",
        lambda cohort: (
            cohort.put("users", 1, cohort.of(1), age=7.0),
            cohort.keys("sessions", cohort.frames["sessions"].filter(cohort.of(1))),
        )[1],
    ),
    "what a broken content was given to": (
        "V902",
        "sessions",
        "content_id",
        lambda cohort: (
            cohort.put("contents", 1, pl.col("content_id") == "attention_06_walk_and_count", level=11.0),
            cohort.keys(
                "sessions",
                cohort.frames["sessions"].filter(pl.col("eligible").list.contains("attention_06_walk_and_count")),
            ),
        )[1],
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if place % EVERY == 0 else pytest.mark.thorough)
        for place, name in enumerate(CORRUPTIONS)
    ],
)
def test_a_corruption_of_rows_is_found(name: str, check: Callable) -> None:
    check(*CORRUPTIONS[name])
