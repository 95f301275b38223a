"""Learning how likely patients leave after each content, from decisions of courses that are over."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl
from scipy.special import expit, gammaln
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models.features import PLACE, Features
from models.policies.leaving import FEEDBACK, Leaving
from models.predictors.predictor import Predictor
from posology.errors import TooSmall

COURSE = (
    "days_enrolled",
    "given_per_week",
    "days_since_given",
    "feedback_mean",
    "feedback_recent",
    "answered_share",
    "score_last",
    "score_change",
)
CANDIDATE = ("group_of_last_9", "content_days_since")
FROM_GIVEN = "{}_above_mean"  # of a content's number: who is given high ones on the whole leaves for other reasons
PLAUSIBLE = 0.5  # log-odds of leaving that one standard deviation of anything known moves, before the log is read
LEAST_LEFT = 30  # patients; with fewer nothing is learnt of them
SPREADS = np.append(0.0, np.geomspace(0.02, 2, 40))  # standard deviations of contents' ratios that are tried


@dataclass(frozen=True)
class Departures:
    """n decisions of courses that are over, and after which of them the patient left.

    Attributes:
        names: (k,) as ``Leaving`` has them.
        known: (n, k) what was known before each, of the content that was given.
        content: (n,) its place.
        n_contents: that could have been.
        left: (n,) whether no other session followed.
    """

    names: tuple[str, ...]
    known: np.ndarray
    content: np.ndarray
    n_contents: int
    left: np.ndarray

    @classmethod
    def of(cls, table: pl.DataFrame, features: Features, predictor: Predictor | None) -> Self:
        """The rows of a feature table, with a column ``left`` beside them."""
        names = *COURSE, *CANDIDATE, *map(FROM_GIVEN.format, features.contents.number_names)
        known = table.select(names).to_numpy().astype(float)
        if predictor:
            names = *names, FEEDBACK
            known = np.column_stack([known, predictor.predict(table.select(predictor.names).to_numpy())[:, 0]])
        return cls(
            names=names,
            known=known,
            content=table[PLACE].cast(pl.Int64).to_numpy(),
            n_contents=features.contents.table.height,
            left=table["left"].to_numpy(),
        )


def fit_leaving(departures: Departures) -> Leaving:
    """A discrete-time hazard, and how far each content departs from it.

    What is known of course and content foretells leaving by a ridge logistic
    regression (Singer & Willett 1993, J Educ Stat 18:155). A content's own
    share is how many left after it over how many were foretold to (indirect
    standardisation), drawn to 1 as far as the log cannot tell the contents
    apart: a gamma prior of the ratios whose spread is the likeliest (Clayton
    & Kaldor 1987, Biometrics 43:671). Unbiased where nothing but what is
    known moved both what was given and who left.

    Raises:
        TooSmall: too few left.
    """
    left = int(departures.left.sum())
    if left < LEAST_LEFT or left == departures.left.size:
        raise TooSmall(
            f"expected {LEAST_LEFT} or more patients who left before their course was over, and others who did not; "
            f"got {left} of {departures.left.size} decisions"
        )
    filled = SimpleImputer(keep_empty_features=True).fit_transform(departures.known)  # with the mean
    scaler = StandardScaler().fit(filled)
    standard = scaler.transform(filled)
    model = LogisticRegression(C=PLAUSIBLE**2, solver="newton-cholesky").fit(standard, departures.left)
    weight, intercept = model.coef_[0], float(model.intercept_[0])
    foretold = expit(standard @ weight + intercept)
    content = np.log(_ratios(departures, foretold))
    return Leaving(departures.names, scaler.mean_, scaler.scale_, weight, content, intercept)


def _ratios(departures: Departures, foretold: np.ndarray) -> np.ndarray:
    """(n_contents,) posterior mean of how many times as many left as were foretold."""
    many = {"minlength": departures.n_contents}
    left = np.bincount(departures.content, weights=departures.left, **many)
    expected = np.bincount(departures.content, weights=foretold, **many)
    given = expected > 0
    likelihoods = [_likelihood(left[given], expected[given], spread) for spread in SPREADS]
    likeliest = SPREADS[int(np.argmax(likelihoods))]
    if likeliest == 0:
        return np.ones(departures.n_contents)
    shape = likeliest**-2
    return (left + shape) / (expected + shape)


def _likelihood(left: np.ndarray, expected: np.ndarray, spread: float) -> float:
    """Log-density, but for a constant, of ratios with mean 1 and this spread; negative binomial, Poisson without."""
    if spread == 0:
        return float((left * np.log(expected) - expected).sum())
    shape = spread**-2
    odds = left * np.log(expected / (shape + expected)) - shape * np.log1p(expected / shape)
    return float((gammaln(left + shape) - gammaln(shape) + odds).sum())
