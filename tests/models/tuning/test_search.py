"""The search keeps every trial, spends what it may, and comes to the same twice."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from models.tuning.budget import Budget, Range
from models.tuning.search import Found, search

SPACE = {"x": Range(-4.0, 4.0), "n": Range(1, 9)}


def bowl(options: Mapping[str, Any]) -> Iterator[np.ndarray]:
    """Smallest at x = 1, n = 3; two folds of three patients."""
    for fold in range(2):
        yield np.full(3, (options["x"] - 1) ** 2 + 0.1 * abs(options["n"] - 3) + 0.01 * fold)


def searched(score: Any = bowl, *, trials: int = 30, seed: int = 7, **changes: Any) -> Found:
    told = {"seconds": 1e9, "begin_with": {"x": 3.0, "n": 8, "unknown": 1}} | changes
    return search(score, SPACE, trials=trials, seed=seed, **told)


def without_time(found: Found) -> list[dict[str, Any]]:
    return [trial.as_json() | {"seconds": 0} for trial in found.trials]


@pytest.fixture(scope="module")
def found() -> Found:
    return searched()


def test_it_finds_better_options_than_those_it_began_with(found: Found) -> None:
    first, best = found.trials[0], found.best
    assert first.options == {"x": 3.0, "n": 8}
    assert first.loss == pytest.approx(4.505)
    assert best is not None
    assert best.loss is not None
    assert best.loss < 0.5


def test_every_trial_is_kept_with_its_options_and_how_far_it_went(found: Found) -> None:
    assert [trial.number for trial in found.trials] == list(range(30))
    assert {trial.state for trial in found.trials} == {"complete", "pruned"}
    assert {(trial.state, trial.folds) for trial in found.trials} == {("complete", 2), ("pruned", 1)}
    assert all(set(trial.options) == set(SPACE) and trial.seconds >= 0 for trial in found.trials)
    assert all(isinstance(trial.options["n"], int) and trial.options["x"] in SPACE["x"] for trial in found.trials)
    assert not found.was_cut


def test_the_same_seed_gives_the_same_trials_and_another_does_not(found: Found) -> None:
    assert without_time(searched()) == without_time(found)
    assert without_time(searched(seed=8)) != without_time(found)


def test_a_trial_that_fails_is_recorded_without_its_words_and_the_rest_goes_on() -> None:
    def fragile(options: Mapping[str, Any]) -> Iterator[np.ndarray]:
        if options["n"] > 5:
            raise ValueError("patient 17 has 3.2")
        return bowl(options)

    found = searched(fragile, trials=12)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert len(found.trials) == 12
    assert failed
    assert {(trial.loss, trial.folds, trial.error) for trial in failed} == {(None, 0, "ValueError")}
    assert found.best is not None
    assert found.best.options["n"] <= 5


def test_where_every_trial_fails_there_is_no_best() -> None:
    def broken(_options: Mapping[str, Any]) -> Iterator[np.ndarray]:
        raise MemoryError

    found = searched(broken, trials=3)
    assert [trial.state for trial in found.trials] == ["failed"] * 3
    assert found.best is None


def test_a_loss_that_is_no_number_fails_its_trial() -> None:
    found = searched(lambda _options: iter([np.array([np.nan])]), trials=2)
    assert [trial.state for trial in found.trials] == ["failed"] * 2


def test_an_interrupt_is_no_failed_trial() -> None:
    def stopped(_options: Mapping[str, Any]) -> Iterator[np.ndarray]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(stopped, trials=2)


def test_time_that_runs_out_ends_the_search_and_is_said() -> None:
    ticks = iter(range(1000))
    found = searched(seconds=20, clock=lambda: float(next(ticks)))
    assert found.was_cut
    assert 0 < len(found.trials) < 30


def test_each_trial_is_told_as_it_begins() -> None:
    told: list[int] = []
    searched(trials=3, told=told.append)
    assert told == [0, 1, 2]


def test_it_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched(trials=2)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"trials": -1}, "trials of at least 0, got -1"),
        ({"folds": 1}, "folds of at least 2, got 1"),
        ({"search": {"ridge": {"alpha": Range(0, 1)}}}, "unknown alpha; what can be searched is nothing of ridge"),
        ({"search": {"catboost": {"dept": Range(1, 2)}}}, "unknown dept; what can be searched is depth, iterations"),
        ({"search": {"catboost": {"depth": Range(2, 30)}}}, "expected a range within 1 to 16, got 2 to 30"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Budget(**{"trials": 1, "seconds": 1, "patients": 10, "folds": 2} | change)


@pytest.mark.parametrize(("low", "high", "log"), [(2, 1, False), (0, 1, True)])
def test_a_range_needs_its_ends_in_order_and_above_zero_for_a_logarithm(low: float, high: float, log: bool) -> None:
    with pytest.raises(ValueError, match="expected low at most high"):
        Range(low, high, log)
