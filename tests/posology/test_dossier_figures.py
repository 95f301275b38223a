"""Plots are the same bytes for the same numbers, and say in words what they show."""

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from posology.dossier import Estimate, Figure, SkillRow, SkillTable, ValueRow
from posology.dossier import figures as plots
from posology.dossier.figures.spread import mean_over_patients

SKILL = SkillTable(
    "feedback",
    (
        SkillRow("gradient boosting", Estimate(0.11, 0.10, 0.12), is_candidate=True),
        SkillRow("mean", Estimate(0.15)),
    ),
    loss_name="mean absolute error",
)
VALUES = (
    ValueRow("candidate", "doubly robust", Estimate(0.62, 0.58, 0.66), 812.0, truth=0.63, is_candidate=True),
    ValueRow("random", "weighted", Estimate(0.51, 0.47, 0.55), 300.0),
)
MIX = {"rest": {"logged": 0.2, "candidate": 0.05}, "memory $5": {"logged": 0.8, "candidate": 0.95}}


def every_plot(n: int) -> dict[str, Callable[[], Figure]]:
    rng = np.random.default_rng(1)
    x, y, users = rng.random(n), rng.random(n), rng.integers(0, 7, n)
    groups = np.where(users % 2 == 0, "sex: female", "sex: male")
    return {
        "calibration": lambda: plots.calibration_plot(x, y, users, quantity="feedback"),
        "coverage": lambda: plots.coverage_plot(y < 0.9, groups, users, nominal=0.9, fewest_patients=2),
        "importance": lambda: plots.importance_plot(["a", "b <c>"], np.array([3.0, 1.0]), predicted="feedback"),
        "skill": lambda: plots.skill_plot(SKILL),
        "value": lambda: plots.value_plot(VALUES, unit="feedback", logged_value=0.5),
        "weights": lambda: plots.weight_plot(x * 3, policy="candidate"),
        "mix": lambda: plots.content_mix_plot(MIX, candidate="candidate"),
        "course": lambda: plots.learning_curve_plot(np.arange(n) % 9 + 1, y, users),
    }


NAMES = tuple(every_plot(1))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers_give_the_same_bytes(name: str) -> None:
    assert every_plot(80)[name]() == every_plot(80)[name]()


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_is_svg_that_points_nowhere_and_holds_no_date(name: str) -> None:
    svg = every_plot(80)[name]().svg
    ET.fromstring(svg)
    assert not re.search(r'href="(?!#)', svg)
    assert "dc:date" not in svg
    assert "<script" not in svg


@pytest.mark.parametrize("name", NAMES)
def test_a_plot_says_how_to_read_it_and_what_it_shows(name: str) -> None:
    figure = every_plot(80)[name]()
    assert figure.title
    assert figure.reading.endswith(".")
    assert re.search(r"\d", figure.alternative)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("name", ["calibration", "weights", "course"])
def test_a_plot_of_almost_nothing_is_still_a_plot(name: str, n: int) -> None:
    assert every_plot(n)[name]().svg.startswith("<?xml")


def test_missing_feedback_and_few_patients_are_left_out_of_the_course() -> None:
    sessions = np.array([1, 1, 1, 1, 2, 2, 3])
    feedback = np.array([0.2, 0.4, 0.6, np.nan, 0.9, 0.9, 0.9])
    users = np.array([1, 2, 3, 4, 1, 2, 1])
    assert "0.400 at session 1" in plots.learning_curve_plot(sessions, feedback, users).alternative
    assert "session 2" not in plots.learning_curve_plot(sessions, feedback, users).alternative


def test_a_group_of_few_patients_is_named_but_not_shown() -> None:
    users = np.repeat(np.arange(12), 5)
    groups = np.where(users < 2, "sex: male", "sex: female")
    figure = plots.coverage_plot(np.ones(60, dtype=bool), groups, users, nominal=0.9)
    assert "fewer than 5 patients: sex: male." in figure.reading
    assert "sex: female (10 patients)" in figure.alternative
    assert "sex: male" not in figure.alternative


def test_the_effective_number_of_equal_weights_is_their_number() -> None:
    assert "effective number 50.0" in plots.weight_plot(np.ones(50), policy="candidate").alternative


def test_the_interval_over_patients_is_wider_when_a_patients_sessions_are_alike() -> None:
    rng = np.random.default_rng(3)
    users = np.repeat(np.arange(40), 25)
    alike = rng.normal(size=40)[users] + 0.1 * rng.normal(size=users.size)
    apart = rng.normal(size=users.size)
    assert width(mean_over_patients(alike, users)) > 3 * width(mean_over_patients(apart, users))


def test_the_interval_over_patients_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    users = np.repeat(np.arange(30), 10)
    held = [holds_zero(rng.normal(size=30)[users] + rng.normal(size=users.size), users) for _ in range(1000)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_one_patient_has_no_interval() -> None:
    assert mean_over_patients(np.array([1.0, 3.0]), np.array(["a", "a"])) == Estimate(2.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_with_one_value_a_patient_it_is_the_ordinary_t_interval(values: list[float]) -> None:
    found = mean_over_patients(np.array(values), np.arange(len(values)))
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    low, high = found.low, found.high
    assert low is not None
    assert high is not None
    assert (high - low) / 2 == pytest.approx(error * t_975(len(values) - 1), rel=1e-6, abs=1e-6)


def t_975(freedom: int) -> float:
    return float(stats.t.ppf(0.975, freedom))


def width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def holds_zero(values: np.ndarray, users: np.ndarray) -> bool:
    found = mean_over_patients(values, users)
    assert found.low is not None
    assert found.high is not None
    return found.low <= 0 <= found.high
