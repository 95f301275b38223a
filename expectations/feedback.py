"""The rules of feedback: it has a time, and it can be reduced to one number."""

from collections.abc import Iterator, Mapping

import polars as pl
from polars.exceptions import PolarsError

from expectations.columns import declared
from expectations.rule import Rule, holds
from expectations.thresholds import Thresholds
from posology.therapy import Feedback

_came = pl.col("feedback_at").is_not_null()


def feedback_rules(feedback: Feedback, usual_lengths: Mapping[str, int], thresholds: Thresholds) -> Iterator[Rule]:
    """What F must satisfy; rows must come from ``with_feedback_value``."""
    yield from declared(feedback.columns, usual_lengths)
    is_empty = pl.all_horizontal(pl.col(name).is_null() for name in feedback.columns)
    yield holds("V702", "feedback_at", "is there when feedback is", _came | is_empty)
    value, slack = pl.col("feedback:value"), thresholds.feedback_tolerance
    is_a_share = value.is_between(-slack, 1 + slack).fill_null(value=False)
    names = ", ".join(sorted(feedback.expression.meta.root_names()))
    says = f"is a number from 0 to 1 once {names} are reduced (one that is missing leaves F unknown without COALESCE)"
    yield holds("V703", "feedback", says, pl.when(_came).then(is_a_share))


def with_feedback_value(sessions: pl.DataFrame, feedback: Feedback | None) -> pl.DataFrame:
    """The rows with F reduced to one number; null where no feedback came or it cannot be reduced."""
    if feedback is None:
        return sessions
    rows = sessions.with_columns(pl.when(_came).then(pl.col(name)) for name in feedback.columns)
    return sessions.with_columns(_value(rows, feedback.expression).alias("feedback:value"))


def _value(rows: pl.DataFrame, expression: pl.Expr) -> pl.Series:
    """The expression's values. A cast that fails in one row fails in all, so halve until that row is alone."""
    try:
        return rows.select(expression.alias("value"))["value"]
    except PolarsError:
        if rows.height == 1:
            return pl.Series("value", [None], dtype=pl.Float64)
        middle = rows.height // 2
        return _value(rows[:middle], expression).append(_value(rows[middle:], expression))
