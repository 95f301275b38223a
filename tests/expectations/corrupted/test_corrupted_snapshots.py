"""Corruptions that only the data last accepted give away; and what is no corruption."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

EVERY = 5  # of the corpus, one is in the quick suite


def half(cohort: Any) -> pl.Expr:
    """The condition that a row is of the first half of the users."""
    return pl.col("user_id") < cohort.frames["users"]["user_id"].sort()[cohort.frames["users"].height // 2]


def since(spoil: Callable) -> Callable:
    """Everybody was there already."""

    def run(cohort: Any) -> Any:
        cohort.last = dict(cohort.frames)
        return spoil(cohort)

    return run


def joined(*columns: pl.Expr) -> Callable:
    """Half of the users joined since, and with them some columns are other."""

    def run(cohort: Any) -> None:
        known = half(cohort)
        cohort.last = {n: f if n == "contents" else f.filter(known) for n, f in cohort.frames.items()}
        for column in columns:
            table = "sessions" if column.meta.output_name() in cohort.frames["sessions"].columns else "users"
            name = column.meta.output_name()
            cohort.cast(table, pl.when(known).then(pl.col(name)).otherwise(column).alias(name))

    return run


def without(table: str, condition: Callable[[Any], pl.Expr]) -> Callable:
    def spoil(cohort: Any) -> None:
        cohort.drop(table, condition(cohort))

    return since(spoil)


def changed(table: str, *columns: pl.Expr) -> Callable:
    return since(lambda cohort: cohort.cast(table, *columns))


def other_ids(cohort: Any) -> None:
    for name in ("users", "measurements", "sessions"):
        cohort.cast(name, ("x" + pl.col("user_id")).alias("user_id"))


CORRUPTIONS: dict[str, tuple[str, str, str | None, Callable]] = {
    "half of the users": ("V801", "users", None, without("users", half)),
    "the last weeks cut off": (
        "V801",
        "sessions",
        None,
        without("sessions", lambda _: pl.col("decided_at") > pl.col("decided_at").quantile(0.8)),
    ),
    "every third reading": (
        "V801",
        "measurements",
        None,
        without("measurements", lambda _: pl.int_range(pl.len()) % 3 == 0),
    ),
    "a site fell silent": ("V802", "users", "site", without("users", lambda _: pl.col("site") == "west")),
    "a content is no longer listed": (
        "V803",
        "contents",
        "content_id",
        without("contents", lambda _: pl.col("content_id") == "memory_05_story"),
    ),
    "scores on another scale": (
        "V804",
        "measurements",
        "score",
        changed("measurements", (pl.col("score") / 30 * 27).round(0)),
    ),
    "answers given to other sessions": ("V804", "sessions", "score", changed("sessions", pl.col("score").shift(1))),
    "an attribute of contents rewritten": (
        "V804",
        "contents",
        "level",
        changed("contents", (10 - pl.col("level")).alias("level")),
    ),
    "nights an hour shorter": ("V805", "sessions", "sleep_hours", joined((pl.col("sleep_hours") - 2).clip(0))),
    "a clock in another zone": ("V805", "sessions", "hour_of_day", joined((pl.col("hour_of_day") + 8) % 24)),
    "ages no longer asked": ("V806", "users", "age", joined(pl.lit(None, dtype=pl.Float64).alias("age"))),
    "a score in tenths": ("V806", "sessions", "score", joined(pl.col("score") / 10)),
    "days of sleep for hours": ("V806", "sessions", "sleep_hours", joined(pl.col("sleep_hours") / 24)),
    "the same people under other ids": ("V807", "users", "user_id", since(other_ids)),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if place % EVERY == 0 else pytest.mark.thorough)
        for place, name in enumerate(CORRUPTIONS)
    ],
)
def test_a_corruption_of_a_snapshot_is_found(name: str, check: Callable) -> None:
    check(*CORRUPTIONS[name])


def feedback_came_late(cohort: Any) -> None:
    answers = ("feedback_at", "score", "completed", "rating", "comment")
    is_late = pl.col("decided_at") > pl.col("decided_at").max() - timedelta(days=5)
    cohort.last = dict(cohort.frames)
    cohort.last["sessions"] = cohort.last["sessions"].with_columns(
        pl.when(is_late).then(None).otherwise(pl.col(name)).alias(name) for name in answers
    )


def three_were_erased(cohort: Any) -> None:
    cohort.last = dict(cohort.frames)
    for name in ("users", "measurements", "sessions"):
        cohort.drop(name, cohort.of(0) | cohort.of(1) | cohort.of(2))


def one_score_was_corrected(cohort: Any) -> None:
    cohort.last = dict(cohort.frames)
    cohort.put("measurements", 1, score=pl.col("score") - 1)


def half_joined(cohort: Any) -> None:
    joined()(cohort)


def nothing_happened(cohort: Any) -> None:
    cohort.last = dict(cohort.frames)


@pytest.mark.parametrize(
    "happened",
    [feedback_came_late, three_were_erased, one_score_was_corrected, half_joined, nothing_happened],
    ids=lambda happened: happened.__name__,
)
def test_what_happens_to_every_cohort_raises_no_alarm(happened: Callable, cohort: Any) -> None:
    happened(cohort)
    assert cohort.validated().failed == ()
