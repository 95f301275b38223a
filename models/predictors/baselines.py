"""The simple predictions every predictor stands beside."""

from collections.abc import Callable

import numpy as np

from models.features import PLACE
from models.predictors.rows import Rows
from models.targets import Target

Prediction = np.ndarray  # (n,)
SHRINK_PATIENTS = 5.0  # a content's mean counts this many patients of the overall mean


def baselines_of(target: Target) -> dict[str, Callable[[Rows, Rows], Prediction]]:
    """Name → prediction for the judge rows from the fit rows."""
    if target == "feedback":
        return {"mean": _mean, "last value": _last_feedback, "content mean": _content_mean}
    return {"mean": _mean, "last value": _last_score, "last value + mean change": _mean_change}


def _mean(fit: Rows, judge: Rows) -> Prediction:
    return np.full(judge.target.size, np.average(fit.target, weights=fit.weight))


def _last_feedback(fit: Rows, judge: Rows) -> Prediction:
    last = judge.column("feedback_last")
    return np.where(np.isnan(last), _mean(fit, judge), last)


def _last_score(fit: Rows, judge: Rows) -> Prediction:
    last = judge.column("score_last")
    return np.where(np.isnan(last), _mean(fit, judge), last)


def _mean_change(fit: Rows, judge: Rows) -> Prediction:
    return _last_score(fit, judge) + np.nanmean(fit.target - fit.column("score_last"))


def _content_mean(fit: Rows, judge: Rows) -> Prediction:
    places = fit.column(PLACE).astype(int)
    n_contents = 1 + max(places.max(), int(judge.column(PLACE).max(initial=0)))
    overall = np.average(fit.target, weights=fit.weight)
    total = np.bincount(places, weights=fit.target, minlength=n_contents)
    count = np.bincount(places, minlength=n_contents)
    mean = (total + SHRINK_PATIENTS * overall) / (count + SHRINK_PATIENTS)
    return mean[judge.column(PLACE).astype(int)]
