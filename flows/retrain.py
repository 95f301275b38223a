"""The flow ``retrain``: from a snapshot to a candidate release with its dossier."""

import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prefect import flow, runtime
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from flows.cluster import each_block
from flows.evaluation.candidate import Candidate
from flows.evaluation.learning import learnt_lines
from flows.evaluation.report import Origin
from flows.home import Home
from flows.params import Params, read_params
from flows.registry import Registry
from flows.settings import Settings
from flows.snapshots import Snapshot, accept, keep_snapshot, last_accepted, snapshot_at
from flows.stages.evaluate import evaluate
from flows.stages.featurize import featurize
from flows.stages.release import release
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.stages.validate import validate
from flows.take import take
from flows.tasks import step
from flows.tracking import Tracker
from flows.versioning import git_commit
from flows.warm_start import find_release
from flows.workspace import Workspace, read_json
from posology.files import whole_folder
from posology.therapy_file import load_therapy

TOO_LATE = timedelta(hours=6)  # a scheduled run that could not start by then is left to the next one


@dataclass(frozen=True)
class Retrained:
    """What a retraining ended with; also what ``posology retrain --json`` prints.

    ``failed`` is what validation found, as ``posology validate --json`` has it: those rows are in quarantine.
    ``learnt`` says what tuning and a warm start came to, where they were asked for.
    """

    release: str
    verdict: str
    guardrails: list[dict[str, Any]]
    dossier: str
    data_version: str
    failed: list[dict[str, Any]]
    learnt: list[str]


@dataclass(frozen=True)
class Asked:
    """What a retraining was asked for; see ``retrain``."""

    therapy: str
    data: Path | None
    as_of: datetime | None
    trials: int | None
    warm_start: str | None

    def again(self, snapshot: str) -> str:
        """The command that gives the same release again."""
        trials = f" --trials {self.trials}" if self.trials is not None else ""
        source = f" --warm-start {self.warm_start}" if self.warm_start else ""
        return f"posology retrain {self.therapy} --snapshot {snapshot}{trials}{source}"


def _validate(workspace: Workspace, kept: Snapshot, home: Home) -> None:
    """Validate; a snapshot that is let through is what the next one is held against."""
    validate(workspace, home.docs / kept.record["therapy"], _before(kept, home))
    accept(kept, datetime.now(UTC))


def _before(kept: Snapshot, home: Home) -> Path | None:
    """The snapshot last accepted, unless this one is older or shows an earlier time: then less is as it should be."""
    folder = last_accepted(home, kept.record["therapy"])
    before = snapshot_at(folder / "tables") if folder else None
    if before is None or kept.as_of or before.record["taken_at"] >= kept.record["taken_at"]:
        return None
    return before.folder


def _featurize(workspace: Workspace, params: Params, settings: Settings) -> None:
    with each_block(settings.dask_address, workspace.root) as each:
        featurize(workspace, params, each)


def _champion(home: Home, settings: Settings, therapy: str) -> Path | None:
    registry = Registry.open(home, settings)
    champion = registry.champion(therapy)
    return registry.download(champion) if champion else None


def _register(
    workspace: Workspace, home: Home, settings: Settings, origin: Origin, params: Params | None = None
) -> Retrained:
    """Log everything, then register the release and put it up for review."""
    candidate = Candidate.of(workspace, params or read_params())
    therapy = candidate.therapy.name
    registry = Registry.open(home, settings)
    tracker = Tracker(settings.mlflow_tracking_uri, home.artifacts)
    tracker.sweep(therapy)
    tracked = tracker.log_release(workspace, candidate, origin)
    version = registry.register_release(
        therapy,
        run_id=tracked.run_id,
        release=candidate.release.name,
        artifact_uri=tracked.artifact_uri,
        tags=tracked.tags,
    )
    registry.set_candidate(version)
    found = read_json(workspace.release / "guardrails.json")
    return Retrained(
        release=version.release,
        verdict=found["verdict"],
        guardrails=found["guardrails"],
        dossier=str(registry.download(version) / "dossier.html"),
        data_version=origin.data_version,
        failed=read_json(workspace.validation / "validation.json")["failed"],
        learnt=list(learnt_lines(candidate)),
    )


