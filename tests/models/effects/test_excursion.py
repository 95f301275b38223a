"""The excursion effect of a micro-randomised trial is right where the probabilities are, whatever the controls."""

import numpy as np
import pytest

from models.effects.excursion import Excursion
from posology.errors import TooSmall


def trial(rng, patients=60, decisions=40):
    patient = np.repeat(np.arange(patients), decisions)
    state = rng.normal(size=patient.size)
    probability = 1 / (1 + np.exp(-state))
    treated = rng.random(patient.size) < probability
    own = rng.normal(size=patients)[patient]
    outcome = np.exp(state) + own + treated * 0.3 + rng.normal(size=patient.size)
    return patient, outcome, treated, probability, state


def test_it_covers_the_true_effect_with_wrong_controls():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(40):
        patient, outcome, treated, probability, state = trial(rng)
        found = Excursion.of(patient, outcome, treated, probability.clip(0.1, 0.9), controls=state[:, None] > 0)
        exact = Excursion.of(patient, outcome, treated, probability, controls=state[:, None])
        held.append((exact.low[0] <= 0.3 <= exact.high[0], found.error[0] > 0))
    assert np.mean([each[0] for each in held]) >= 0.85


def test_too_few_patients_and_certain_decisions_are_refused():
    patient, outcome, treated, probability, state = trial(np.random.default_rng(6), patients=2)
    with pytest.raises(TooSmall, match="2 patients cannot tell 3 coefficients"):
        Excursion.of(patient, outcome, treated, probability, controls=state[:, None])
    with pytest.raises(TooSmall, match="certain"):
        Excursion.of(patient, outcome, treated, np.ones(len(patient)), controls=state[:, None])
