"""How much of large weights is given up: the least mean squared error that the data promise."""

from collections.abc import Callable

import numpy as np

from posology.offpolicy.log import LoggedDecisions

CONFIDENCE = 0.95  # with which the bias is below its bound


def least_error(
    log: LoggedDecisions, weights: Callable[[LoggedDecisions, float], np.ndarray], candidates: np.ndarray
) -> float:
    """The candidate with the smallest variance + (bound of the bias)².

    For changed weights ŵ in place of w the bias is E[(w − ŵ)(r − q)]. Its
    bound is the sample mean, taken absolutely, and Bernstein's deviation
    √(2 mean(w²) log(2/δ) / n) + 2 max(w) log(2/δ) / (3n) (Su, Dimakopoulou,
    Krishnamurthy & Dudík 2020, section 5). Decisions count as independent
    here: it only serves to choose, the interval is made otherwise.

    Args:
        log: decisions whose propensities are known.
        weights: gives ŵ (n,) for a candidate.
        candidates: what there is to choose from.
    """
    error, whole, n = log.reward - log.predicted_given, log.weights, len(log)
    log_odds = np.log(2 / (1 - CONFIDENCE))
    deviation = np.sqrt(2 * np.mean(whole**2) * log_odds / n) + 2 * whole.max() * log_odds / (3 * n)

    def expected_error(candidate: float) -> float:
        changed = weights(log, candidate)
        variance = np.var(log.predicted_target + changed * error) / n
        bias = abs(np.mean((whole - changed) * error)) + deviation
        return float(variance + bias**2)

    return float(min(candidates, key=expected_error))
