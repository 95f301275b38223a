"""EconML's doubly robust policy forest; it lives in our environment."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.peers import arrays_of, parted
from benchmarks.quality.server.log import Flat, Log, greedy
from models.offpolicy import LoggedChoices
from models.policies import Decisions

TREES = 100
LEAF = 20  # decisions


@dataclass(frozen=True)
class Forest:
    """Contents by the forest's value of each beside the first one."""

    flat: Flat
    forest: Any

    @classmethod
    def fit(cls, choices: LoggedChoices) -> "Forest":
        """F by gradient boosting, propensities by a logistic regression, both cross-fitted; then the forest."""
        from econml.policy import DRPolicyForest
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.linear_model import LogisticRegression

        log = Log(**arrays_of(choices))
        flat = Flat.of(log)
        forest = DRPolicyForest(
            model_regression=HistGradientBoostingRegressor(max_iter=150, learning_rate=0.08, random_state=7),
            model_propensity=LogisticRegression(C=0.01, max_iter=50),
            cv=2,
            n_estimators=TREES,
            min_samples_leaf=LEAF,
            max_features="sqrt",
            min_propensity=0.01,
            n_jobs=1,
            random_state=7,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forest.fit(log.reward, log.given, X=flat.rows(log.shared, log.own).astype(float))
        return cls(flat, forest)

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) 1 for what the forest thinks best."""
        value = self.forest.predict_value(self.flat.rows(*parted(decisions)).astype(float))
        known = np.concatenate([np.zeros((len(value), 1)), value], axis=1)
        return greedy(known, decisions.eligible)
