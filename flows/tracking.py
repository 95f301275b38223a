"""What a run leaves in MLflow: parameters, metrics, plots, data set, predictors, dossier."""

import platform
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.evaluation.candidate import Candidate
from flows.evaluation.report import Origin
from flows.killed_runs import COMPLETED, OWNER, sweep
from flows.pyfunc_signature import example_rows, signature_of
from flows.trials_tracking import log_trials
from flows.workspace import Workspace, read_json
from models.encoders import Encoders
from models.release import save_release
from models.targets import Target
from posology.digests import digest_of_file
from posology.therapy import Therapy

if TYPE_CHECKING:
    from mlflow.entities import Run

ROOT = Path(__file__).resolve().parent.parent


def _pinned(name: str) -> str:
    return f"{name}=={version(name)}"


REQUIREMENTS = tuple(
    _pinned(name)
    for name in ("catboost", "scikit-learn", "polars", "numpy", "numba", "pandas", "pyarrow", "pydantic", "pyyaml")
)


@dataclass(frozen=True)
class Tracked:
    """Where a run's release is in MLflow."""

    run_id: str
    artifact_uri: str
    tags: Mapping[str, str]


class Tracker:
    """Writes completed work to one MLflow; readers skip what is not tagged completed."""

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        """Args:
        tracking_uri: absolute address of a database that exists, or of a server.
        artifacts: folder for artifacts where there is no server.
        """
        import mlflow

        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self._mlflow = mlflow
        self._owner = f"{platform.node()}:{artifacts}"
        self._artifacts = None if tracking_uri.startswith("http") else artifacts.as_uri()

    def sweep(self, therapy: str) -> int:
        """Hide what killed runs of this home left; nobody else may be tracking the therapy from here."""
        models = [f"{therapy}-{kind}" for kind in ("feedback", "status", "release")]
        return sweep(self._mlflow.MlflowClient(), experiment=_experiment(therapy), models=models, owner=self._owner)

    def log_release(self, workspace: Workspace, candidate: Candidate, origin: Origin) -> Tracked:
        """One run for the release, one inside it for each predictor; registers the predictors."""
        verdict = read_json(workspace.evaluation / "guardrails.json")
        metrics = read_json(workspace.evaluation / "metrics.json")
        tags = _tags(workspace, candidate, origin, verdict["verdict"])
        with self._run(candidate.therapy, f"retrain {candidate.release.name}", tags) as run:
            shared = {name: values for name, values in candidate.params.envelope.items() if name != "training"}
            self._mlflow.log_params({"therapy": candidate.therapy.name, **_flat(shared)})
            self._log_dataset(candidate, origin)
            self._mlflow.log_metrics(_flat(metrics))
            self._mlflow.log_artifacts(str(workspace.release), "release")
            self._mlflow.log_artifact(str(workspace.evaluation / "dossier.html"))
            versions = {
                f"{candidate.therapy.name}-{target}": self._log_predictor(
                    workspace, candidate, target, origin=origin, metrics=metrics.get(target, {}), tags=tags
                )
                for target in candidate.predictors
            }
            for name, uri in versions.items():
                self._register(name, uri, run.info.run_id, tags)
        return Tracked(run.info.run_id, f"{run.info.artifact_uri}/release", tags)

    def _register(self, name: str, uri: str, run_id: str, tags: Mapping[str, str]) -> None:
        """A new version of a registered model, seen by readers once it is whole."""
        client = self._mlflow.MlflowClient()
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        made = client.create_model_version(name, uri, run_id, tags=dict(tags), model_id=uri.rpartition("/")[2])
        client.set_model_version_tag(name, str(made.version), COMPLETED, "true")

    @contextmanager
    def _run(self, therapy: Therapy, name: str, tags: Mapping[str, str], *, nested: bool = False) -> Iterator["Run"]:
        experiment = self._mlflow.get_experiment_by_name(_experiment(therapy.name))
        experiment_id = experiment.experiment_id if experiment else self._create_experiment(therapy)
        tags = {**tags, OWNER: self._owner}
        with self._mlflow.start_run(experiment_id=experiment_id, run_name=name, tags=tags, nested=nested) as run:
            yield run
            self._mlflow.set_tag(COMPLETED, "true")

    def _create_experiment(self, therapy: Therapy) -> str:
        return self._mlflow.create_experiment(_experiment(therapy.name), artifact_location=self._artifacts)

    def _log_dataset(self, candidate: Candidate, origin: Origin) -> None:
        from mlflow.data.pandas_dataset import from_pandas

        sessions = pl.scan_parquet(candidate.workspace.validation / "accepted" / "sessions.parquet")
        frame = sessions.select("decided_at", "content_id", "probability").head(100).collect().to_pandas()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow hints at integer columns and local sources at every call
            dataset = from_pandas(
                frame,
                source=str(origin.data),
                name=f"{candidate.therapy.name}-sessions",
                digest=origin.data_version[:36],
            )
            self._mlflow.log_input(dataset, context="training")

    def _log_predictor(
        self,
        workspace: Workspace,
        candidate: Candidate,
        target: Target,
        *,
        origin: Origin,
        metrics: Mapping[str, Any],
        tags: Mapping[str, str],
    ) -> str:
        """Log one predictor with a run of its own; gives the address of the model."""
        therapy = candidate.therapy
        with self._run(therapy, f"train {target}", tags, nested=True):
            self._mlflow.log_params(_flat(candidate.params.training[target].model_dump(mode="json")))
            self._mlflow.log_param("kind", candidate.chosen[target])
            self._mlflow.set_tags(_began_with(candidate, target))
            self._log_dataset(candidate, origin)
            self._mlflow.log_metrics(_flat(metrics))
            self._log_figures(workspace.evaluation / "plots" / target)
            log_trials(self._mlflow, lambda name: self._run(therapy, name, tags, nested=True), workspace, target)
            alone = workspace.root / f"pyfunc-{target}"
            save_release(
                alone,
                therapy=therapy,
                contents=candidate.contents,
                predictors={target: candidate.predictors[target]},
                envelope=candidate.params.envelope,
                learnt=candidate.learnt,
            )
            return self._log_pyfunc(alone, therapy, candidate.contents, candidate.learnt.encoders)

    def _log_pyfunc(self, release: Path, therapy: Therapy, contents: pl.DataFrame, encoders: Encoders) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow hints at what it would do without a signature
            info = self._mlflow.pyfunc.log_model(
                name="model",
                python_model=str(ROOT / "flows" / "pyfunc_model.py"),
                artifacts={"release": str(release)},
                code_paths=[str(ROOT / "posology"), str(ROOT / "models")],
                signature=signature_of(therapy),
                input_example=example_rows(therapy, contents),
                pip_requirements=[*REQUIREMENTS, *(_pinned(name) for name in encoders.distributions)],
            )
        return str(info.model_uri)

    def _log_figures(self, folder: Path) -> None:
        if folder.is_dir():  # there is none where nobody was left to judge
            self._mlflow.log_artifacts(str(folder), "plots")


def _experiment(therapy: str) -> str:
    return f"posology/{therapy}"


def _tags(workspace: Workspace, candidate: Candidate, origin: Origin, verdict: str) -> dict[str, str]:
    release = candidate.release
    return {
        "release": release.name,
        "release_digest": release.digest,
        "data_version": origin.data_version,
        "git_commit": origin.git_commit,
        "author": origin.author,
        "therapy_digest": release.digests["therapy"],
        "envelope_digest": release.digests["envelope"],
        "dossier_digest": digest_of_file(workspace.evaluation / "dossier.html"),
        "verdict": verdict,
    }


def _began_with(candidate: Candidate, target: Target) -> dict[str, str]:
    """The release a predictor was warm-started from, where it was."""
    transfer = candidate.decision(target).get("transfer")
    if not transfer or not transfer["kinds"].get(candidate.chosen[target], {}).get("passed"):
        return {}
    return {f"warm_start_{name}": value for name, value in transfer["source"].items()}


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
