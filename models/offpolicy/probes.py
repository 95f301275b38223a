"""Policies made to be valued: they lean to what is predicted best, or away from it, by known degrees."""

from dataclasses import dataclass

import numpy as np

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import fit, predict
from models.policies import Decisions, Policy, Random
from models.predictors.predictor import Model

TEMPERATURES = (0.3, 0.15, -0.15)  # of F; the log still overlaps with what they prefer


@dataclass(frozen=True)
class Leaning:
    """Gives eligible contents probabilities in proportion to exp(predicted F / temperature).

    Attributes:
        model: predicts F.
        temperature: of F; the nearer to 0 the surer. Below 0 it prefers what is predicted to be worst.
    """

    model: Model
    temperature: float

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) rows that sum to one, zero where not eligible."""
        score = predict(self.model, decisions.features) / self.temperature
        lead = np.where(decisions.eligible, score, -np.inf)
        weight = np.exp(lead - lead.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def probes(choices: LoggedChoices) -> dict[str, Policy]:
    """The random policy, and some that lean by what is learnt from these decisions; by name."""
    model = fit(choices, np.arange(len(choices)), choices.reward)
    leaning = {f"leaning {temperature:+g}": Leaning(model, temperature) for temperature in TEMPERATURES}
    return {"random": Random(), **leaning}
