"""What a retraining makes of a log: the release that is shipped, without validation, judgement and registry."""

import tempfile
from pathlib import Path

from flows.evaluation.candidate import Candidate
from flows.params import read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.workspace import Workspace
from models.released import Released
from posology.files import whole_folder
from posology.tables import Tables


def released(therapy: str, tables: Tables) -> Released:
    """The release's policy, by the stages themselves: fitted on half of the patients, calibrated on a fifth."""
    params = read_params()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder, "work"))
        tables.write(Path(folder, "data"))
        snapshot(workspace, therapy, Path(folder, "data"))
        with whole_folder(workspace.validation) as partial:
            tables.write(partial / "accepted")
        for stage in (featurize, train_feedback, train_status, train_policy):
            stage(workspace, params)
        return Released(Candidate.of(workspace, params).release)
