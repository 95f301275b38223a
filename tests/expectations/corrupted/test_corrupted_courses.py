"""Corruptions of courses: times, consent, choices, feedback; each is found where it is, in its rows, by its code."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

EVERY = 9  # of the corpus, one is in the quick suite
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
ANSWERED = pl.col("feedback_at").is_not_null()
TRAINED = pl.col("content_id") == "memory_05_story"


def put(table: str, rows: int = 3, where: pl.Expr | None = None, **values: Any) -> Callable:
    return lambda cohort: cohort.put(table, rows, where, **values)


def slip_of_the_keyboard(cohort: Any) -> Any:
    """The second of three readings, a digit short."""
    second = cohort.frames["measurements"].filter(cohort.of(0))["measured_at"][1]
    first = cohort.frames["measurements"].filter(cohort.of(0))["score"][0]
    low = 2.0 if first > 20 else 30.0
    cohort.put("measurements", 99, cohort.of(0), score=25.0)
    return cohort.put("measurements", 1, cohort.of(0) & (pl.col("measured_at") == second), score=min(low, 2.0))


def two_readings_of_two_people(cohort: Any) -> Any:
    readings = cohort.frames["measurements"].filter(cohort.of(0))["measured_at"]
    cohort.drop("measurements", cohort.of(0) & (pl.col("measured_at") > readings[1]))
    cohort.put("measurements", 1, cohort.of(0) & (pl.col("measured_at") == readings[0]), score=29.0)
    cohort.put("measurements", 1, cohort.of(0) & (pl.col("measured_at") == readings[1]), score=1.0)
    return cohort.keys("measurements", cohort.frames["measurements"].filter(cohort.of(0)))


def sent_twice(times: int) -> Callable:
    def spoil(cohort: Any) -> Any:
        rows = set()
        for time in range(1, times):
            later = {
                "decided_at": time * 3 * SECOND,
                "decision_id": pl.col("decision_id").str.slice(0, 15) + f"-{time}",
            }
            rows |= cohort.again("sessions", 1, cohort.of(0), **later, feedback_at=DAY * 0)
        return rows

    return spoil


def two_at_one_moment(cohort: Any) -> Any:
    one = cohort.frames["sessions"].filter(cohort.of(0) & (pl.col("content_id") != "rest")).head(1)["decision_id"]
    is_one = pl.col("decision_id").is_in(one.implode())
    other = {"content_id": "rest", "eligible": None, "probability": None, "feedback_at": None}
    nothing = dict.fromkeys(("score", "completed", "rating", "comment"))
    return {(one[0],)} | cohort.again("sessions", 1, is_one, decision_id="other", **other, **nothing)


def before_enrolment(cohort: Any) -> Any:
    return cohort.put("sessions", 2, cohort.of(0), decided_at=-200 * DAY, feedback_at=-200 * DAY)


def without_consent(cohort: Any) -> Any:
    cohort.put("users", 1, cohort.of(0), consent=False)
    return cohort.keys("sessions", cohort.frames["sessions"].filter(cohort.of(0)))


def withdrawn(table: str, time: str) -> Callable:
    """Consent is withdrawn half-way through a course that goes on."""

    def spoil(cohort: Any) -> Any:
        when = cohort.frames[table].filter(cohort.of(0))[time].sort().drop_nulls()
        half = when[len(when) // 2] + timedelta(hours=2)
        cohort.put("users", 1, cohort.of(0), consent_withdrawn_at=half)
        late = (
            (pl.col("decided_at") > half) | (pl.col("feedback_at") > half)
            if table == "sessions"
            else pl.col(time) > half
        )
        return cohort.keys(table, cohort.frames[table].filter(cohort.of(0) & late))

    return spoil


def late_answer_after_withdrawal(cohort: Any) -> Any:
    last = cohort.frames["sessions"].filter(cohort.of(0) & ANSWERED).sort("decided_at").tail(1)
    cohort.drop("measurements", cohort.of(0) & (pl.col("measured_at") > last["decided_at"][0]))
    cohort.drop("sessions", cohort.of(0) & (pl.col("decided_at") > last["decided_at"][0]))
    cohort.put("users", 1, cohort.of(0), consent_withdrawn_at=last["decided_at"][0])
    return cohort.keys("sessions", last)


def first_reading(move: timedelta | None) -> Callable:
    """A user's first reading is lost, or was entered under a later date."""

    def spoil(cohort: Any) -> Any:
        first, second = cohort.frames["measurements"].filter(cohort.of(0))["measured_at"].sort()[:2]
        is_first = cohort.of(0) & (pl.col("measured_at") == first)
        if move is None:
            cohort.drop("measurements", is_first)
        else:
            cohort.put("measurements", 1, is_first, measured_at=move)
        sooner = second if move is None else min(first + move, second)
        return cohort.keys("sessions", cohort.frames["sessions"].filter(cohort.of(0) & (pl.col("decided_at") < sooner)))

    return spoil


