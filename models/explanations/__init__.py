"""Explanations: what each feature adds to a prediction, exactly, and to a predictor's predictions as a whole."""

from models.explanations.contributions import contributions
from models.explanations.overall import Overall, overall
from models.explanations.readable import Named, explain, group_of

__all__ = ["Named", "Overall", "contributions", "explain", "group_of", "overall"]
