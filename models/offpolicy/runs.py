"""Runs of a patient's decisions, with fitted Q evaluation."""

import numpy as np
import polars as pl

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import fit, folds, predict
from posology.errors import TooSmall
from posology.offpolicy.sequential import Trajectories

FOLDS = 3


def runs_of(
    choices: LoggedChoices,
    probability: np.ndarray,
    propensity: np.ndarray,
    state: np.ndarray,
    *,
    horizon: int,
    discount: float = 1.0,
) -> Trajectories:
    """Every patient's decisions cut into runs of one length; what is left over at the end is not used.

    Args:
        choices: the log's decisions.
        probability: (n, n_contents) of the target policy.
        propensity: (n,) of the content given.
        state: (n,) a code of the situation, see ``coarse_states``.
        horizon: decisions in a run.
        discount: of F a decision later.

    Raises:
        TooSmall: nobody has that many decisions.
    """
    run = _places(choices, horizon)
    q_given, value = _fitted_q(choices, probability, run, discount)
    return Trajectories(
        patient=choices.patient[run[:, 0]],
        rewards=choices.reward[run],
        propensity=propensity[run],
        target=choices.given_in(probability).clip(0, 1)[run],
        predicted_given=q_given,
        predicted_target=value,
        state=state[run],
        n_eligible=choices.decisions.eligible.sum(axis=1)[run],
        discount=discount,
    )


def coarse_states(choices: LoggedChoices, q: np.ndarray, how_many: int) -> np.ndarray:
    """(n,) situations in equal parts, by the predicted mean F of what is eligible: how well the patient does."""
    eligible = choices.decisions.eligible
    outlook = (q * eligible).sum(axis=1) / eligible.sum(axis=1)
    return np.searchsorted(np.quantile(outlook, np.arange(1, how_many) / how_many), outlook, side="right")


def _places(choices: LoggedChoices, horizon: int) -> np.ndarray:
    """(n_runs, horizon) rows of the decisions; a patient's stand together, in order of time."""
    frame = pl.DataFrame({"row": np.arange(len(choices)), "patient": choices.patient})
    nth, count = pl.int_range(pl.len()).over("patient"), pl.len().over("patient")
    rows = frame.filter(nth < count // horizon * horizon)["row"].to_numpy()
    if not rows.size:
        raise TooSmall(f"nobody has {horizon} decisions with known F; expected a shorter horizon or more data")
    return rows.reshape(-1, horizon)


def _fitted_q(
    choices: LoggedChoices, probability: np.ndarray, run: np.ndarray, discount: float
) -> tuple[np.ndarray, np.ndarray]:
    """(n_runs, horizon) Q of what was given and V, each patient's by models fitted on the others.

    From the last decision to the first, a ridge of F and what is predicted
    next on the features of what was given (Le, Voloshin & Yue 2019, ICML 36).
    """
    q_given, value = np.empty(run.shape), np.empty(run.shape)
    horizon = run.shape[1]
    most = np.cumsum(discount ** np.arange(horizon))  # F is at most 1
    for learnt, judged in folds(choices.patient[run[:, 0]], FOLDS):
        following = np.zeros(len(run))
        for t in range(horizon - 1, -1, -1):
            rows = run[:, t]
            target = choices.reward[rows[learnt]] + discount * following[learnt]
            model = fit(choices, rows[learnt], target)
            q = predict(model, choices.decisions.features[rows]).clip(0, most[horizon - 1 - t])
            following = (probability[rows] * q).sum(axis=1)
            q_given[judged, t] = q[judged, choices.given[rows[judged]]]
            value[judged, t] = following[judged]
    return q_given, value
