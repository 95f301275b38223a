"""How strong something unobserved would have to be to change what a comparison says."""

from posology.sensitivity.e_value import e_value
from posology.sensitivity.marginal import MeanUnderOdds, odds_that_flip
from posology.sensitivity.robustness import robustness_value

__all__ = ["MeanUnderOdds", "e_value", "odds_that_flip", "robustness_value"]
