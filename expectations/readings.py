"""The rule of a user's readings held against each other."""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from expectations.rule import Rule, holds
from expectations.thresholds import Thresholds
from posology.therapy import Status


def reading_rules(status: Status, limits: Thresholds) -> Iterator[Rule]:
    """V209, over readings sorted by user and time that nothing else is wrong with.

    A reading leaps when it is too far from the one before and the one after; a user's first and last, which have
    one neighbour only, when they are too far from the next two. Of a slip of the keyboard among good
    readings it is the slip; of two readings alone, both.
    """
    before, after = _agrees(status, limits, 1), _agrees(status, limits, -1)
    further = pl.coalesce(
        pl.when(before.is_null()).then(_agrees(status, limits, -2)),
        pl.when(after.is_null()).then(_agrees(status, limits, 2)),
    )
    each = (before, after, further)
    is_alone = pl.all_horizontal(agrees.is_null() for agrees in each)
    agrees_with_one = pl.any_horizontal(agrees.fill_null(value=False) for agrees in each)
    says = f"does not leap further than a patient can in the time between, by the range of {status.instrument}"
    why = (
        f"At one moment {limits.leap_share:.0%} of the range, over {status.final_after_days:g} days all of it, "
        f"and {limits.leap_changes:g} smallest important changes at any time."
    )
    yield holds("V209", "score", says, is_alone | agrees_with_one, why=why)


def _agrees(status: Status, limits: Thresholds, step: int) -> pl.Expr:
    """Whether the reading that many places before or after is near enough; null when it is another user's."""
    is_same = pl.col("user_id").shift(step) == pl.col("user_id")
    change = (pl.col("score").shift(step) - pl.col("score")).abs()
    days = (pl.col("measured_at").shift(step) - pl.col("measured_at")).abs() / timedelta(days=1)
    share = limits.leap_share + (1 - limits.leap_share) * days / status.final_after_days
    reach = (status.maximum - status.minimum) * share
    least = limits.leap_changes * status.smallest_important_change
    return pl.when(is_same).then(change <= pl.max_horizontal(reach, pl.lit(least)))
