"""The log as peers are given it."""

from dataclasses import dataclass, fields

import numpy as np

SAME = 0.999  # correlation from which one of two columns tells nothing


@dataclass(frozen=True)
class Log:
    """n decisions.

    Attributes:
        shared: (n, n_shared) what is known of patient, course and context; nan where missing.
        own: (n, n_contents, n_own) what is known of each content, and of the course with it.
        eligible: (n, n_contents)
        given: (n,) place of the content given.
        reward: (n,) F.
        propensity: (n,) of the content given.
        patient: (n,) codes; decisions are in order of patient and time.
    """

    shared: np.ndarray
    own: np.ndarray
    eligible: np.ndarray
    given: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    patient: np.ndarray

    def where(self, keep: np.ndarray) -> "Log":
        """The decisions for which ``keep`` is true."""
        return Log(**{field.name: getattr(self, field.name)[keep] for field in fields(self)})


@dataclass(frozen=True)
class Flat:
    """Everything known before a decision as one row of standardised numbers, for peers that know no content features.

    What never varies is left out, and what only repeats another column.
    """

    kept: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, log: Log) -> "Flat":
        """By the columns of a log."""
        rows = np.random.default_rng(0).permutation(len(log.given))[:5000]
        columns = _columns(log.shared[rows], log.own[rows])
        centre, scale = columns.mean(axis=0), columns.std(axis=0)
        varies = np.flatnonzero(scale > 1e-6)
        standard = (columns[:, varies] - centre[varies]) / scale[varies]
        alike = np.abs(np.triu(standard.T @ standard / len(rows), k=1)) > SAME
        kept = varies[~alike.any(axis=0)]
        return cls(kept, centre[kept], scale[kept])

    def rows(self, shared: np.ndarray, own: np.ndarray) -> np.ndarray:
        """(n, n_kept)"""
        return ((_columns(shared, own)[:, self.kept] - self.centre) / self.scale).clip(-5, 5).astype(np.float32)


def _columns(shared: np.ndarray, own: np.ndarray) -> np.ndarray:
    columns = np.concatenate([shared, own.reshape(len(own), -1)], axis=1)
    missing = np.isnan(columns)
    return np.concatenate([np.where(missing, 0, columns), missing[:, : shared.shape[1]]], axis=1)


def greedy(scores: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """(n, n_contents) 1 for the eligible content with the best score."""
    return np.eye(eligible.shape[1])[np.where(eligible, scores, -np.inf).argmax(axis=1)]


def snips(log: Log, probability: np.ndarray) -> float:
    """The self-normalised off-policy value, for tuning."""
    weight = probability[np.arange(len(log.given)), log.given] / log.propensity
    return float(weight @ log.reward / weight.sum()) if weight.any() else 0.0
