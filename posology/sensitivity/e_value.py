"""The E-value of a difference of means."""

import numpy as np

LOG_RISK_RATIO_PER_SD = 0.91  # Chinn 2000, Statistics in Medicine 19:3127: a standardised difference as a risk ratio


def e_value(difference: float, sd: float) -> float:
    """The risk ratio a confounder would need, with content and with outcome both, to explain the difference away.

    RR = exp(0.91 d), d = difference / sd; E = RR + √(RR (RR − 1)). 1: nothing is needed.
    Reference: VanderWeele & Ding 2017, Annals of Internal Medicine 167:268.

    Args:
        difference: of two means.
        sd: of the outcome; above 0.
    """
    ratio = float(np.exp(LOG_RISK_RATIO_PER_SD * abs(difference) / sd))
    return ratio + float(np.sqrt(ratio * (ratio - 1)))
