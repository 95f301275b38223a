"""What killed runs left in MLflow, taken out of readers' sight."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

COMPLETED = "completed"
OWNER = "home"  # the tag that says whose run it is: a server may track those of several homes


def sweep(client: "MlflowClient", *, experiment: str, models: Iterable[str], owner: str) -> int:
    """Delete this owner's runs that never ended, with what belongs to them, and versions never completed.

    Only to be called while the owner runs nothing else of the experiment.

    Args:
        experiment: its name.
        models: names of registered models.
        owner: value of the tag ``OWNER`` on the runs.
    """
    known = client.get_experiment_by_name(experiment)
    if known is None:
        return 0
    places = [known.experiment_id]
    runs = {run.info.run_id: run for run in client.search_runs(places, f"tags.{OWNER} = '{owner}'", max_results=10_000)}
    ended = {run_id for run_id, run in runs.items() if _is_whole(run)}
    for name in models:
        for version in client.search_model_versions(f"name = '{name}'"):
            is_complete = version.tags.get(COMPLETED) == "true" and version.run_id in ended
            if version.run_id in runs and not is_complete:
                client.delete_model_version(name, str(version.version))
    killed = [run for run in runs.values() if _was_killed(run, runs)]
    for run in killed:
        for model in client.search_logged_models(places, f"source_run_id = '{run.info.run_id}'"):
            client.delete_logged_model(model.model_id)
        if run.info.status == "RUNNING":
            client.set_terminated(run.info.run_id, "KILLED")
        client.delete_run(run.info.run_id)
    return len(killed)


def _is_whole(run: "Run") -> bool:
    return run.info.status == "FINISHED" and run.data.tags.get(COMPLETED) == "true"


def _was_killed(run: "Run", runs: Mapping[str, "Run"]) -> bool:
    """Whether it, or the run it is part of, never ended."""
    parent = runs.get(run.data.tags.get("mlflow.parentRunId", ""))
    return "RUNNING" in (run.info.status, parent.info.status if parent else None)
