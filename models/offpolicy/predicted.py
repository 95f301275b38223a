"""Predicted F of every content, by models that never saw the patient."""

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import GroupKFold

from models.offpolicy.choices import LoggedChoices
from models.predictors.predictor import Fittable, Model
from models.predictors.ridge import Ridge
from models.predictors.rows import Rows

FOLDS = 5
AT_A_TIME = 2_000  # decisions
OPTIONS = {"coverage": 0.9}  # of intervals that nobody looks at here


def cross_fitted_q(choices: LoggedChoices, kind: type[Fittable] = Ridge, **options: float) -> np.ndarray:
    """(n, n_contents) predicted F in [0, 1]; each patient's by a model fitted on the others.

    Cross-fitting keeps doubly robust estimates unbiased whatever the model
    (Chernozhukov et al. 2018, The Econometrics Journal 21:C1).

    Args:
        choices: the log's decisions.
        kind: of model.
        options: what the kind wants to know.
    """
    q = np.empty(choices.decisions.eligible.shape)
    for learnt, judged in folds(choices.patient, FOLDS):
        model = fit(choices, learnt, choices.reward[learnt], kind, **options)
        q[judged] = predict(model, choices.decisions.features[judged])
    return q.clip(0, 1)


def folds(patient: np.ndarray, how_many: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to judge, whole patients at a time."""
    yield from GroupKFold(min(how_many, len(np.unique(patient)))).split(patient, groups=patient)


def fit(
    choices: LoggedChoices, rows: np.ndarray, target: np.ndarray, kind: type[Fittable] = Ridge, **options: float
) -> Model:
    """A model of the target from what was given in some rows."""
    given = choices.decisions.features[rows, choices.given[rows]].astype(float)
    patient = np.unique(choices.patient[rows], return_inverse=True)[1]
    return kind.fit(Rows(choices.decisions.names, given, target, patient), target, OPTIONS | options)


def predict(model: Model, features: np.ndarray) -> np.ndarray:
    """(n, n_contents) mean from (n, n_contents, n_features); some decisions at a time, for a model makes copies."""
    n, m, n_features = features.shape
    found = np.empty((n, m))
    for begin in range(0, n, AT_A_TIME):
        some = slice(begin, begin + AT_A_TIME)
        rows = features[some].reshape(-1, n_features).astype(float)
        found[some] = model.predict(rows)[:, 0].reshape(-1, m)
    return found
