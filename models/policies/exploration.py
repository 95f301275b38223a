"""From scores to probabilities: the best most often, everything sometimes."""

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
    lead = np.where(competing, score, -np.inf)
    lead = lead - lead.max(axis=1, keepdims=True)
    weight = np.where(competing, np.exp(lead / exploration.temperature), 0.0)
    share = weight / weight.sum(axis=1, keepdims=True)
    n_eligible = eligible.sum(axis=1, keepdims=True)
    floor = np.minimum(exploration.floor, 1.0 / n_eligible)
    return np.where(eligible, floor + (1 - floor * n_eligible) * share, 0.0)
