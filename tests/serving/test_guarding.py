"""A canary is stopped for what it did, and seldom for nothing, however often one looks."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from posology.always_valid import always_valid_difference, always_valid_mean
from posology.errors import TooSmall
from serving.modes.guarding import guarded
from serving.modes.plan import Guards
from serving.modes.report import arms_report

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def made(*, canary: float, policy: float = 0.6, patients: int = 80, seed: int = 1, **more: list[bool]) -> pl.DataFrame:
    """Outcomes of two arms with these mean F, five decisions a patient."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(["canary", "policy"], patients * 5)
    of_patient = rng.normal(0, 0.1, 2 * patients).repeat(5)
    mean = np.where(arm == "canary", canary, policy)
    value = np.clip(mean + of_patient + rng.normal(0, 0.1, arm.size), 0, 1)
    found = {
        "user_id": [f"u{number}" for number in np.arange(2 * patients).repeat(5)],
        "decided_at": [NOW + timedelta(hours=number % 5) for number in range(arm.size)],
        "release": np.where(arm == "canary", "calm-2", "calm-1"),
        "arm": arm,
        "is_default": [False] * arm.size,
        "is_error": [False] * arm.size,
        "value": value,
    }
    return pl.DataFrame(found | more)


def flags(n: int, of: int = 800) -> list[bool]:
    return [True] * n + [False] * (of - n)


def test_a_canary_that_does_as_well_goes_on() -> None:
    found = guarded(made(canary=0.6), Guards())
    assert found.stop == ""
    assert (found.patients, found.decisions) == (80, 400)
    assert found.difference
    assert found.difference.low < 0 < found.difference.high


def test_a_canary_that_does_worse_is_stopped() -> None:
    assert "mean F differs" in guarded(made(canary=0.4), Guards()).stop
    assert guarded(made(canary=0.4), Guards(worse_by=0.3)).stop == ""


def test_a_lower_bound_below_the_floor_stops() -> None:
    assert guarded(made(canary=0.6), Guards(least_feedback=0.4)).stop == ""
    assert "lower bound" in guarded(made(canary=0.6), Guards(least_feedback=0.59)).stop


def test_safe_defaults_and_errors_stop_once_there_are_enough_decisions() -> None:
    assert "safe defaults" in guarded(made(canary=0.6, is_default=flags(81)), Guards()).stop
    assert guarded(made(canary=0.6, is_default=flags(80)), Guards()).stop == ""
    assert "errors" in guarded(made(canary=0.6, is_error=flags(5)), Guards()).stop
    assert guarded(made(canary=0.6, is_error=flags(5)), Guards(least_decisions=401)).stop == ""


def test_with_too_few_patients_nothing_is_known_yet() -> None:
    found = guarded(made(canary=0.0, patients=20), Guards())
    assert (found.feedback, found.difference, found.stop) == (None, None, "")
    none = guarded(made(canary=0.6).head(0), Guards())
    assert (none.decisions, none.error_share, none.stop) == (0, None, "")
    with pytest.raises(TooSmall, match="30"):
        always_valid_mean(np.zeros(29))


def test_looking_all_the_time_stops_a_canary_that_is_no_worse_in_at_most_five_of_a_hundred() -> None:
    worlds, looks, seen = 200, range(30, 400, 5), 0
    rng = np.random.default_rng(20)
    for _ in range(worlds):
        some, others = (rng.beta(2, 1, 400) for _ in range(2))
        seen += any(always_valid_difference(some[:n], others[:n]).high < 0 for n in looks)
    assert seen / worlds <= 0.05


def test_always_valid_means_cover_at_all_looks() -> None:
    worlds, missed = 200, 0
    rng = np.random.default_rng(21)
    for _ in range(worlds):
        values = (rng.random(400) < 0.3).astype(float)
        intervals = [always_valid_mean(values[:n]) for n in range(30, 400, 5)]
        missed += any(not one.low <= 0.3 <= one.high for one in intervals)
    assert missed / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


def test_the_report_gives_each_arm_and_what_it_differs_from_the_policy_by() -> None:
    canary, policy = arms_report(made(canary=0.5))
    assert (canary.arm, canary.patients, canary.decisions) == ("canary", 80, 400)
    assert (policy.arm, policy.difference) == ("policy", None)
    assert canary.difference
    assert canary.difference.low < -0.1 < canary.difference.high < 0
    [alone] = arms_report(made(canary=0.5).filter(pl.col("arm") == "canary"))
    assert alone.difference is None
    assert alone.feedback == canary.feedback
