"""Learning what contents do to Mf from courses that have ended."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.features import PLACE, Features
from models.policies.status_effects import StatusEffects
from models.predictors.predictor import Predictor
from posology.bootstrap import MINIMUM_PATIENTS
from posology.errors import TooSmall

FOLDS = 5
PENALTIES = np.logspace(0, 5, 11)
LARGEST_WEIGHT = 10.0  # of a session: few rare choices do not decide alone
SPREADS = np.append(0.0, np.geomspace(0.01, 3, 40))  # of contents about the line that are tried, in what is plausible


@dataclass(frozen=True)
class GivenSessions:
    """n sessions of courses that have ended, and how they ended.

    Attributes:
        course: (n, n_columns) what was known before each, whatever was given.
        patient: (n,) codes.
        content: (n,) place of what was given.
        n_contents: that could have been.
        chance: (n,) with which it was chosen, and ``n_eligible`` (n,) among how many; NaN where not logged.
        feedback: (n,) predicted F of what was given; None where the therapy has none.
        gained: (n,) Mf less the last score before, positive better.
        important: smallest important change, in points.
    """

    course: np.ndarray
    patient: np.ndarray
    content: np.ndarray
    n_contents: int
    chance: np.ndarray
    n_eligible: np.ndarray
    feedback: np.ndarray | None
    gained: np.ndarray
    important: float

    @classmethod
    def of(cls, table: pl.DataFrame, features: Features, predictor: Predictor | None) -> Self:
        """The rows of a feature table of the target status, with columns ``chance`` and ``n_eligible`` beside them."""
        status = features.therapy.status
        if status is None:
            raise ValueError("the therapy has no status")
        predicted = predictor.predict(table.select(predictor.names).to_numpy())[:, 0] if predictor else None
        return cls(
            course=table.select(features.course_names).to_numpy(),
            patient=table["user_id"].rank("dense").cast(pl.Int64).to_numpy() - 1,
            content=table[PLACE].cast(pl.Int64).to_numpy(),
            n_contents=features.contents.table.height,
            chance=table["chance"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
            n_eligible=table["n_eligible"].cast(pl.Float64).to_numpy(),
            feedback=predicted,
            gained=((table["target"] - table["score_last"]) * status.direction).to_numpy(),
            important=status.smallest_important_change,
        )

    @property
    def weight(self) -> np.ndarray:
        """(n,) 1 over the odds by which the content was preferred: weighted so, chance alone chose; 1 where unknown."""
        weight = 1 / (self.chance * self.n_eligible)
        return np.where(np.isnan(weight), 1.0, np.minimum(weight, LARGEST_WEIGHT))

    @property
    def decisions(self) -> float:
        """In a course, on average."""
        return self.patient.size / np.unique(self.patient).size


class _Estimates(NamedTuple):
    """Of each content's effect, and last of the slope: ``value`` (k,) and ``covariance`` (k, k)."""

    value: np.ndarray
    covariance: np.ndarray


def fit_status_effects(sessions: GivenSessions) -> StatusEffects:
    """A marginal structural model with shrinkage.

    What the course alone foretells is taken off Mf, each patient by the
    others; the rest is regressed on the content given and on how much more F
    it promised than it usually does, weighted by the inverse of how much it
    was preferred (Robins, Hernán & Brumback 2000, Epidemiology 11:550), with
    errors by patients (Liang & Zeger 1986). Contents' effects are then drawn
    together to a line over their usual F̂, and the line to a flat one, as far
    as the log cannot tell them from chance (Bayes: Lindley & Smith 1972, JRSS
    B 34:1). Where F is a good stand-in the line rises and few lie off it;
    where F misleads it falls, or many do.

    Before the log is read, the standard deviation of what a course of one
    content does instead of another is taken to be one smallest important
    change. A small log, whose errors are many times that, then says little;
    in a large one nothing of it is left.

    Unbiased in large logs where the chances were logged and nothing unseen moved both choice and Mf.

    Raises:
        TooSmall: too few patients.
    """
    patients = np.unique(sessions.patient).size
    if patients < MINIMUM_PATIENTS:
        raise TooSmall(f"expected {MINIMUM_PATIENTS} or more patients with a final status, got {patients}")
    usual = _usual(sessions)
    known = np.flatnonzero(np.bincount(sessions.content, minlength=sessions.n_contents))
    found = _estimated(sessions, known, usual)
    value, covariance = _drawn_together(found, known, _Prior.of(sessions, known, usual))
    return StatusEffects(value[:-1], float(value[-1]), usual, covariance, sessions.decisions)


def _usual(sessions: GivenSessions) -> np.ndarray:
    """(n_contents,) weighted mean F̂ of each content; the mean of all where it was never given."""
    if sessions.feedback is None:
        return np.zeros(sessions.n_contents)
    weight, many = sessions.weight, {"minlength": sessions.n_contents}
    total = np.bincount(sessions.content, weights=weight * sessions.feedback, **many)
    count = np.bincount(sessions.content, weights=weight, **many)
    return np.where(count > 0, total / np.where(count > 0, count, 1), total.sum() / count.sum())


