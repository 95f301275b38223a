"""Makes the inputs, asks obp and scope-rl for their numbers, writes both; see README.md. No test runs it."""

import json
import sys
from pathlib import Path

import numpy as np
from obp import ope
from scope_rl.ope import discrete

HERE = Path(__file__).parent
LIMITS = [0.5, 1.0, 2.0, 5.0, 20.0]
CONSTANTS = [0.05, 0.5, 2.0, 10.0, 100.0]


def drawn(seed: int, n: int, *, peaked: float, contents: int = 4) -> dict[str, np.ndarray]:
    """Decisions with rounded numbers, so that the file holds exactly what was evaluated."""
    rng = np.random.default_rng(seed)
    logging = rng.dirichlet(np.ones(contents) * 3, n).clip(0.02).round(4)
    logging[:, -1] = 1 - logging[:, :-1].sum(axis=1)
    target = rng.dirichlet(np.ones(contents) / peaked, n).round(4)
    target[:, -1] = 1 - target[:, :-1].sum(axis=1)
    logging, target = logging.clip(1e-4), target.clip(0)
    logging, target = (each / each.sum(axis=1, keepdims=True) for each in (logging, target))
    given = (rng.random(n)[:, None] > logging.cumsum(axis=1)).sum(axis=1).clip(max=contents - 1)
    means = rng.random((n, contents))
    return {
        "given": given,
        "reward": (0.7 * means[np.arange(n), given] + 0.3 * rng.random(n)).round(4),
        "propensity": logging[np.arange(n), given],
        "target": target,
        "predicted": (means + rng.normal(0, 0.2, means.shape)).clip(0, 1).round(4),
    }


def of_obp(case: dict[str, np.ndarray]) -> dict[str, float]:
    """One decision."""
    log = {
        "reward": case["reward"],
        "action": case["given"],
        "pscore": case["propensity"],
        "action_dist": case["target"][:, :, None],
        "estimated_rewards_by_reg_model": case["predicted"][:, :, None],
    }
    asked = {
        "direct_method": ope.DirectMethod(),
        "ips": ope.InverseProbabilityWeighting(),
        "clipped 2": ope.InverseProbabilityWeighting(lambda_=2.0),
        "self_normalised": ope.SelfNormalizedInverseProbabilityWeighting(),
        "doubly_robust": ope.DoublyRobust(),
        "self_normalised_doubly_robust": ope.SelfNormalizedDoublyRobust(),
        "switch 1.5": ope.SwitchDoublyRobust(lambda_=1.5),
        "doubly_robust_shrinkage 3": ope.DoublyRobustWithShrinkage(lambda_=3.0),
        "switch of limits": ope.SwitchDoublyRobustTuning(lambdas=list(LIMITS), tuning_method="mse"),
        "doubly_robust_shrinkage of constants": ope.DoublyRobustWithShrinkageTuning(
            lambdas=list(CONSTANTS), tuning_method="mse"
        ),
    }
    return {name: float(estimator.estimate_policy_value(**log)) for name, estimator in asked.items()}


def of_scope_rl(case: dict[str, np.ndarray], horizon: int, discount: float) -> dict[str, float]:
    """Runs of decisions; values are discounted sums."""
    log = {
        "step_per_trajectory": horizon,
        "action": case["given"],
        "reward": case["reward"],
        "pscore": case["propensity"],
        "evaluation_policy_action_dist": case["target"],
        "state_action_value_prediction": case["predicted"],
        "gamma": discount,
    }
    asked = {
        "fitted_q": (discrete.DirectMethod(), {"initial_state_value_prediction": initial_values(case, horizon)}),
        "per_decision": (discrete.PerDecisionImportanceSampling(), {}),
        "weighted_per_decision": (discrete.SelfNormalizedPDIS(), {}),
        "sequential_doubly_robust": (discrete.DoublyRobust(), {}),
        "weighted_doubly_robust": (discrete.SelfNormalizedDR(), {}),
    }
    return {name: float(each.estimate_policy_value(**log, **more)) for name, (each, more) in asked.items()}


def initial_values(case: dict[str, np.ndarray], horizon: int) -> np.ndarray:
    """(n_runs,) predicted value of the first decision."""
    return (case["target"] * case["predicted"]).sum(axis=1)[::horizon]


def write(name: str, case: dict[str, np.ndarray], **more: object) -> None:
    """Inputs and numbers as one file."""
    inputs = {key: value.tolist() for key, value in case.items()}
    (HERE / f"{name}.json").write_text(json.dumps({"inputs": inputs, **more}) + "\n")


def main() -> None:
    """All files."""
    for name, seed, peaked in (("one_step_mild", 1, 0.5), ("one_step_far", 2, 6.0)):
        case = drawn(seed, 200, peaked=peaked)
        write(name, case, limits=LIMITS, constants=CONSTANTS, values=of_obp(case))
    for name, seed, horizon, discount in (("runs_of_three", 3, 3, 1.0), ("runs_of_five", 4, 5, 0.9)):
        case = drawn(seed, 60 * horizon, peaked=0.3)
        case["predicted"] = (case["predicted"] * 2).round(4)
        write(name, case, horizon=horizon, discount=discount, values=of_scope_rl(case, horizon, discount))


if __name__ == "__main__":
    sys.exit(main())
