"""The honesty test exposes estimators that are biased, and clears those that are not."""

from collections.abc import Iterator

import numpy as np
import pytest

from models.offpolicy import Asked, LoggedChoices, cross_fitted_q
from models.offpolicy.honesty import Errors, Honesty, Told, errors_in, honesty
from models.policies import LastBest
from posology.errors import CannotDo
from posology.guardrails.finding import Verdict
from posology.offpolicy import ESTIMATORS
from posology.offpolicy.clipped import Clipped
from posology.offpolicy.direct_method import DirectMethod
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.self_normalised import SelfNormalised
from posology.offpolicy.sequential import SEQUENTIAL
from posology.simulators import Cohort, simulate
from posology.therapy import Therapy

MARGIN = 0.02


def cohorts(mci: Therapy, how_many: int) -> Iterator[Cohort]:
    for seed in range(how_many):
        yield simulate(mci, patients=60, seed=100 + seed, weeks=2)


@pytest.fixture(scope="module")
def told(mci: Therapy) -> dict[str, Told]:
    """By name, in mechanistic worlds, with predictions turned upside down and weights cut to nothing."""
    estimators = (Clipped(limit=1.0), DirectMethod(), DoublyRobust(), SelfNormalised())
    asked = Asked(one_step=estimators, predict=lambda choices: 1 - cross_fitted_q(choices), resamples=200)
    return {each.estimator: each for each in errors_in(mci, cohorts(mci, 7), asked, {}).told(MARGIN)}


def test_a_direct_method_with_bad_predictions_is_exposed(told: dict[str, Told]) -> None:
    found = told["direct_method"]
    assert found.verdict == Verdict.FAIL
    assert found.worst_policy == "leaning -0.15"  # what it prefers is what is thought best
    assert found.worst_bias is not None
    assert found.worst_bias.low > 0.1
    assert found.ranks is not None
    assert found.ranks.value < -0.5


def test_weights_cut_off_low_are_exposed(told: dict[str, Told]) -> None:
    found = told["clipped"]
    assert found.verdict == Verdict.FAIL
    assert found.bias is not None
    assert found.bias.high < -0.1
    assert found.covered is not None
    assert found.covered < 0.1


@pytest.mark.parametrize("name", ["doubly_robust", "self_normalised"])
def test_sound_estimators_are_near_the_truth_even_so(told: dict[str, Told], name: str) -> None:
    found = told[name]
    assert found.verdict != Verdict.FAIL
    assert found.worst_bias is not None
    assert abs(found.worst_bias.value) < 0.02
    assert found.covered is not None
    assert found.covered > 0.85
    assert found.ranks is not None
    assert found.ranks.value > 0.9


@pytest.fixture(scope="module")
def on_a_log(mci: Therapy) -> Honesty:
    tables = simulate(mci, patients=80, seed=3, weeks=2).tables
    asked = Asked(one_step=(SelfNormalised(), DirectMethod()), resamples=100)
    choices = LoggedChoices.of(mci, tables)
    return honesty(choices, tables, asked, margin=MARGIN, policies={"last-best": LastBest()}, worlds=3)


@pytest.mark.thorough
def test_a_log_is_given_its_own_simulator_and_told_how_far_to_trust_it(on_a_log: Honesty) -> None:
    assert on_a_log.policies[-1] == "last-best"
    by_name = {each.estimator: each for each in on_a_log.told}
    assert by_name["self_normalised"].bias is not None
    assert abs(by_name["self_normalised"].bias.value) < 0.03
    plain = on_a_log.as_json()
    assert (plain["worlds"], plain["patients"]) == (3, 76)  # 4 of 80 made no decision
    assert plain["fidelity"]["verdict"] in {"trust", "do not trust", "insufficient evidence"}
    assert {"bias", "bias_low", "bias_high", "rank", "covered", "verdict"} <= plain["estimators"][0].keys()


def errors(value: np.ndarray) -> Errors:
    """Of one estimator for two policies whose truth is 0.5, in as many worlds as there are rows."""
    value = value[:, :, None]
    return Errors(("one", "other"), ("estimator",), np.full(value.shape[:2], 0.5), value, value - 0.1, value + 0.1)


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.0, Verdict.PASS), (0.018, Verdict.INSUFFICIENT), (0.05, Verdict.FAIL)]
)
def test_the_verdict_is_that_of_the_worst_policy(error: float, verdict: Verdict) -> None:
    value = 0.5 + np.random.default_rng(0).normal(0, 0.005, (10, 2))
    value[:, 1] += error
    found = errors(value).told(MARGIN)[0]
    assert found.verdict == verdict
    assert found.ranks is None


def test_what_was_hardly_answered_has_no_verdict() -> None:
    value = np.full((10, 2), np.nan)
    value[:2] = 0.9
    found = errors(value).told(MARGIN)[0]
    assert (found.answered, found.bias, found.verdict) == (0.2, None, Verdict.INSUFFICIENT)


def test_runs_and_too_few_worlds_are_refused(mci: Therapy) -> None:
    with pytest.raises(CannotDo, match="single decisions"):
        errors_in(mci, cohorts(mci, 1), Asked(of_runs=SEQUENTIAL), {})
    with pytest.raises(CannotDo, match="3 worlds or more, got 0"):
        errors_in(mci, cohorts(mci, 1), Asked(ESTIMATORS[:1], resamples=20), {})
