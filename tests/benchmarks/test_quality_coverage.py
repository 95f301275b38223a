"""The benchmark of coverage: patients weigh the same, slices have names that cohorts share."""

import numpy as np

from benchmarks.quality.coverage import EVERYONE, Covered, held
from models.features import PLACE
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.rows import Rows

NAMES = (PLACE, "sex=male", "feedbacks", "score_last")


def rows(patients: int, seed: int) -> Rows:
    """F is noise about a mean; the first patient has many sessions, the others four."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), [200, *[4] * (patients - 1)])
    is_male, score = (patient % 2).astype(float), rng.uniform(10, 30, patients)[patient]
    count = np.concatenate([np.arange(n) for n in np.bincount(patient)]).astype(float)
    features = np.column_stack([np.zeros(patient.size), is_male, count, score])
    return Rows(NAMES, features, rng.normal(0.5, 0.1, patient.size), patient)


def test_held_out_patients_are_covered_as_promised_overall_and_in_each_slice():
    predictor = fit_predictor(
        KINDS["ridge"], "feedback", rows(200, 1), rows(150, 2), options={"coverage": 0.9, "seed": 7}, bounds=(-9.0, 9.0)
    )
    judge = rows(300, 3)
    found = {name: Covered(name, shares) for name, shares in held(predictor, judge)}
    assert found[EVERYONE].shares.size == 300
    assert found["sex=male"].shares.size == 150
    assert {"feedbacks, part 1 of 3", "score_last, part 3 of 3"} <= set(found)
    assert all(0.85 < each.mean < 0.96 for each in found.values())
    assert 0 < found[EVERYONE].half < 0.03


def test_a_patient_weighs_one_however_many_sessions():
    judge = rows(3, 4)

    class OnlyTheFirst:
        slices = ()

        def predict(self, features: np.ndarray) -> np.ndarray:  # noqa: ARG002
            high = np.where(judge.patient == 0, 9.0, -9.0)
            return np.column_stack([high, np.full(high.size, -9.0), high])

    (_, shares), *_ = held(OnlyTheFirst(), judge)  # type: ignore[arg-type]
    assert shares.tolist() == [1.0, 0.0, 0.0]
