"""Whether a canary goes on: what it did so far, held against the guards that were signed."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.always_valid import always_valid_difference, always_valid_mean
from posology.bootstrap import Interval
from posology.errors import TooSmall
from serving.modes.plan import Guards


@dataclass(frozen=True)
class Guarded:
    """A canary so far.

    Attributes:
        safe_default_share: of its decisions; None before there are any.
        error_share: likewise.
        feedback: its mean F, each patient counting once; None where too few patients have any.
        difference: its mean F less that of the patients whom the champion decides for.
        stop: which guard stops it, in words; empty: none does.
    """

    patients: int
    decisions: int
    safe_default_share: float | None
    error_share: float | None
    feedback: Interval | None
    difference: Interval | None
    stop: str


def guarded(found: pl.DataFrame, guards: Guards) -> Guarded:
    """A canary judged by the outcomes since it began, as ``serving.modes.outcomes`` gives them.

    The intervals hold however often one looks, so that the guard may look
    all the time and still stops a canary that is no worse with a
    probability of at most 5 %.
    """
    canary = found.filter(pl.col("arm") == "canary")
    values, others = _per_patient(canary), _per_patient(found.filter(pl.col("arm") == "policy"))
    try:
        feedback = always_valid_mean(values)
    except TooSmall:
        feedback = None
    try:
        difference = always_valid_difference(values, others)
    except TooSmall:
        difference = None
    shares = [
        None if canary.is_empty() else float(canary[name].to_numpy().mean()) for name in ("is_default", "is_error")
    ]
    enough = canary.height >= guards.least_decisions
    return Guarded(
        patients=canary["user_id"].n_unique(),
        decisions=canary.height,
        safe_default_share=shares[0],
        error_share=shares[1],
        feedback=feedback,
        difference=difference,
        stop=(_too_large(shares, guards) if enough else "") or _too_little(feedback, difference, guards),
    )


def _too_large(shares: list[float | None], guards: Guards) -> str:
    for name, share, limit in (
        ("safe defaults", shares[0], guards.safe_default_share),
        ("errors", shares[1], guards.error_share),
    ):
        if share is not None and share > limit:
            return f"{share:.1%} {name}, at most {limit:.1%} allowed"
    return ""


def _too_little(feedback: Interval | None, difference: Interval | None, guards: Guards) -> str:
    if difference and difference.high < -guards.worse_by:
        return f"mean F differs from the champion's patients' by {difference}, at most {guards.worse_by:g} less allowed"
    if feedback and guards.least_feedback is not None and feedback.low < guards.least_feedback:
        return f"mean F is {feedback}, a lower bound of at least {guards.least_feedback:g} asked"
    return ""


def _per_patient(found: pl.DataFrame) -> np.ndarray:
    """(n_patients,) each patient's mean F."""
    known = found.drop_nulls("value").group_by("user_id", maintain_order=True).agg(pl.col("value").mean())
    return known["value"].to_numpy()
