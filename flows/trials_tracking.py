"""Every tuning trial as a run of its own in MLflow, inside the run of its predictor."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flows.workspace import Workspace, read_json
from models.targets import Target

RunOf = Callable[[str], AbstractContextManager[Any]]  # name → an open run


def log_trials(mlflow: Any, run_of: RunOf, workspace: Workspace, target: Target) -> None:
    """One run a trial: its options, loss, folds, seconds and how it ended; nothing where nothing was tuned.

    Args:
        mlflow: the module.
        run_of: opens a nested run of that name.
        workspace: holds the trials.
        target: whose.
    """
    file = workspace.training(target) / "trials.json"
    for kind, trials in read_json(file).items() if file.is_file() else ():
        for trial in trials:
            with run_of(f"tune {target} {kind} {trial['number']}"):
                mlflow.log_params({"kind": kind, **trial["options"]})
                numbers = {name: trial[name] for name in ("loss", "folds", "seconds") if trial[name] is not None}
                mlflow.log_metrics(numbers)
                mlflow.set_tags({"state": trial["state"], **({"error": trial["error"]} if trial["error"] else {})})
