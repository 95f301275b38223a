"""What each feature adds to a prediction; the parts sum to it."""

from typing import Protocol, runtime_checkable

import numpy as np
from catboost import CatBoostRegressor, Pool

from models.features import PLACE
from models.predictors.catboost import ROWS_WORTH_THREADS
from models.predictors.predictor import Predictor
from models.predictors.ridge import Ridge
from posology.errors import CannotDo

ROWS_WORTH_LEAVES = 32  # working out what every leaf of every tree adds takes longer than following fewer rows


@runtime_checkable
class Trees(Protocol):
    """A model whose mean is one CatBoost model."""

    mean: CatBoostRegressor


def contributions(predictor: Predictor, features: np.ndarray) -> np.ndarray:
    """(n, n_features + 1) what each feature adds to the predicted mean; the last column is the base.

    Each row sums to the prediction before it is clipped to the target's
    range. Of trees: Shapley values given the paths of the trees (Lundberg et
    al. 2020, Nature Machine Intelligence 2:56), exact and worked out by
    CatBoost. Of ridge: weight times distance from the mean of the fitting
    rows, with the flag of what is missing added to its own feature and the
    column of the content to ``content``. What the target is the change from
    is added to its own feature.

    Args:
        predictor: of F or Mf.
        features: (n, n_features) in the predictor's order.

    Raises:
        CannotDo: nobody has written down how this kind of model adds up.
    """
    model = predictor.model
    if isinstance(model, Ridge):
        told = _of_ridge(model, features)
    elif isinstance(model, Trees):
        told = _of_trees(model.mean, features)
    else:
        raise CannotDo(f"no exact contributions are known of {model.kind}; expected ridge or catboost")
    if predictor.anchor is not None:
        place = predictor.names.index(predictor.anchor)
        told[:, place] += np.nan_to_num(features[:, place])
    return told


def _of_trees(model: CatBoostRegressor, features: np.ndarray) -> np.ndarray:
    threads = 1 if features.shape[0] < ROWS_WORTH_THREADS else -1
    pool = Pool(features, thread_count=threads)
    mode = "NoPreCalc" if features.shape[0] < ROWS_WORTH_LEAVES else "UsePreCalc"
    told = model.get_feature_importance(pool, type="ShapValues", thread_count=threads, shap_mode=mode)
    return np.asarray(told, dtype=float)


def _of_ridge(model: Ridge, features: np.ndarray) -> np.ndarray:
    n_features = len(model.names)
    terms = model.design(features) * model.weights
    told = np.zeros((len(features), n_features + 1))
    told[:, :n_features] = terms[:, :n_features]
    told[:, model.flagged] += terms[:, n_features : n_features + model.flagged.size]
    told[:, model.names.index(PLACE)] += terms[:, n_features + model.flagged.size :].sum(axis=1)
    told[:, -1] = model.intercept
    return told
