"""With which probability contents were given: as logged, else estimated."""

from dataclasses import dataclass

import numpy as np
from catboost import CatBoostClassifier, Pool
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import folds
from posology.offpolicy import OverlapRule

FOLDS = 3
MOST_DECISIONS = 10_000  # that one classifier learns from
NOT_GIVEN = 6  # shown beside each that was given; all odds change alike, which a softmax does not see
CERTAIN = 0.99  # share of choices foretold from which the log counts as deterministic
SEED = 7
OPTIONS = {"iterations": 150, "depth": 5, "learning_rate": 0.1, "random_seed": SEED, "thread_count": 2}


@dataclass(frozen=True)
class Propensities:
    """Of the contents given.

    Attributes:
        given: (n,) in (0, 1]; nan where not known.
        is_estimated: whether they are estimates and not what was logged.
    """

    given: np.ndarray
    is_estimated: bool


def propensities_of(choices: LoggedChoices, rule: OverlapRule | None = None) -> Propensities:
    """As logged, when few enough are missing; else all of them estimated.

    Args:
        choices: the log's decisions.
        rule: says how many may be missing.
    """
    missing = float(np.isnan(choices.logged).mean())
    if missing <= (rule or OverlapRule()).largest_unusable_share:
        return Propensities(choices.logged, is_estimated=False)
    return Propensities(choices.given_in(estimated(choices)), is_estimated=True)


def estimated(choices: LoggedChoices) -> np.ndarray:
    """(n, n_contents) probability of each eligible content; each patient's by a model fitted on the others.

    A classifier tells given from eligible and not given; a softmax of its
    log-odds over what was eligible, at the temperature with the largest
    likelihood on patients left out, makes them probabilities that are
    calibrated (Guo, Pleiss, Sun & Weinberger 2017, ICML 34).

    It assumes that all that moved the choice is in the features: what moved
    it and is written nowhere makes every estimate wrong, and no diagnostic
    shows it.
    """
    eligible = choices.decisions.eligible
    log_odds = np.zeros(eligible.shape)
    rng = np.random.default_rng(SEED)
    for learnt, judged in folds(choices.patient, FOLDS):
        log_odds[judged] = _log_odds(choices, learnt, judged, rng)
    log_odds = np.where(eligible, log_odds, -np.inf)
    best = log_odds.argmax(axis=1)
    if (best == choices.given).mean() >= CERTAIN:
        return np.eye(eligible.shape[1])[choices.given]
    found = minimize_scalar(lambda power: _surprise(log_odds, choices.given, power), bounds=(0.05, 5), method="bounded")
    return np.exp(_log_softmax(log_odds * found.x))


def _log_odds(choices: LoggedChoices, learnt: np.ndarray, judged: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n_judged, n_contents) of having been given, learnt from a sample of decisions."""
    decisions, n_contents = choices.decisions, choices.decisions.eligible.shape[1]
    sample = rng.permutation(learnt)[:MOST_DECISIONS]
    is_given = choices.given[sample, None] == np.arange(n_contents)
    n_others = decisions.eligible[sample].sum(axis=1, keepdims=True) - 1
    is_shown = is_given | (rng.random(is_given.shape) * n_others < NOT_GIVEN)
    shown = decisions.eligible[sample] & (n_others > 0) & is_shown
    if not shown.any():
        return np.zeros((judged.size, n_contents))
    model = CatBoostClassifier(loss_function="Logloss", allow_writing_files=False, verbose=False, **OPTIONS)
    model.fit(decisions.features[sample][shown], is_given[shown])
    features = decisions.features[judged].reshape(judged.size * n_contents, -1)
    return np.asarray(model.predict(Pool(features), prediction_type="RawFormulaVal")).reshape(judged.size, n_contents)


def _surprise(log_odds: np.ndarray, given: np.ndarray, power: float) -> float:
    """Mean negative log-likelihood of what was given."""
    return -float(_log_softmax(log_odds * power)[np.arange(given.size), given].mean())


def _log_softmax(log_odds: np.ndarray) -> np.ndarray:
    return log_odds - logsumexp(log_odds, axis=1, keepdims=True)
