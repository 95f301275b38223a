"""Train: the predictors of one target, and which of them the candidate release takes."""

from collections.abc import Mapping
from functools import partial as bind
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.announce import announce
from flows.params import Params, Training
from flows.workspace import Workspace, write_json
from models.learner import Learner, Way
from models.predictors.kinds import KINDS
from models.predictors.predictor import fit_predictor
from models.predictors.rows import Rows
from models.predictors.selection import patient_losses, simplest_of_the_best
from models.release import Release
from models.targets import Target, targets_of
from models.transfer.source import Source
from posology.files import whole_folder
from posology.therapy import Therapy


def train(workspace: Workspace, params: Params, source: Path | None = None, *, target: Target) -> None:
    """Fit every kind on the fitting patients; the simplest of the best on the calibration patients is chosen.

    With too few patients, or a target that never varies, nothing is fitted
    and ``choice.json`` says why.

    Args:
        workspace: holds the feature tables.
        params: how a target is learnt, and what tuning may spend.
        source: folder of a release to begin with where that is sure to help.
        target: what is predicted.
    """
    therapy = workspace.therapy()
    with whole_folder(workspace.training(target)) as partial:
        if target not in targets_of(therapy):
            write_json(partial / "choice.json", {"chosen": None, "reason": f"the therapy declares no {target}"})
            return
        table = pl.read_parquet(workspace.features / f"{target}.parquet")
        fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
        reason = _obstacle(fit, calibrate, params.training[target])
        if reason:
            write_json(partial / "choice.json", {"chosen": None, "reason": reason})
            return
        learner = _learner(workspace, params, source, target)
        ways: dict[str, Way] = {}
        losses: dict[str, np.ndarray] = {}
        for name in params.training[target].kinds:
            way = ways[name] = learner.way(name, KINDS[name], fit)
            predictor = fit_predictor(way.fitter, target, fit, calibrate, options=way.options, bounds=learner.bounds)
            predictor.save(partial / name)
            losses[name] = patient_losses(predictor, calibrate)
        means = {name: float(of_patients.mean()) for name, of_patients in losses.items()}
        chosen = {"chosen": simplest_of_the_best(losses), "calibration_loss": means}
        write_json(partial / "choice.json", chosen | _decided(params, source, learner, ways))
        if trials := {name: way.tuned.trials for name, way in ways.items() if way.tuned}:
            write_json(partial / "trials.json", trials)


train_feedback = bind(train, target="feedback")
train_status = bind(train, target="status")


def bounds_of(therapy: Therapy, target: Target) -> tuple[float, float]:
    """The range of a target."""
    if target == "status" and therapy.status is not None:
        return therapy.status.minimum, therapy.status.maximum
    return 0.0, 1.0


def _learner(workspace: Workspace, params: Params, source: Path | None, target: Target) -> Learner:
    therapy = workspace.therapy()
    contents = pl.read_parquet(workspace.validation / "accepted" / "contents.parquet")
    return Learner(
        target,
        params.training[target].model_dump(),
        bounds_of(therapy, target),
        params.tuning,
        Source.of(Release.load(source), target, therapy, contents) if source else None,
        lambda kind, number: announce(f"Tune {target} ({kind}): trial {number + 1} of {params.tuning.trials}"),
    )


def _decided(params: Params, source: Path | None, learner: Learner, ways: Mapping[str, Way]) -> dict[str, Any]:
    """What was tuned and where it began; nothing where neither was asked for."""
    decided: dict[str, Any] = {}
    if params.tuning.trials:
        decided["tuning"] = {name: way.tuned.as_json() for name, way in ways.items() if way.tuned}
    if source:
        known = learner.source
        decided["transfer"] = {
            "source": {"release": known.release, "digest": known.digest} if known else None,
            "kinds": {name: way.tested.as_json() for name, way in ways.items() if way.tested},
        }
    return decided


def _obstacle(fit: Rows, calibrate: Rows, training: Training) -> str | None:
    if min(fit.patients, calibrate.patients) < training.least_patients:
        return (
            f"{fit.patients} patients to fit and {calibrate.patients} to calibrate, "
            f"at least {training.least_patients} of each are needed"
        )
    if np.ptp(fit.target) == 0:
        return "the target never varies in the fitting patients"
    return None
