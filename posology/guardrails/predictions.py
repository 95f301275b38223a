"""What the guardrails of predictions share: which predictions to judge, and how wrong they are."""

import numpy as np

from posology.bootstrap import mean_per_patient
from posology.errors import TooSmall
from posology.guardrails.evidence import Evidence, PredictionEvidence, Target
from posology.guardrails.guardrail import NotApplicable


def predictions_of(evidence: Evidence, target: Target, *, minimum_patients: int) -> PredictionEvidence:
    """One target's predictions, when there are enough to judge.

    Raises:
        NotApplicable: the therapy does not declare the target.
        TooSmall: no predictor could be trained, or it is judged on too few patients.
    """
    if target not in evidence.declared:
        raise NotApplicable(f"the therapy declares no {target}")
    found = evidence.prediction(target)
    if found is None:
        raise TooSmall(f"there is no predictor of {target} to judge: too little data to train one")
    if found.patients < minimum_patients:
        raise TooSmall(
            f"{target}: judged on {found.patients} patients, at least {minimum_patients} are needed, "
            f"{minimum_patients - found.patients} more"
        )
    return found


def loss_per_patient(predictions: PredictionEvidence, predicted: np.ndarray) -> np.ndarray:
    """(n_patients,) mean squared error of each patient, so that every patient counts equally."""
    return mean_per_patient(predictions.patient, np.square(predicted - predictions.truth))
