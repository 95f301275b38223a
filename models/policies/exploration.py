"""From scores to probabilities: the best most often, everything sometimes."""

import numba
import numpy as np

from posology.therapy import Exploration


def explored(score: np.ndarray, competing: np.ndarray, eligible: np.ndarray, exploration: Exploration) -> np.ndarray:
    """(n, n_contents) probabilities: rows sum to one, zero where not eligible.

    Those that compete share by a softmax of their score. Every eligible
    content keeps at least the floor, or an equal share where the floors would
    sum to more than one: what is learnt later can be evaluated off-policy
    only where every content had a chance (positivity).

    Args:
        score: (n, n_contents) in units of the temperature; looked at where contents compete.
        competing: (n, n_contents) at least one in each row, all of them eligible.
        eligible: (n, n_contents) what may be given.
        exploration: floor and temperature.
    """
    if score.shape != eligible.shape:
        score = np.repeat(score, len(eligible), axis=0)
    weight = np.exp(_lead(score, competing, exploration.temperature))
    share = weight / weight.sum(axis=1, keepdims=True)
    return _with_floor(share, eligible, exploration.floor)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _lead(score: np.ndarray, competing: np.ndarray, temperature: float) -> np.ndarray:
    """(n, n_contents) before the best, in temperatures; infinitely far behind where a content does not compete."""
    lead = np.full(score.shape, -np.inf)
    for row in range(score.shape[0]):
        best = -np.inf
        for place in range(score.shape[1]):
            if competing[row, place]:
                best = max(best, score[row, place])
        for place in range(score.shape[1]):
            if competing[row, place]:
                lead[row, place] = (score[row, place] - best) / temperature
    return lead


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _with_floor(share: np.ndarray, eligible: np.ndarray, least: float) -> np.ndarray:
    found = np.zeros(share.shape)
    for row in range(share.shape[0]):
        n_eligible = np.count_nonzero(eligible[row])
        floor = min(least, 1.0 / n_eligible)
        for place in range(share.shape[1]):
            if eligible[row, place]:
                found[row, place] = floor + (1 - floor * n_eligible) * share[row, place]
    return found
