"""What a retraining makes of a log: the release that is shipped, without validation, judgement and registry."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows.evaluation.candidate import Candidate
from flows.params import Params, read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.workspace import Workspace
from models.released import Released
from posology.files import whole_folder
from posology.tables import Tables

Stage = Callable[[Workspace, Params], None]
PREDICTORS: tuple[Stage, ...] = (featurize, train_feedback, train_status)


@contextmanager
def trained(therapy: str, tables: Tables, stages: Sequence[Stage] = PREDICTORS) -> Iterator[Candidate]:
    """The candidate by the stages themselves, while its folder is there: fitted on half of the patients, calibrated
    on a fifth.
    """
    params = read_params()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder, "work"))
        tables.write(Path(folder, "data"))
        snapshot(workspace, therapy, Path(folder, "data"))
        with whole_folder(workspace.validation) as partial:
            tables.write(partial / "accepted")
        for stage in stages:
            stage(workspace, params)
        yield Candidate.of(workspace, params)


def released(therapy: str, tables: Tables) -> Released:
    """The policy of the release."""
    with trained(therapy, tables, (*PREDICTORS, train_policy)) as candidate:
        return Released(candidate.release)
