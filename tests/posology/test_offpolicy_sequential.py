"""Sequential off-policy evaluation in a small decision process whose truth is known in closed form."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from posology.errors import TooSmall
from posology.offpolicy import Comparison
from posology.offpolicy.sequential import SEQUENTIAL, Trajectories, evaluate_runs

STATES, CONTENTS, HORIZON, DISCOUNT = 3, 2, 3, 0.9
BY_NAME = {each.name: each for each in SEQUENTIAL}
JUDGING = tuple(each for each in SEQUENTIAL if not each.is_diagnostic)
each_estimator = pytest.mark.parametrize("estimator", SEQUENTIAL, ids=lambda estimator: estimator.name)


class Process(NamedTuple):
    """A Markov decision process, the policy that logged and the one that is valued."""

    moves: np.ndarray  # (states, contents, states)
    mean: np.ndarray  # (states, contents)
    begin: np.ndarray  # (states,)
    logging: np.ndarray  # (states, contents)
    target: np.ndarray  # (states, contents)

    @classmethod
    def drawn(cls, seed):
        rng = np.random.default_rng(seed)
        policies = (rng.dirichlet(np.full(CONTENTS, 4.0), STATES) * 0.8 + 0.1 for _ in range(2))
        moves = rng.dirichlet(np.ones(STATES), (STATES, CONTENTS))
        return cls(moves, rng.uniform(0.1, 0.9, (STATES, CONTENTS)), rng.dirichlet(np.ones(STATES)), *policies)

    def values(self):
        """(horizon, states, contents) Q and (horizon, states) V by backward induction."""
        q, v = np.zeros((HORIZON, STATES, CONTENTS)), np.zeros((HORIZON + 1, STATES))
        for t in range(HORIZON - 1, -1, -1):
            q[t] = self.mean + DISCOUNT * self.moves @ v[t + 1]
            v[t] = (self.target * q[t]).sum(axis=1)
        return q, v[:HORIZON]

    def truth(self):
        return float(self.begin @ self.values()[1][0]) / sum(DISCOUNT**t for t in range(HORIZON))

    def log(self, rng, n, wrong_by=0.0):
        state, given = np.zeros((n, HORIZON), dtype=int), np.zeros((n, HORIZON), dtype=int)
        now = rng.choice(STATES, n, p=self.begin)
        for t in range(HORIZON):
            state[:, t] = now
            given[:, t] = rng.random(n) > self.logging[now, 0]
            reached = self.moves[now, given[:, t]].cumsum(axis=1)
            now = (rng.random(n)[:, None] > reached).sum(axis=1).clip(max=STATES - 1)
        (q, v), at = self.values(), np.arange(HORIZON)
        return Trajectories(
            patient=np.arange(n),
            rewards=(rng.random((n, HORIZON)) < self.mean[state, given]).astype(float),
            propensity=self.logging[state, given],
            target=self.target[state, given],
            predicted_given=q[at, state, given] + wrong_by,
            predicted_target=v[at, state] + wrong_by,
            state=state,
            n_eligible=np.full((n, HORIZON), CONTENTS),
            discount=DISCOUNT,
        )


@pytest.fixture(scope="module")
def process():
    return Process.drawn(0)


def value_of(estimator, log):
    return float(estimator.value(estimator.terms(log).sum(axis=0)))


@pytest.mark.parametrize("estimator", JUDGING, ids=lambda estimator: estimator.name)
def test_with_many_runs_the_truth_is_found_however_wrong_the_prediction(process, estimator):
    log = process.log(np.random.default_rng(1), 200_000, wrong_by=0.3)
    assert value_of(estimator, log) == pytest.approx(process.truth(), abs=0.008)


def test_fitted_q_is_as_right_as_its_prediction(process):
    rng = np.random.default_rng(2)
    right, wrong = (value_of(BY_NAME["fitted_q"], process.log(rng, 20_000, wrong_by=by)) for by in (0, 0.3))
    assert right == pytest.approx(process.truth(), abs=0.01)
    assert wrong > process.truth() + 0.08


def test_intervals_cover_the_truth_in_200_logs(process):
    rng, runs = np.random.default_rng(3), 200
    covered: dict[str, list[bool]] = {each.name: [] for each in JUDGING}
    for _ in range(runs):
        for found in evaluate_runs(process.log(rng, 600, wrong_by=0.1), JUDGING, rng, resamples=300):
            if found.value is not None:  # a sound log is refused now and then
                covered[found.estimator].append(found.low <= process.truth() <= found.high)
    for name, times in covered.items():
        assert len(times) >= 0.95 * runs, name
        assert 0.90 <= np.mean(times) <= 0.985, name


@each_estimator
def test_at_horizon_one_they_are_estimators_of_single_decisions(process, estimator):
    log = process.log(np.random.default_rng(4), 500)
    stepwise = {
        field.name: getattr(log, field.name)[:, :1]
        for field in dataclasses.fields(log)
        if np.ndim(getattr(log, field.name)) == 2
    }
    one = dataclasses.replace(log, **stepwise)
    weights, rewards = one.weights[:, 0], one.rewards[:, 0]
    if estimator.name in {"per_decision", "marginalised"}:
        assert value_of(estimator, one) == pytest.approx((weights * rewards).mean())
    if estimator.name == "weighted_per_decision":
        assert value_of(estimator, one) == pytest.approx((weights * rewards).sum() / weights.sum())
    if estimator.name == "fitted_q":
        assert value_of(estimator, one) == pytest.approx(one.predicted_target.mean())


@each_estimator
def test_the_docstring_tells_when_not_to_trust_it(estimator):
    for word in ("Symbols:", "Assumption:", "Breaks when:", "Reference:", "V = "):
        assert word in type(estimator).__doc__


@each_estimator
def test_sums_add_up_and_are_vectorised(process, estimator):
    whole = estimator.terms(process.log(np.random.default_rng(5), 100)).sum(axis=0)
    np.testing.assert_allclose(estimator.value(np.stack([whole, 2 * whole])), np.full(2, estimator.value(whole)))


@each_estimator
def test_nothing_is_said_without_propensities(process, estimator):
    log = process.log(np.random.default_rng(6), 200)
    blind = dataclasses.replace(log, propensity=np.full(log.propensity.shape, np.nan))
    found = evaluate_runs(blind, (estimator,), np.random.default_rng(0))[0]
    assert (found.verdict, found.value) == (Comparison.INSUFFICIENT, None)


def test_too_few_effective_runs_silence_only_what_weighs_whole_runs(process):
    log = process.log(np.random.default_rng(7), 120)
    found = {each.estimator: each for each in evaluate_runs(log, SEQUENTIAL, np.random.default_rng(0))}
    assert "effective sample size" in found["per_decision"].reason
    assert found["marginalised"].value is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rewards": np.full((50, HORIZON), 2.0)}, "reward"),
        ({"patient": np.arange(49)}, "50 patients"),
        ({"discount": 1.5}, "discount"),
        ({"state": np.full((50, HORIZON), 0.5)}, "states"),
        ({"target": np.zeros((50, HORIZON + 1))}, "one shape"),
    ],
)
def test_a_log_that_cannot_be_is_refused(process, change, says):
    with pytest.raises(ValueError, match=says):
        dataclasses.replace(process.log(np.random.default_rng(8), 50), **change)


def test_no_runs_at_all_are_refused(process):
    log = process.log(np.random.default_rng(9), 50)
    with pytest.raises(TooSmall):
        log.where(np.zeros(50, dtype=bool))
