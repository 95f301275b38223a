"""Gradient boosted trees (Prokhorenkova et al. 2018): mean and quantiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from catboost import CatBoostRegressor, Pool

from models.predictors.predictor import Mean
from models.predictors.rows import Rows
from models.predictors.saved import save_catboost
from models.predictors.trees import Trees, columns_of

SAMPLING = ("subsample", "rsm")  # shares of rows and of features a tree is grown on; CatBoost's own where not given
ROWS_WORTH_THREADS = 1000  # for fewer the compiled trees are ready before CatBoost has begun


@dataclass(frozen=True)
class CatBoost:
    """One model of the mean, one of the two quantiles of the interval."""

    kind: ClassVar[str] = "catboost"
    mean: CatBoostRegressor
    quantiles: CatBoostRegressor

    @classmethod
    def fit(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Self:
        """Two fits with fixed seed; the result does not depend on the number of threads."""
        tail = (1 - options["coverage"]) / 2
        losses = ("RMSE", f"MultiQuantile:alpha={tail:.4g},{1 - tail:.4g}")
        return cls(*(_fit(loss, rows, target, options) for loss in losses))

    @classmethod
    def fit_mean(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Mean:
        """The mean alone, at a third of the time."""
        model = _fit("RMSE", rows, target, options)
        return lambda features: np.asarray(model.predict(Pool(features)))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, 3) mean, low and high quantile."""
        if features.shape[0] < ROWS_WORTH_THREADS:
            columns = columns_of(features)
            return np.concatenate([trees.sums_of(columns) for trees in self._compiled], axis=1)
        pool = Pool(features)
        return np.column_stack([model.predict(pool) for model in (self.mean, self.quantiles)])

    @cached_property
    def _compiled(self) -> tuple[Trees, Trees]:
        return Trees.of(self.mean), Trees.of(self.quantiles)

    def importance(self, rows: Rows) -> np.ndarray:  # noqa: ARG002 - the model carries its own
        """(n_features,) change of the prediction with each feature, as a share."""
        share = np.asarray(self.mean.get_feature_importance(), dtype=float)
        return share / max(share.sum(), 1e-12)

    def save(self, folder: Path) -> None:
        """``mean.cbm`` and ``quantiles.cbm``, equal bytes for equal models."""
        for name in ("mean", "quantiles"):
            save_catboost(getattr(self, name), folder / f"{name}.cbm")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls(*(CatBoostRegressor().load_model(str(folder / f"{name}.cbm")) for name in ("mean", "quantiles")))


def _fit(loss: str, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> CatBoostRegressor:
    sampling = {name: options[name] for name in SAMPLING if name in options}
    if "subsample" in sampling:
        sampling["bootstrap_type"] = "Bernoulli"
    model = CatBoostRegressor(
        loss_function=loss,
        iterations=options["iterations"],
        depth=options["depth"],
        learning_rate=options["learning_rate"],
        l2_leaf_reg=options["l2_leaf_reg"],
        random_seed=options["seed"],
        thread_count=options["threads"],
        allow_writing_files=False,
        verbose=False,
        **sampling,
    )
    return model.fit(rows.features, target, sample_weight=rows.weight)
