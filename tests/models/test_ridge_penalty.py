"""The penalty of ridge against scikit-learn's own search and against a plain loop."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold

from models.predictors.ridge import FOLDS, PENALTIES, best_penalty
from models.predictors.rows import Rows


def noisy(rows_per_patient: np.ndarray, noise: float) -> Rows:
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(rows_per_patient.size), rows_per_patient)
    features = rng.normal(size=(patient.size, 12))
    of_patient = rng.normal(size=rows_per_patient.size)[patient]
    target = features @ rng.normal(size=12) + noise * (of_patient + rng.normal(size=patient.size))
    return Rows(tuple(f"x{n}" for n in range(12)), features, target, patient)


@pytest.mark.parametrize("noise", [0.01, 1.0, 30.0])
def test_the_penalty_is_the_one_a_grid_search_by_patients_finds(noise):
    rows = noisy(np.full(20, 15), noise)  # as many rows each, so that weights do not matter
    search = GridSearchCV(Ridge(), {"alpha": PENALTIES}, cv=GroupKFold(FOLDS), scoring="neg_mean_squared_error")
    search.fit(rows.features, rows.target, groups=rows.patient)
    assert best_penalty(rows.features, rows.target, rows) == search.best_params_["alpha"]


@pytest.mark.parametrize("noise", [0.3, 3.0, 30.0])
def test_the_penalty_counts_every_patient_the_same(noise):
    rows = noisy(np.array([200, *range(1, 30)]), noise)
    losses = np.zeros(PENALTIES.size)
    for fit, left in GroupKFold(FOLDS).split(rows.features, groups=rows.patient):
        for place, penalty in enumerate(PENALTIES):
            ridge = Ridge(alpha=penalty).fit(rows.features[fit], rows.target[fit], sample_weight=rows.weight[fit])
            losses[place] += rows.weight[left] @ (ridge.predict(rows.features[left]) - rows.target[left]) ** 2
    assert best_penalty(rows.features, rows.target, rows) == PENALTIES[losses.argmin()]
