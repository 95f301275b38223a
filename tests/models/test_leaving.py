"""Leaving: who left is told from who was cut off, and contents that deter are found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.leaving import SILENT_DAYS, left_after
from models.policies.fit_leaving import LEAST_LEFT, Departures, fit_leaving
from models.policies.leaving import Leaving
from posology.errors import TooSmall
from posology.therapy import Therapy

START, CONTENTS = datetime(2025, 1, 6, 9, tzinfo=UTC), 12


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def left_of(drill: Therapy, days: list[float], *, read: list[float], ends: float) -> list[bool]:
    """After each decision that says something; the first reading is on day 0, Mf is due on day 84."""
    sessions = pl.DataFrame(
        {"decision_id": [f"d{at}" for at in days], "user_id": "u", "decided_at": [day(at) for at in days]}
    )
    measurements = pl.DataFrame(
        {"user_id": "u", "measured_at": [day(at) for at in (0, *read)], "instrument": "MMSE", "score": 20.0}
    )
    assert drill.status is not None
    return left_after(drill.status, sessions, measurements, day(ends))["left"].to_list()


@pytest.mark.parametrize(
    ("days", "read", "ends", "left"),
    [
        pytest.param([1, 20, 60, 80], [85], 200, [False, False, False], id="stayed to the end"),
        pytest.param([1, 20], [], 200, [False, True], id="left and never came back"),
        pytest.param([1, 20], [85], 200, [False, True], id="left, but came to be measured"),
        pytest.param([1, 20, 60], [], 200, [False, False, True], id="left after a gap"),
        pytest.param([1, 20, 84 - SILENT_DAYS + 1], [], 200, [False, False], id="last shortly before the end"),
        pytest.param([1, 20], [], 60, [], id="cut off by the end of the data"),
        pytest.param([1, 20, 65], [70], 200, [False, False], id="ended early by Mf"),
        pytest.param([1, 20], [85], 90, [], id="measured, but others of the time not yet"),
        pytest.param([1, 110], [], 200, [False], id="came back after all was over"),
    ],
)
def test_leaving_is_told_from_courses_that_end_and_data_that_end(drill, days, read, ends, left):
    assert left_of(drill, days, read=read, ends=ends) == left


def departures(seed: int, *, decisions: int, log_ratio: np.ndarray, slope: float = 0.0, often: float = 0.02):
    """Contents are drawn alike; leaving is as often as said, by what is known and by content."""
    rng = np.random.default_rng(seed)
    known, content = rng.normal(size=(decisions, 2)), rng.integers(0, CONTENTS, decisions)
    known[rng.random((decisions, 2)) < 0.1] = np.nan
    chance = expit(np.log(often) + slope * np.nan_to_num(known[:, 0]) + log_ratio[content])
    return Departures(("feedback_mean", "minutes"), known, content, CONTENTS, rng.random(decisions) < chance)


DETERRING = np.linspace(-1, 1, CONTENTS)


def test_contents_that_deter_are_found_and_so_is_what_else_tells_of_leaving():
    found = fit_leaving(departures(1, decisions=60_000, log_ratio=DETERRING, slope=-0.5))
    assert np.corrcoef(found.content, DETERRING)[0, 1] > 0.95
    assert np.polyfit(DETERRING, found.content, 1)[0] == pytest.approx(1, abs=0.15)
    assert found.weight[0] == pytest.approx(-0.5, abs=0.1)
    assert abs(found.weight[1]) < 0.1


def test_what_is_given_to_those_who_leave_anyway_does_not_seem_to_deter():
    """Content 0 goes to whom F was little, who leave; by itself it does nothing."""
    rng = np.random.default_rng(2)
    known = rng.normal(size=(60_000, 1))
    content = np.where(rng.random(len(known)) < expit(-2 * known[:, 0]), 0, rng.integers(1, CONTENTS, len(known)))
    left = rng.random(len(known)) < expit(-4 - known[:, 0])
    shares = [left[content == place].mean() for place in (0, 1)]
    assert shares[0] > 2 * shares[1]
    assert np.abs(fit_leaving(Departures(("feedback_mean",), known, content, CONTENTS, left)).content).max() < 0.15


@pytest.mark.parametrize(("decisions", "within"), [(3_000, 0.25), (20_000, 0.15)])
def test_where_contents_do_not_differ_little_or_nothing_is_made_of_chance(decisions, within):
    spreads = [
        fit_leaving(departures(seed, decisions=decisions, log_ratio=np.zeros(CONTENTS))).content.std()
        for seed in range(10)
    ]
    assert np.mean(spreads) < within / 2
    assert max(spreads) < within
    assert np.median(spreads) == 0


def test_the_fewer_left_the_nearer_contents_are_drawn_together():
    slopes = [
        np.mean(
            [
                np.polyfit(DETERRING, fit_leaving(departures(seed, decisions=n, log_ratio=DETERRING)).content, 1)[0]
                for seed in range(5)
            ]
        )
        for n in (2_000, 8_000, 32_000)
    ]
    assert slopes[0] < slopes[1] < slopes[2] < 1.2


def test_too_few_who_left_are_an_answer():
    few = departures(3, decisions=4_000, log_ratio=DETERRING)
    few = replace(few, left=few.left & (few.left.cumsum() < LEAST_LEFT))
    with pytest.raises(TooSmall, match=f"expected {LEAST_LEFT} .*got {LEAST_LEFT - 1} of 4000 decisions"):
        fit_leaving(few)


def test_what_was_never_known_or_never_given_tells_nothing():
    log = departures(4, decisions=5_000, log_ratio=np.zeros(CONTENTS))
    known = np.column_stack([log.known, np.full(5_000, np.nan)])
    found = fit_leaving(replace(log, names=(*log.names, "never"), known=known, n_contents=CONTENTS + 1))
    assert found.weight[2] == 0
    assert found.content[-1] == 0
    assert np.isfinite(found.chance(known[:2, None])).all()


def test_the_same_log_gives_the_same_bytes_and_they_come_back():
    log = departures(5, decisions=5_000, log_ratio=DETERRING)
    once, again = fit_leaving(log), fit_leaving(log)
    assert once.parameters == again.parameters
    assert Leaving.of(once.parameters).parameters == once.parameters


@given(seed=st.integers(0, 10_000), missing=st.floats(0, 1))
def test_a_chance_is_one_whatever_is_missing_and_the_same_whoever_else_is_asked_for(seed, missing):
    rng = np.random.default_rng(seed)
    known, (centre, scale, weight) = rng.normal(0, 100, (3, 4, 13)), rng.random((3, 13))
    known[rng.random(known.shape) < missing] = np.nan
    leaving = Leaving(tuple("abcdefghijklm"), centre, scale + 0.1, weight, rng.normal(size=4), -5.0)
    chance = leaving.chance(known)
    assert chance.shape == (3, 4)
    assert ((chance >= 0) & (chance <= 1)).all()
    assert (chance[1:2] == leaving.chance(known[1:2])).all()
