"""Train: the predictors of one target, and which of them the candidate release takes."""

from functools import partial as bind

import numpy as np
import polars as pl

from flows.params import Params, Training
from flows.workspace import Workspace, write_json
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.remaining import weighted
from models.predictors.rows import Rows
from models.predictors.selection import patient_losses, simplest_of_the_best
from models.targets import Target, targets_of
from posology.files import whole_folder
from posology.therapy import Therapy


def train(workspace: Workspace, params: Params, *, target: Target) -> None:
    """Fit every kind on the fitting patients; the simplest of the best on the calibration patients is chosen.

    With too few patients, or a target that never varies, nothing is fitted
    and ``choice.json`` says why.
    """
    therapy = workspace.therapy()
    with whole_folder(workspace.training(target)) as partial:
        if target not in targets_of(therapy):
            write_json(partial / "choice.json", {"chosen": None, "reason": f"the therapy declares no {target}"})
            return
        table = pl.read_parquet(workspace.features / f"{target}.parquet")
        table = weighted(table) if target == "status" else table
        fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
        reason = _obstacle(fit, calibrate, params.training[target])
        if reason:
            write_json(partial / "choice.json", {"chosen": None, "reason": reason})
            return
        options = params.training[target].model_dump()
        losses: dict[str, np.ndarray] = {}
        for name in params.training[target].kinds:
            predictor = fit_predictor(
                KINDS[name], target, fit, calibrate, options=options, bounds=bounds_of(therapy, target)
            )
            predictor.save(partial / name)
            losses[name] = patient_losses(predictor, calibrate)
        means = {name: float(of_patients.mean()) for name, of_patients in losses.items()}
        write_json(partial / "choice.json", {"chosen": simplest_of_the_best(losses), "calibration_loss": means})


train_feedback = bind(train, target="feedback")
train_status = bind(train, target="status")


def bounds_of(therapy: Therapy, target: Target) -> tuple[float, float]:
    """The range of a target."""
    if target == "status" and therapy.status is not None:
        return therapy.status.minimum, therapy.status.maximum
    return 0.0, 1.0


def _obstacle(fit: Rows, calibrate: Rows, training: Training) -> str | None:
    if min(fit.patients, calibrate.patients) < training.least_patients:
        return (
            f"{fit.patients} patients to fit and {calibrate.patients} to calibrate, "
            f"at least {training.least_patients} of each are needed"
        )
    if np.ptp(fit.target) == 0:
        return "the target never varies in the fitting patients"
    return None
