"""Whoever is killed or stopped leaves a home that works: nothing half done is seen, nothing runs on."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from flows.evaluation.report import Origin
from flows.home import Home
from flows.params import read_params
from flows.review import Review
from flows.settings import Settings
from flows.stages.evaluate import evaluate
from flows.stages.featurize import featurize
from flows.stages.release import release
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.stages.validate import validate
from flows.workspace import Workspace
from models.release import Release

STEPS = (
    "Start or join the Prefect server",
    "Take a snapshot of the four tables",
    "Version the snapshot with DVC",
    "Validate the data with Great Expectations",
    "Fold courses into features",
    "Train the predictor of feedback (F)",
    "Find the champion to compare with",
    "Judge the candidate by the guardrails",
    "Assemble the release",
    "Track and register in MLflow",
    "Keep quarantine and evidence",
)
POSOLOGY = [sys.executable, "-c", "from flows.cli import main; main()"]
ORIGIN = Origin("0" * 32, Path("data"), "c" * 40, "Author", "posology retrain")


@dataclass(frozen=True)
class Small:
    """A therapy and a cohort that are trained in seconds."""

    therapy: Path
    data: Path


@pytest.fixture(scope="module")
def small(calm_file: Path, calm_data: Path) -> Small:
    return Small(calm_file, calm_data)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small: Small) -> Workspace:
    """What the stages of an undisturbed run leave."""
    workspace, params = Workspace(tmp_path_factory.mktemp("whole")), read_params()
    snapshot(workspace, small.therapy, small.data)
    validate(workspace)
    featurize(workspace, params)
    train_feedback(workspace, params)
    train_status(workspace, params)
    train_policy(workspace, params)
    evaluate(workspace, params, ORIGIN)
    release(workspace)
    return workspace


@contextmanager
def retraining(small: Small, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """``posology retrain`` as a process of its own."""
    command = [*POSOLOGY, "retrain", str(small.therapy), "--data", str(small.data)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    """Until a step has ended, so that the next one is under way."""
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith(f"✓ {step}"):
            return
    pytest.fail("".join(said))


def assert_all_end(processes: list[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive


@pytest.mark.timeout(900)  # a dozen processes
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(("Version the snapshot with DVC", "Assemble the release"), id="twice", marks=pytest.mark.slow),
        pytest.param(STEPS, id="after every step", marks=pytest.mark.thorough),
    ],
)
def test_killed_retrainings_leave_a_home_that_works(
    review: Review, whole: Workspace, small: Small, prefect_api: str, steps: tuple[str, ...]
) -> None:
    home, name = review.home, Release.load(whole.release).name
    for step in steps:
        here = {"POSOLOGY_HOME": str(home.root), "POSOLOGY_PREFECT_API_URL": prefect_api}
        with retraining(small, **here) as process:
            wait_for(process, step)
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        assert_all_end(family)
        seen = [case.version.release for case in review.list_candidates()]
        assert seen in ([], [name])  # the last steps come after it is registered

    from flows.retrain import retrain

    result = retrain(str(small.therapy), str(small.data), str(home.root))
    assert result
    assert result["release"] == name
    assert [case.version.release for case in review.list_candidates()] == [name]
    assert_all_is_whole(review.settings)


def assert_all_is_whole(settings: Settings) -> None:
    """In MLflow nothing is running, half registered, or left of what was."""
    from mlflow import MlflowClient

    client = MlflowClient(settings.mlflow_tracking_uri)
    experiment = client.get_experiment_by_name("posology/calm")
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    assert {(run.info.status, run.data.tags["completed"]) for run in runs} == {("FINISHED", "true")}
    for name in ("calm-feedback", "calm-release"):
        versions = client.search_model_versions(f"name = '{name}'")
        assert versions
        assert all(version.tags["completed"] == "true" for version in versions)
        assert {version.run_id for version in versions} <= {run.info.run_id for run in runs}
    models = client.search_logged_models([experiment.experiment_id])
    assert {model.source_run_id for model in models} <= {run.info.run_id for run in runs}


def register_and_die(home: Path, workspace: Path, model: str) -> None:
    """Register the release of a workspace and be killed once a version of the model is made."""
    from mlflow import MlflowClient

    from flows.retrain import _register

    create = MlflowClient.create_model_version

    def create_and_die(self: MlflowClient, name: str, *rest: object, **more: object) -> object:
        made = create(self, name, *rest, **more)  # type: ignore[arg-type]
        if name == model:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    MlflowClient.create_model_version = create_and_die  # type: ignore[method-assign,assignment]
    settings = Settings.read(home)
    _register(Workspace(workspace), Home.open(settings.home), settings, ORIGIN)


@pytest.mark.parametrize("model", ["calm-feedback", "calm-release"])
def test_who_is_killed_while_registering_leaves_nothing_that_readers_see(
    review: Review, whole: Workspace, prefect_api: str, model: str
) -> None:
    from flows.retrain import _register

    args = (review.home.root, whole.root, model)
    process = multiprocessing.get_context("spawn").Process(target=register_and_die, args=args)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert review.list_candidates() == []
    result = _register(whole, review.home, review.settings, ORIGIN)
    assert [case.version.release for case in review.list_candidates()] == [result.release]
    assert_all_is_whole(review.settings)


@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
def test_a_stopped_retraining_stops_everything_it_started(review: Review, small: Small, how: signal.Signals) -> None:
    """With a Prefect server of its own, which nobody else uses."""
    with retraining(small, POSOLOGY_HOME=str(review.home.root)) as process:
        wait_for(process, "Version the snapshot with DVC")
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(how)
        _said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in complaints
    assert len(family) >= 2  # the keeper and its server
    assert_all_end(family)
    assert review.list_candidates() == []
    assert list((review.home.root / "work").iterdir()) == []
