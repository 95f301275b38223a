"""From predictions to a probability for every content."""

import numpy as np

from posology.therapy import Therapy


def content_probabilities(
    therapy: Therapy,
    feedback: np.ndarray | None,  # (n, n_contents) predicted F
    status: np.ndarray | None,  # (n, n_contents) predicted Mf
    eligible: np.ndarray,  # (n, n_contents) bool
) -> np.ndarray:
    """(n, n_contents) probabilities: rows sum to one, zero where not eligible.

    The objective decides which eligible contents compete: all of them, or for
    ``constrained`` those whose Mf is not worse than the best eligible one by
    more than the non-inferiority margin. Those compete by a softmax of F (or
    Mf in smallest important changes) at the therapy's temperature; every
    eligible content keeps at least the floor, so that what is learnt later
    can be evaluated off-policy (positivity).
    """
    competing = eligible & _allowed(therapy, status, eligible)
    score = np.where(competing, _score(therapy, feedback, status), -np.inf)
    lead = score - score.max(axis=1, keepdims=True)
    weight = np.where(competing, np.exp(lead / therapy.exploration.temperature), 0.0)
    share = weight / weight.sum(axis=1, keepdims=True)
    n_eligible = eligible.sum(axis=1, keepdims=True)
    floor = np.minimum(therapy.exploration.floor, 1.0 / n_eligible)
    return np.where(eligible, floor + (1 - floor * n_eligible) * share, 0.0)


def _allowed(therapy: Therapy, status: np.ndarray | None, eligible: np.ndarray) -> np.ndarray:
    if therapy.objective != "constrained":
        return eligible
    gain = np.where(eligible, _gain(therapy, status), -np.inf)
    best = gain.max(axis=1, keepdims=True)
    return gain >= best - (therapy.noninferiority_margin or 0.0) - 1e-9


def _score(therapy: Therapy, feedback: np.ndarray | None, status: np.ndarray | None) -> np.ndarray:
    if therapy.objective == "status":
        change = therapy.status.smallest_important_change if therapy.status else 1.0
        return _gain(therapy, status) / change
    if feedback is None:
        raise ValueError(f"objective {therapy.objective} needs predictions of F")
    return feedback


def _gain(therapy: Therapy, status: np.ndarray | None) -> np.ndarray:
    if status is None or therapy.status is None:
        raise ValueError(f"objective {therapy.objective} needs predictions of Mf")
    return therapy.status.direction * status
