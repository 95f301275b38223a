"""The numbers of an evaluation: skill tables, policy values, metrics for the tracker."""

from collections.abc import Mapping

import numpy as np

from posology.bootstrap import Resamples, mean_per_patient, ratio
from posology.dossier import Estimate, SkillRow, SkillTable, ValueRow
from posology.errors import TooSmall
from posology.guardrails import PredictionEvidence
from posology.offpolicy import ESTIMATORS, LoggedDecisions, evaluate

CANDIDATE = "candidate"


def skill_table(evidence: PredictionEvidence, kind: str, seed: int) -> SkillTable:
    """Mean squared error and R² of the candidate and every baseline, each patient weighing the same.

    Skill is 1 − loss / loss of the mean of the fitting patients (R² on patients not learnt from).
    """
    predictions = {f"{CANDIDATE} ({kind})": evidence.predicted, **evidence.baselines}
    if evidence.champion is not None:
        predictions["champion"] = evidence.champion
    reference = _losses(evidence, evidence.baselines["mean"])
    rows = [
        _skill_row(name, _losses(evidence, predicted), reference, seed, is_candidate=name.startswith(CANDIDATE))
        for name, predicted in predictions.items()
    ]
    what = "feedback F (0 to 1)" if evidence.target == "feedback" else "final status Mf (points)"
    note = f"{evidence.patients} patients neither fitted nor calibrated on, outcomes known after the cut"
    return SkillTable(what, tuple(rows), loss_name="mean squared error", skill_name="R²", note=note)


def value_rows(logged: LoggedDecisions, seed: int) -> tuple[ValueRow, ...]:
    """The candidate policy's value by every estimator; rows without a number are left out."""
    estimates = evaluate(logged, ESTIMATORS, np.random.default_rng(seed))
    return tuple(
        ValueRow(
            policy=CANDIDATE,
            estimator=estimate.estimator,
            estimate=Estimate(estimate.value, estimate.low, estimate.high),
            effective_sample_size=estimate.effective_sample_size,
            is_candidate=True,
        )
        for estimate in estimates
        if estimate.value is not None
    )


def prediction_metrics(evidence: PredictionEvidence) -> Mapping[str, float]:
    """Flat metrics of one target: losses beside every baseline, R², coverage and width of the interval."""
    loss = float(_losses(evidence, evidence.predicted).mean())
    baselines = {name: float(_losses(evidence, predicted).mean()) for name, predicted in evidence.baselines.items()}
    covered = (evidence.low <= evidence.truth) & (evidence.truth <= evidence.high)
    return {
        "loss": loss,
        **{f"loss_{name.replace(' ', '_').replace('+', 'and')}": value for name, value in baselines.items()},
        "r2": 1 - loss / baselines["mean"] if baselines["mean"] > 0 else 0.0,
        "coverage": float(mean_per_patient(evidence.patient, covered.astype(float)).mean()),
        "width": float(mean_per_patient(evidence.patient, evidence.high - evidence.low).mean()),
        "patients": float(evidence.patients),
    }


def _losses(evidence: PredictionEvidence, predicted: np.ndarray) -> np.ndarray:
    return mean_per_patient(evidence.patient, (predicted - evidence.truth) ** 2)


def _skill_row(name: str, losses: np.ndarray, reference: np.ndarray, seed: int, *, is_candidate: bool) -> SkillRow:
    patients = np.arange(losses.size)
    terms = np.column_stack([losses, reference, np.ones(losses.size)])
    try:
        drawn = Resamples.of(patients, terms, np.random.default_rng(seed))
        loss = drawn.interval(lambda sums: sums[..., 0] / sums[..., 2])
        skill = drawn.interval(lambda sums: 1 - ratio(sums[..., :2]))
    except TooSmall:
        return SkillRow(name, Estimate(float(losses.mean())), is_candidate=is_candidate)
    return SkillRow(
        name,
        Estimate(loss.value, loss.low, loss.high),
        Estimate(skill.value, skill.low, skill.high),
        is_candidate=is_candidate,
    )
