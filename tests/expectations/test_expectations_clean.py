"""Two hundred clean cohorts raise no alarm; nor does one held against another, though a drifted one does."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from expectations import validate
from expectations.against.compositions import Composition
from expectations.against.drift import drifts
from expectations.thresholds import Thresholds
from posology.simulators import simulate
from posology.therapy_file import load_therapy

THERAPIES = ("mci", "depression", "tinnitus")
TAKEN_AT = datetime(2026, 1, 1, tzinfo=UTC)
AT_A_TIME = 20
BATCHES = range(71_000, 71_200, AT_A_TIME)


def alarms(folder: Path, therapy: str, seeds: range) -> dict[int, list[tuple[str, str, str | None]]]:
    """What validation finds in cohorts of 30, each held against one of the same population that came before it."""
    known, found = load_therapy(therapy), {}
    for seed in (seeds[0] - 1, *seeds):
        simulate(known, patients=30, seed=seed, weeks=6).tables.write(folder / str(seed))
    for seed in seeds:
        outcome = validate(known, folder / str(seed), against=folder / str(seed - 1), taken_at=TAKEN_AT)
        assert all(count.quarantined == 0 for count in outcome.counts.values())
        found[seed] = [(failure.code, failure.table, failure.column) for failure in outcome.failed]
    return {seed: failures for seed, failures in found.items() if failures}


@pytest.mark.parametrize("therapy", THERAPIES)
def test_clean_cohorts_raise_no_alarm(therapy: str, tmp_path: Path) -> None:
    assert alarms(tmp_path, therapy, range(1, 4)) == {}


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(BATCHES[0], marks=pytest.mark.slow),
        *(pytest.param(seed, marks=pytest.mark.thorough) for seed in BATCHES[1:]),
    ],
)
def test_two_hundred_clean_cohorts_raise_no_alarm(first: int, tmp_path: Path) -> None:
    """Alone or held against the one before: 200 comparisons alarm by chance in 0.2 % of such sets of seeds."""
    therapy = THERAPIES[first // AT_A_TIME % 3]
    assert alarms(tmp_path, therapy, range(first, first + AT_A_TIME)) == {}


def columns_of(rng: np.random.Generator, users: int, shift: float) -> tuple[list[Composition], np.ndarray]:
    """Twelve columns of sessions that hang together within a user and between columns; one is shifted for those who
    joined, by that many standard deviations."""
    joined = np.arange(users) < users // 3
    traits = rng.normal(size=(users, 1)) + rng.normal(size=(users, 12))
    values = traits[:, None, :] + rng.normal(size=(users, 20, 12))
    values[joined, :, 0] += shift * np.sqrt(3)
    cells = np.clip((values + 5).astype(int), 0, 9)
    shares = [np.apply_along_axis(np.bincount, 1, cells[:, :, place], minlength=10) / 20 for place in range(12)]
    return [Composition("sessions", str(n), True, np.arange(users), share) for n, share in enumerate(shares)], joined


def test_drift_is_found_and_chance_is_not() -> None:
    """At a chance of 5 % over all columns: 100 clean comparisons give at most 12 alarms (P < 0.3 %), 20 with one
    column shifted by 0.8 standard deviations give at least 18, in that column."""
    rng = np.random.default_rng(5)
    clean = [min(each.p for each in drifts(*columns_of(rng, 90, 0.0), deals=500)) for _ in range(100)]
    assert 0 < sum(p <= 0.05 for p in clean) <= 12
    shifted = [drifts(*columns_of(rng, 150, 0.8), deals=500)[0] for _ in range(20)]
    assert sum(each.p <= 0.05 for each in shifted) >= 18
    assert np.median([each.distance for each in shifted]) > Thresholds().drift_noted


def test_a_huge_sample_does_not_alarm_on_nothing() -> None:
    """A shift of a twentieth of a standard deviation is certain in so many users, and too small to matter."""
    (first, *_) = drifts(*columns_of(np.random.default_rng(6), 6_000, 0.08), deals=500)
    assert first.p <= 0.02
    assert first.distance < Thresholds().drift_noted


def test_a_shift_of_a_standard_deviation_among_fifty_newcomers_is_noted_nine_times_in_ten() -> None:
    """By both thresholds as they are shipped: significant and large enough."""
    limits, rng = Thresholds(), np.random.default_rng(71_500)
    found = [drifts(*columns_of(rng, 150, 1.0))[0] for _ in range(20)]
    assert sum(each.p <= limits.drift_error_rate and each.distance >= limits.drift_noted for each in found) >= 18
