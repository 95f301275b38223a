"""One stage as a command, for ``dvc repro``: ``python -m flows.stages STAGE``."""

import sys
from collections.abc import Callable

import yaml

from flows.evaluation.report import Origin
from flows.params import SHIPPED, Params, read_params
from flows.quiet import be_quiet
from flows.stages import STAGES
from flows.stages.evaluate import evaluate
from flows.stages.featurize import featurize
from flows.stages.release import release
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.stages.validate import validate
from flows.versioning import git_commit
from flows.workspace import Workspace
from posology.errors import CannotDo, PosologyError
from posology.simulators import simulate
from posology.therapy_file import load_therapy

WORKSPACE = Workspace(SHIPPED.parent / "workspace")


def run(stage: str, params: Params) -> None:
    """Run one stage in the workspace of the checkout; ``simulate`` makes the data the others start from."""
    stages: dict[str, Callable[[], None]] = {
        "snapshot": lambda: snapshot(WORKSPACE, params.therapy, SHIPPED.parent / params.data),
        "validate": lambda: validate(WORKSPACE),
        "featurize": lambda: featurize(WORKSPACE, params),
        "train-feedback": lambda: train_feedback(WORKSPACE, params, params.source),
        "train-status": lambda: train_status(WORKSPACE, params, params.source),
        "train-policy": lambda: train_policy(WORKSPACE, params),
        "evaluate": lambda: evaluate(WORKSPACE, params, _origin()),
        "release": lambda: release(WORKSPACE),
        "simulate": lambda: _simulate(params),
    }
    if stage not in stages:
        raise CannotDo(f"no stage {stage!r}; expected one of {', '.join(('simulate', *STAGES))}")
    stages[stage]()


def _simulate(params: Params) -> None:
    drawn = params.simulation
    cohort = simulate(load_therapy(params.therapy), patients=drawn.patients, seed=drawn.seed)
    cohort.write(SHIPPED.parent / params.data)


def _origin() -> Origin:
    """The snapshot's version as DVC noted it when its stage ended, author and commit of the checkout."""
    lock = SHIPPED.parent / "dvc.lock"
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"] if lock.is_file() else {}
    outs = stages.get("snapshot", {}).get("outs", [{"md5": "unversioned"}])
    return Origin(str(outs[0]["md5"]), WORKSPACE.snapshot, git_commit(), "dvc repro", "dvc repro")


def main() -> None:
    """Run the stage named on the command line."""
    be_quiet()
    try:
        run(sys.argv[1] if len(sys.argv) > 1 else "", read_params())
    except PosologyError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
