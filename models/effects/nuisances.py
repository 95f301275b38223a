"""What EconML's doubly robust learner is given: models that know a course and a catalogue."""

from typing import Any, Self

import numpy as np
from catboost import CatBoostRegressor, Pool
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from models.offpolicy import LoggedChoices
from models.offpolicy.predicted import fit, predict
from models.predictors.predictor import Model
from models.targets import Target

TREES = {"iterations": 120, "depth": 5, "learning_rate": 0.12, "l2_leaf_reg": 5, "random_seed": 7, "thread_count": 2}


class ContentOutcome(RegressorMixin, BaseEstimator):
    """Predicts the outcome of every content from its features as it stood in the course.

    Takes rows of the log by number, in the first column; flags behind it name the treatment. F is learnt by trees,
    because content that is too easy and too hard alike brings less of it; Mf, one outcome a patient, by ridge.

    Args:
        choices: the log.
        places: treatment → the contents it stands for; the reference first.
        target: what the outcome is.
    """

    def __init__(self, choices: LoggedChoices, places: list[np.ndarray], target: Target) -> None:
        self.choices, self.places, self.target = choices, places, target

    def __sklearn_clone__(self) -> Self:
        """Another one on the same log, which is not copied."""
        return type(self)(self.choices, self.places, self.target)

    def fit(self, rows: np.ndarray, outcome: np.ndarray) -> Self:
        """Fit on what was given in these rows."""
        learn = _trees if self.target == "feedback" else fit
        self.model_ = learn(self.choices, _numbers(rows), np.asarray(outcome, dtype=float).ravel())
        self._last: tuple[np.ndarray, np.ndarray] = (np.zeros(0, dtype=int), np.zeros((0, 0)))
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(n,) of the treatment that the flags name; of the reference where they name none."""
        flags = rows[:, 1:]
        treatment = np.where(flags.any(axis=1), flags.argmax(axis=1) + 1, 0)
        return self.of_treatments(_numbers(rows))[np.arange(len(rows)), treatment]

    def of_treatments(self, numbers: np.ndarray) -> np.ndarray:
        """(n, n_treatments) predicted outcome; asked once for each treatment, worked out once."""
        if not np.array_equal(numbers, self._last[0]):
            of_contents = _of_contents(self.model_, self.choices.decisions.features[numbers])
            told = np.column_stack([of_contents[:, mine].mean(axis=1) for mine in self.places])
            self._last = (numbers, told)
        return self._last[1]


class LoggedPropensity(ClassifierMixin, BaseEstimator):
    """Tells with which probability the content given was given; learns nothing, for it is known.

    The doubly robust score divides by the propensity of what was given and of
    nothing else, so every column tells that one.

    Args:
        propensity: (n,) of the content given, by row of the log.
        treatments: how many there are.
    """

    def __init__(self, propensity: np.ndarray, treatments: int) -> None:
        self.propensity, self.treatments = propensity, treatments

    def fit(self, rows: np.ndarray, treatment: np.ndarray) -> Self:  # noqa: ARG002
        """Nothing is fitted."""
        self.classes_ = np.arange(self.treatments)
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        """(n, n_treatments)."""
        return np.repeat(self.propensity[_numbers(rows), None], self.treatments, axis=1)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ARG002, N803 - scikit-learn's names
        """Nothing was learnt that could be scored."""
        return 0.0


class KeptScores(BaseEstimator):
    """The final stage: keeps every score, to be averaged over the decisions in which a content was eligible."""

    def fit(self, features: None, scores: np.ndarray) -> Self:  # noqa: ARG002
        """Keep the scores, (n, n_treatments − 1)."""
        self.scores_ = scores
        return self

    def predict(self, features: None) -> np.ndarray:  # noqa: ARG002
        """Their means."""
        return self.scores_.mean(axis=0, keepdims=True)


def _of_contents(model: CatBoostRegressor | Model, features: np.ndarray) -> np.ndarray:
    """(n, n_contents) from (n, n_contents, n_features)."""
    if not isinstance(model, CatBoostRegressor):
        return predict(model, features)
    n, m, n_features = features.shape
    pool = Pool(features.reshape(n * m, n_features))
    return np.asarray(model.predict(pool, thread_count=TREES["thread_count"])).reshape(n, m)


def _trees(choices: LoggedChoices, rows: np.ndarray, outcome: np.ndarray) -> CatBoostRegressor:
    features = choices.decisions.features[rows, choices.given[rows]]
    model = CatBoostRegressor(loss_function="RMSE", allow_writing_files=False, verbose=False, **TREES)
    return model.fit(features, outcome)


def _numbers(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows[:, 0], dtype=int)