def first_reading_in_quarantine(cohort: Any) -> Any:
    first, second = cohort.frames["measurements"].filter(cohort.of(0))["measured_at"].sort()[:2]
    cohort.put("measurements", 1, cohort.of(0) & (pl.col("measured_at") == first), score=99.0)
    return cohort.keys("sessions", cohort.frames["sessions"].filter(cohort.of(0) & (pl.col("decided_at") < second)))


def active(column: str, share: float) -> Callable:
    """A content has been active for part of the time in which it was given."""

    def spoil(cohort: Any) -> Any:
        given = cohort.frames["sessions"].filter(TRAINED)
        when = given["decided_at"].sort()[int(share * given.height)]
        cohort.put("contents", 1, TRAINED, **{column: when})
        is_out = pl.col("decided_at") < when if column == "active_from" else pl.col("decided_at") >= when
        return cohort.keys("sessions", given.filter(is_out))

    return spoil


def retired_but_eligible(cohort: Any) -> Any:
    when = cohort.frames["sessions"]["decided_at"].sort()[-200]
    cohort.put("contents", 1, TRAINED, active_until=when)
    could = pl.col("eligible").list.contains("memory_05_story") & (pl.col("decided_at") >= when)
    return cohort.keys("sessions", cohort.frames["sessions"].filter(could))


def active_until_before_it_began(cohort: Any) -> Any:
    spare = pl.col("content_id") == "attention_06_walk_and_count"
    begun, ended = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
    return cohort.put("contents", 1, spare, active_from=begun, active_until=ended)


def probabilities(change: pl.Expr) -> Callable:
    def spoil(cohort: Any) -> int:
        cohort.cast("sessions", change.alias("probability"))
        return cohort.frames["sessions"].height

    return spoil