def _estimated(sessions: GivenSessions, known: np.ndarray, usual: np.ndarray) -> _Estimates:
    """Weighted least squares of the residual gain, for the contents that were given."""
    design = (sessions.content[:, None] == known).astype(float)
    if sessions.feedback is not None:
        design = np.column_stack([design, sessions.feedback - usual[sessions.content]])
    weight, residual = sessions.weight, sessions.gained - _foretold(sessions)
    bread = np.linalg.pinv(design.T @ (design * weight[:, None]))
    value = bread @ (design.T @ (weight * residual))
    error = residual - design @ value
    return _Estimates(value, _covariance(design, weight, error, sessions.patient, bread))


def _foretold(sessions: GivenSessions) -> np.ndarray:
    """(n,) the gain foretold by the course, by models that never saw the patient."""
    course = np.nan_to_num(sessions.course)
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return cross_val_predict(model, course, sessions.gained, groups=sessions.patient, cv=GroupKFold(FOLDS))


def _covariance(
    design: np.ndarray, weight: np.ndarray, error: np.ndarray, patient: np.ndarray, bread: np.ndarray
) -> np.ndarray:
    """The sandwich over patients, drawn to its diagonal as they get few, and nowhere surer than of independent rows."""
    codes = np.unique(patient, return_inverse=True)[1]
    pulls = np.zeros((codes.max() + 1, design.shape[1]))
    np.add.at(pulls, codes, design * (weight * error)[:, None])
    clustered = bread @ (pulls.T @ pulls) @ bread
    independent = np.diag(bread @ (design.T @ (design * (weight**2)[:, None])) @ bread) * (error**2).mean()
    own = np.diag(clustered)
    clustered = clustered * (1 - min(1.0, own.size / len(pulls)))
    np.fill_diagonal(clustered, np.maximum(own, independent))
    return clustered


@dataclass(frozen=True)
class _Prior:
    """What effects are drawn to before the log is read.

    Attributes:
        line: (n_contents + 1, k) a mean, a line over usual F̂, and the slope for itself.
        precision: (k, k) of the line's coefficients; 0 of the mean, of which nothing is assumed.
        deviation: plausible, of contents' effects about the line, in points a session.
    """

    line: np.ndarray
    precision: np.ndarray
    deviation: float

    @classmethod
    def of(cls, sessions: GivenSessions, known: np.ndarray, usual: np.ndarray) -> Self:
        """By the smallest important change, shared out over the decisions of a course."""
        deviation = sessions.important / sessions.decisions
        line = np.zeros((usual.size + 1, 3))
        line[:-1, 0] = 1
        line[:-1, 1] = usual - usual[known].mean()
        line[-1, 2] = 1
        if sessions.feedback is None:
            return cls(line[:, :1], np.zeros((1, 1)), deviation)
        more = sessions.feedback - usual[sessions.content]
        moves = usual[known].var(), np.average(more**2, weights=sessions.weight)  # of F̂, between contents and within
        return cls(line, np.diag([0.0, *moves]) / deviation**2, deviation)


def _drawn_together(found: _Estimates, known: np.ndarray, prior: _Prior) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of all contents' effects and the slope, at the likeliest spread about the line."""
    n_contents = prior.line.shape[0] - 1
    rows = np.append(known, n_contents)[: found.value.size]
    is_content = np.append(np.ones(n_contents), 0.0)
    likelihoods = [_likelihood(found, prior, rows, share) for share in SPREADS]
    spread = (SPREADS[int(np.argmax(likelihoods))] * prior.deviation) ** 2 * is_content
    weights, coefficients, uncertain = _on_the_line(found, prior, rows, spread[rows])
    before = np.diag(spread)[:, rows]
    pull = before @ weights
    rest = prior.line - pull @ prior.line[rows]
    value = prior.line @ coefficients + pull @ (found.value - prior.line[rows] @ coefficients)
    return value, np.diag(spread) - pull @ before.T + rest @ uncertain @ rest.T


def _on_the_line(
    found: _Estimates, prior: _Prior, rows: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (k, k), posterior coefficients of the line, and their covariance."""
    weights, line = np.linalg.inv(found.covariance + np.diag(spread)), prior.line[rows]
    uncertain = np.linalg.pinv(line.T @ weights @ line + prior.precision)
    return weights, uncertain @ (line.T @ weights @ found.value), uncertain


def _likelihood(found: _Estimates, prior: _Prior, rows: np.ndarray, share: float) -> float:
    """Log-density, but for a constant, of a spread of this share of what is plausible.

    The line is integrated out (restricted likelihood: Patterson & Thompson
    1971); before the log is read the share is half-normal (Gelman 2006,
    Bayesian Analysis 1:515).
    """
    spread = (share * prior.deviation) ** 2 * (rows < prior.line.shape[0] - 1)
    weights, coefficients, uncertain = _on_the_line(found, prior, rows, spread)
    off = found.value - prior.line[rows] @ coefficients
    signs = np.linalg.slogdet(weights)[1] + np.linalg.slogdet(uncertain)[1]
    misfit = off @ weights @ off + coefficients @ prior.precision @ coefficients
    return float(signs - misfit - share**2) / 2
