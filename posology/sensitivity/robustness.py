"""The robustness value of a doubly robust difference of means."""

import numpy as np


def robustness_value(difference: float, residual: np.ndarray, representer: np.ndarray) -> float:
    """The share of what is left unexplained that a confounder would need, of outcome and of choice both.

    A confounder that explains the share c of the outcome's residual variance,
    and by which the variance of the weights falls short by the share c, can
    bias by at most S √(c · c / (1 − c)), S² = E[residual²] E[representer²]
    (Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis 2022, "Long story short",
    NBER working paper 30302; the value itself: Cinelli & Hazlett 2020, JRSS B
    82:39). The c at which that is the whole difference is (−k + √(k² + 4k)) / 2,
    with k = difference² / S².

    Args:
        difference: of two means.
        residual: (n,) outcome minus its prediction.
        representer: (n,) weight of each outcome in the difference: the inverse
            propensity, negative for the second mean, 0 for other contents.
    """
    bound = float(np.mean(residual**2) * np.mean(representer**2))
    if bound <= 0:
        return 0.0 if difference == 0 else 1.0
    k = difference**2 / bound
    return float((-k + np.sqrt(k**2 + 4 * k)) / 2)