def _keep(workspace: Workspace, home: Home, retrained: Retrained) -> None:
    """Keep what validation set aside and what the findings rest on, under the release's name."""
    with whole_folder(home.runs / retrained.release) as partial:
        shutil.copytree(workspace.validation / "quarantine", partial / "quarantine")
        shutil.copytree(workspace.evaluation, partial / "evaluation")


def _show(retrained: Retrained) -> None:
    """The verdict in Prefect's pages."""
    rows = "\n".join(
        f"| {item['code']} | {item['title']} | **{item['verdict']}** | {item['explanation']} |"
        for item in retrained.guardrails
    )
    head = "| code | asks that | verdict | why |\n| --- | --- | --- | --- |"
    table = f"# {retrained.release}: {retrained.verdict}\n\n{head}\n{rows}\n"
    create_markdown_artifact(table, key="verdict", description=f"Guardrails of {retrained.release}")
    create_link_artifact(Path(retrained.dossier).as_uri(), key="dossier", link_text=f"Dossier of {retrained.release}")


take_snapshot = step("Take a snapshot of the four tables", take, retries=2)
version_snapshot = step("Version the snapshot with DVC", keep_snapshot, retries=2)
validate_data = step("Validate the data with Great Expectations", _validate)
build_features = step("Fold courses into features", _featurize)
train_f = step("Train the predictor of feedback (F)", train_feedback)
train_mf = step("Train the predictor of final status (Mf)", train_status)
train_chooser = step("Train the policy", train_policy)
find_source = step("Find the release to begin with", find_release, retries=2)
find_champion = step("Find the champion to compare with", _champion, retries=2)
judge_candidate = step("Judge the candidate by the guardrails", evaluate)
assemble = step("Assemble the release", release)
register = step("Track and register in MLflow", _register, retries=2)
keep_evidence = step("Keep quarantine and evidence", _keep)
show_verdict = step("Show the verdict", _show, retries=2)


@flow(name="retrain", flow_run_name="retrain {therapy}")
def retrain(
    therapy: str,
    data: str | None = None,
    home: str | None = None,
    as_of: datetime | None = None,
    *,
    trials: int | None = None,
    warm_start: str | None = None,
) -> dict[str, Any] | None:
    """Snapshot, validate, train, judge and register a candidate release.

    Args:
        therapy: name or path of the therapy.
        data: folder of the four tables; the operational store when None.
        home: the home's folder; as set in the environment when None.
        as_of: train on what was known then; on all there is when None.
        trials: of tuning; as in params.yaml when None.
        warm_start: name or folder of a release to begin with where that is sure to help.

    Returns:
        The fields of ``Retrained``; None for a scheduled run that came too late, or while another is at work.
    """
    settings = Settings.read(Path(home) if home else None)
    here = Home.open(settings.home)
    here.sweep()
    lock = f"retrain-{load_therapy(therapy).name}"
    if runtime.deployment.id and (_is_too_late() or here.is_locked(lock)):
        return None
    with here.lock(lock), here.work_folder() as folder:
        asked = Asked(therapy, Path(data) if data else None, as_of, trials, warm_start)
        return asdict(_run_stages(Workspace(folder), asked, here, settings))


def _run_stages(workspace: Workspace, asked: Asked, home: Home, settings: Settings) -> Retrained:
    params = read_params().with_trials(asked.trials)
    take_snapshot(workspace, asked.therapy, asked.data, settings, asked.as_of)
    name = workspace.therapy().name
    kept = version_snapshot(workspace.snapshot, home)
    origin = Origin(kept.version, kept.folder, git_commit(), settings.author, asked.again(kept.name))
    begin_with = asked.warm_start or (str(params.source) if params.source else None)
    source = find_source(home, settings, begin_with, kept.tables) if begin_with else None
    validate_data(workspace, kept, home)
    build_features(workspace, params, settings)
    train_f(workspace, params, source)
    train_mf(workspace, params, source)
    train_chooser(workspace, params)
    judge_candidate(workspace, params, origin, find_champion(home, settings, name))
    assemble(workspace)
    retrained = register(workspace, home, settings, origin, params)
    keep_evidence(workspace, home, retrained)
    show_verdict(retrained)
    return retrained


def _is_too_late() -> bool:
    planned = runtime.flow_run.scheduled_start_time
    return planned is not None and datetime.now(UTC) - planned > TOO_LATE
