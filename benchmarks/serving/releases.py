"""A release of so many contents, fitted by the stages, and the cohort it was fitted on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.evaluation.candidate import Candidate
from flows.params import read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.workspace import Workspace
from models.release import Release
from posology.files import whole_folder
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy_file import find_therapy, load_therapy

SEED = 7


@dataclass(frozen=True)
class Fitted:
    """A release, where it is, and its cohort."""

    release: Release
    folder: Path
    tables: Tables


def fitted(folder: Path, *, contents: int, patients: int) -> Fitted:
    """The mci therapy with so many contents: its own, and more like them under other names.

    Without validation: simulated data are valid.
    """
    folder.mkdir(parents=True)
    file = folder / "therapy.yaml"
    file.write_text(yaml.safe_dump(_with_contents(contents), sort_keys=False), encoding="utf-8")
    made = simulate(load_therapy(file), patients=patients, seed=SEED).tables
    made.write(folder / "data")
    workspace, params = Workspace(folder / "work"), read_params()
    snapshot(workspace, file, folder / "data")
    with whole_folder(workspace.validation) as partial:
        made.write(partial / "accepted")
    for stage in (featurize, train_feedback, train_status, train_policy):
        stage(workspace, params)
    return Fitted(Candidate.of(workspace, params).release, workspace.candidate, made)


def _with_contents(number: int) -> dict[str, Any]:
    about: dict[str, Any] = yaml.safe_load(find_therapy("mci").read_text(encoding="utf-8"))
    del about["words"]  # they name each content
    first, *others = about["catalogue"]
    more = [{**row, "content_id": f"{row['content_id']}_{copy}"} for copy in range(2, 3 + number) for row in others]
    about["catalogue"] = [first, *others, *more][:number]
    return about
