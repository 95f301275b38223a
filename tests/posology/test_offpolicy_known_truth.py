"""Off-policy evaluation in a simulated contextual bandit whose truth is known."""

from typing import NamedTuple

import numpy as np
import pytest

from posology.offpolicy import Estimate, LoggedDecisions, evaluate
from posology.offpolicy.clipped import Clipped
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.ips import IPS
from posology.offpolicy.self_normalised import SelfNormalised
from posology.offpolicy.self_normalised_doubly_robust import SelfNormalisedDoublyRobust
from posology.offpolicy.shrinkage import Shrinkage
from posology.offpolicy.switch import Switch

RUNS = 200
ESTIMATORS = (
    IPS(),
    SelfNormalised(),
    Clipped(),
    DoublyRobust(),
    SelfNormalisedDoublyRobust(),
    Switch(),
    Shrinkage(),
)
MEAN_F = np.array([[0.3, 0.5, 0.6], [0.7, 0.4, 0.5], [0.5, 0.5, 0.3], [0.4, 0.6, 0.5]])  # (situations, contents)
LOGGING = np.array([[0.6, 0.2, 0.2], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.5, 0.25, 0.25]])
TARGET = np.array([[0.1, 0.3, 0.6], [0.7, 0.1, 0.2], [0.4, 0.4, 0.2], [0.2, 0.6, 0.2]])
TRUTH = float((TARGET * MEAN_F).sum(axis=1).mean())


class Bandit(NamedTuple):
    """Patients with a level of their own; what is logged and predicted may be wrong."""

    q: np.ndarray = MEAN_F
    logged: np.ndarray = LOGGING
    patients: int = 60
    decisions: int = 15

    def log(self, rng: np.random.Generator) -> LoggedDecisions:
        n = self.patients * self.decisions
        patient = np.repeat(np.arange(self.patients), self.decisions)
        situation = rng.integers(4, size=n)
        content = (rng.random(n)[:, None] > LOGGING[situation].cumsum(axis=1)).sum(axis=1).clip(max=2)
        level = rng.uniform(-0.15, 0.15, self.patients)[patient]
        return LoggedDecisions(
            patient=patient,
            reward=MEAN_F[situation, content] + level + rng.uniform(-0.1, 0.1, n),
            propensity=self.logged[situation, content],
            target=TARGET[situation, content],
            predicted_given=self.q[situation, content],
            predicted_target=(TARGET * self.q).sum(axis=1)[situation],
            n_eligible=np.full(n, 3),
        )

    def runs(self, seed: int = 0) -> dict[str, list[Estimate]]:
        rng = np.random.default_rng(seed)
        rounds = [evaluate(self.log(rng), ESTIMATORS, rng, resamples=300) for _ in range(RUNS)]
        return {each.name: [found[place] for found in rounds] for place, each in enumerate(ESTIMATORS)}


def values(estimates):
    return np.array([each.value for each in estimates if each.value is not None])


@pytest.fixture(scope="module")
def runs():
    return Bandit().runs()


def test_estimates_are_unbiased_and_their_intervals_cover_the_truth(runs):
    for name, estimates in runs.items():
        found = values(estimates)
        assert abs(found.mean() - TRUTH) < 4 * found.std() / np.sqrt(len(found)), name
        covered = np.mean([each.low <= TRUTH <= each.high for each in estimates if each.value is not None])
        assert covered > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / RUNS), name


def test_the_interval_of_the_difference_covers_too(runs):
    truth = TRUTH - float((LOGGING * MEAN_F).sum(axis=1).mean())
    for name, estimates in runs.items():
        differences = [each.difference for each in estimates if each.difference is not None]
        covered = np.mean([each.low <= truth <= each.high for each in differences])
        assert covered > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / RUNS), name


def test_a_sound_log_is_seldom_refused(runs):
    assert all(len(values(estimates)) >= 0.96 * RUNS for estimates in runs.values())


def test_an_exact_prediction_lowers_the_variance(runs):
    assert values(runs["doubly_robust"]).std() < 0.8 * values(runs["ips"]).std()


def test_a_wrong_prediction_leaves_the_doubly_robust_value_unbiased():
    found = values(Bandit(q=1 - MEAN_F).runs(seed=1)["doubly_robust"])
    assert abs(found.mean() - TRUTH) < 4 * found.std() / np.sqrt(len(found))


def test_mildly_wrong_propensities_leave_the_doubly_robust_value_nearer_the_truth():
    flattened = LOGGING**0.9 / (LOGGING**0.9).sum(axis=1, keepdims=True)
    found = Bandit(logged=flattened).runs(seed=2)
    errors = {name: abs(values(estimates).mean() - TRUTH) for name, estimates in found.items()}
    assert errors["doubly_robust"] < 0.004
    assert errors["doubly_robust"] < 0.5 * errors["ips"]


def test_grossly_wrong_propensities_are_found_out():
    uniform = np.full_like(LOGGING, 1 / 3)
    refused = [not len(values([each])) for each in Bandit(logged=uniform).runs(seed=3)["ips"]]
    assert np.mean(refused) > 0.9
