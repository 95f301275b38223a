"""How likely an answer is for each appeal a content may have had."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy.stats import beta, binom

from posology.simulators.mechanism import Answer, Mechanism
from posology.therapy import Column, Feedback

RESOLUTION = 0.0005  # of a share that is reported to a tenth of a percent: the ends of the Beta are not reached


def log_likelihood(mechanism: Mechanism, feedback: Feedback, appeal: np.ndarray, answers: pl.DataFrame) -> np.ndarray:
    """Logarithm of the likelihood of n answers.

    Args:
        mechanism: how the patients answer.
        feedback: the therapy's columns.
        appeal: (n, k) k appeals that each answered content may have had.
        answers: F columns, n rows; all null where no answer came.

    Returns:
        (n, k); words tell nothing here.
    """
    silent = mechanism.silence.share(appeal)
    spoken = sum(
        _of_column(feedback.columns[name], answer, appeal, answers[name].cast(pl.Float64).to_numpy()[:, None])
        for name, answer in mechanism.answers.items()
    )
    came = _came(mechanism.answers, answers)[:, None]
    return np.where(came, np.log1p(-silent) + spoken, np.log(silent))


def _came(answers: Mapping[str, Answer], given: pl.DataFrame) -> np.ndarray:
    return given.select(pl.any_horizontal(pl.col(*answers).is_not_null())).to_series().to_numpy()


def _of_column(column: Column, answer: Answer, appeal: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(n, k) of one column; 0 where its value is missing."""
    mean = answer.share(appeal)
    low, high = (0.0, 1.0) if column.kind == "boolean" else (column.minimum or 0.0, column.maximum or 1.0)
    share = (np.nan_to_num(value, nan=low) - low) / (high - low)
    if column.kind == "boolean":
        found = np.log(np.where(share > 0.5, mean, 1 - mean))
    elif answer.steps:
        found = binom.logpmf(np.round(share * answer.steps), answer.steps, mean)
    else:
        inside = np.clip(share, RESOLUTION, 1 - RESOLUTION)
        found = beta.logpdf(inside, answer.precision * mean, answer.precision * (1 - mean))
    return np.where(np.isnan(value), 0.0, found)
