"""Estimates equal those of obp 0.5.7 and scope-rl 0.2.1 on shared inputs; see offpolicy_reference/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from posology.offpolicy import LoggedDecisions
from posology.offpolicy.clipped import Clipped
from posology.offpolicy.direct_method import DirectMethod
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.ips import IPS
from posology.offpolicy.self_normalised import SelfNormalised
from posology.offpolicy.self_normalised_doubly_robust import SelfNormalisedDoublyRobust
from posology.offpolicy.sequential import SEQUENTIAL, Trajectories
from posology.offpolicy.shrinkage import Shrinkage
from posology.offpolicy.switch import Switch
from posology.offpolicy.tuning import least_error

HERE = Path(__file__).parent / "offpolicy_reference"
TO = 1e-6


def columns_of(case):
    """Columns that both kinds of log share, one a decision."""
    target, predicted = np.array(case["target"]), np.array(case["predicted"])
    given = np.array(case["given"])
    row = np.arange(given.size)
    return {
        "propensity": np.array(case["propensity"]),
        "target": target[row, given],
        "predicted_given": predicted[row, given],
        "predicted_target": (target * predicted).sum(axis=1),
        "n_eligible": np.full(given.size, target.shape[1]),
    }


def value_of(estimator, log):
    return float(estimator.value(estimator.terms(log).sum(axis=0)))


@pytest.mark.parametrize("name", ["one_step_mild", "one_step_far"])
def test_estimates_of_one_decision_equal_those_of_obp(name):
    case = json.loads((HERE / f"{name}.json").read_text())
    inputs, expected = case["inputs"], case["values"]
    log = LoggedDecisions(
        patient=np.arange(len(inputs["given"])), reward=np.array(inputs["reward"]), **columns_of(inputs)
    )
    limit = least_error(log, Switch().weights, np.array(case["limits"]))
    constant = least_error(log, Shrinkage().weights, np.array(case["constants"]))
    ours = {
        "direct_method": DirectMethod(),
        "ips": IPS(),
        "clipped 2": Clipped(2.0),
        "self_normalised": SelfNormalised(),
        "doubly_robust": DoublyRobust(),
        "self_normalised_doubly_robust": SelfNormalisedDoublyRobust(),
        "switch 1.5": Switch(1.5),
        "doubly_robust_shrinkage 3": Shrinkage(3.0),
        "switch of limits": Switch(limit),
        "doubly_robust_shrinkage of constants": Shrinkage(constant),
    }
    assert {key: value_of(each, log) for key, each in ours.items()} == pytest.approx(expected, abs=TO)


@pytest.mark.parametrize("name", ["runs_of_three", "runs_of_five"])
def test_estimates_of_runs_equal_those_of_scope_rl(name):
    case = json.loads((HERE / f"{name}.json").read_text())
    inputs, expected, horizon = case["inputs"], case["values"], case["horizon"]
    columns = {key: column.reshape(-1, horizon) for key, column in columns_of(inputs).items()}
    rewards = np.array(inputs["reward"]).reshape(-1, horizon)
    log = Trajectories(
        patient=np.arange(len(rewards)),
        rewards=rewards,
        state=np.zeros(rewards.shape, dtype=int),
        discount=case["discount"],
        **columns,
    )
    ours = {each.name: value_of(each, log) * log.scale for each in SEQUENTIAL if each.name in expected}
    assert ours == pytest.approx(expected, abs=TO)