def came_back(cohort: Any) -> Any:
    """Two months pass between two sessions."""
    sessions = cohort.frames["sessions"].filter(cohort.of(0)).sort("decided_at")
    half = sessions["decided_at"][sessions.height // 2]
    late = cohort.of(0) & (pl.col("decided_at") >= half)
    return len(cohort.put("sessions", 999, late, decided_at=60 * DAY, feedback_at=60 * DAY)) and 1


def a_day_without(cohort: Any) -> None:
    days = pl.col("decided_at").dt.date()
    busiest = cohort.frames["sessions"].group_by(days).len().sort("len")["decided_at"][-1]
    cohort.drop("sessions", days == busiest)


CORRUPTIONS: dict[str, tuple[str, str, str | None, Callable]] = {
    "a slip of the keyboard": ("V209", "measurements", "score", slip_of_the_keyboard),
    "two readings of two people": ("V209", "measurements", "score", two_readings_of_two_people),
    "a tap sent twice": ("V303", "sessions", "content_id", sent_twice(2)),
    "a request tried four times": ("V303", "sessions", "content_id", sent_twice(4)),
    "two contents at one moment": ("V304", "sessions", "decided_at", two_at_one_moment),
    "sessions before enrolment": ("V501", "sessions", "decided_at", before_enrolment),
    "sessions without consent": ("V502", "sessions", "user_id", without_consent),
    "a content that ended before it began": ("V503", "contents", "active_until", active_until_before_it_began),
    "a content given before its time": ("V504", "sessions", "content_id", active("active_from", 0.1)),
    "a content given after its time": ("V504", "sessions", "content_id", active("active_until", 0.9)),
    "a first reading lost": ("V505", "sessions", "decided_at", first_reading(None)),
    "a first reading dated late": ("V505", "sessions", "decided_at", first_reading(10 * DAY)),
    "a first reading in quarantine": ("V505", "sessions", "decided_at", first_reading_in_quarantine),
    "sessions after withdrawal": ("V506", "sessions", "decided_at", withdrawn("sessions", "decided_at")),
    "readings after withdrawal": ("V506", "measurements", "measured_at", withdrawn("measurements", "measured_at")),
    "an answer after withdrawal": ("V506", "sessions", "feedback_at", late_answer_after_withdrawal),
    "a decision next year": (
        "V507",
        "sessions",
        "decided_at",
        put("sessions", decided_at=400 * DAY, feedback_at=400 * DAY),
    ),
    "an answer next year": ("V507", "sessions", "feedback_at", put("sessions", 3, ANSWERED, feedback_at=400 * DAY)),
    "a reading in the year 9999": (
        "V507",
        "measurements",
        "measured_at",
        put("measurements", measured_at=datetime(9999, 12, 31, tzinfo=UTC)),
    ),
    "an enrolment in the future": ("V507", "users", "enrolled_at", put("users", enrolled_at=400 * DAY)),
    "a clock that lost its battery": (
        "V508",
        "sessions",
        "decided_at",
        put("sessions", decided_at=datetime(1970, 1, 1, tzinfo=UTC)),
    ),
    "an enrolment in 1900": (
        "V508",
        "users",
        "enrolled_at",
        put("users", enrolled_at=datetime(1900, 1, 1, tzinfo=UTC)),
    ),
    "a retired content eligible": ("V509", "sessions", "eligible", retired_but_eligible),
    "a user who came back": ("V510", "sessions", "decided_at", came_back),
    "a day without a session": ("V511", "sessions", "decided_at", a_day_without),
    "a probability of zero": ("V601", "sessions", "probability", put("sessions", probability=0.0)),
    "a probability above one": ("V601", "sessions", "probability", put("sessions", probability=1.5)),
    "a probability below zero": ("V601", "sessions", "probability", put("sessions", probability=-0.1)),
    "a probability in per cent": ("V601", "sessions", "probability", put("sessions", probability=40.0)),
    "a content not among those eligible": (
        "V602",
        "sessions",
        "content_id",
        put("sessions", 3, pl.col("content_id") != "rest", eligible=["rest"], probability=1.0),
    ),
    "nothing eligible": ("V602", "sessions", "content_id", put("sessions", eligible=[])),
    "one content eligible and not certain": (
        "V603",
        "sessions",
        "probability",
        put("sessions", eligible=pl.concat_list("content_id"), probability=0.5),
    ),
    "a content eligible twice": (
        "V604",
        "sessions",
        "eligible",
        put("sessions", eligible=pl.concat_list("eligible", pl.col("eligible").list.first())),
    ),
    "probabilities halved": ("V605", "sessions", "probability", probabilities(pl.col("probability") / 2)),
    "probabilities a tenth of what they were": (
        "V605",
        "sessions",
        "probability",
        probabilities(pl.col("probability") / 10),
    ),
    "probabilities of next to nothing": ("V605", "sessions", "probability", probabilities(pl.lit(1e-160))),
    "probabilities a third, hidden behind one of next to nothing": (
        "V605",
        "sessions",
        "probability",
        probabilities(pl.when(pl.int_range(pl.len()) == 0).then(1e-12).otherwise(pl.col("probability") / 3)),
    ),
    "feedback before its decision": ("V701", "sessions", "feedback_at", put("sessions", 3, ANSWERED, feedback_at=-DAY)),
    "feedback at no time": ("V702", "sessions", "feedback_at", put("sessions", 3, ANSWERED, feedback_at=None)),
    "feedback that lacks a part": ("V703", "sessions", "feedback", put("sessions", 3, ANSWERED, score=None)),
    "feedback two months late": ("V704", "sessions", "feedback_at", put("sessions", 3, ANSWERED, feedback_at=60 * DAY)),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if place % EVERY == 0 else pytest.mark.thorough)
        for place, name in enumerate(CORRUPTIONS)
    ],
)
def test_a_corruption_of_courses_is_found(name: str, check: Callable) -> None:
    check(*CORRUPTIONS[name])
