"""The flow: all stages in order, one release in the registry; what cannot be retrained leaves nothing to see."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from flows.home import Home
from flows.registry import Registry
from flows.review import Review
from flows.settings import Settings
from flows.stages import STAGES
from flows.workspace import read_json
from models.release import Release
from posology.digests import digest_of_file
from posology.errors import DataInvalid, TableError, TooSmall
from posology.tables import NAMES, Tables
from posology.therapy import Therapy

Retrain = Callable[..., dict[str, Any]]

STEP_OF_STAGE = {
    "take_snapshot": "snapshot",
    "validate_data": "validate",
    "build_features": "featurize",
    "train_f": "train-feedback",
    "train_mf": "train-status",
    "train_chooser": "train-policy",
    "judge_candidate": "evaluate",
    "assemble": "release",
}


@dataclass(frozen=True)
class Retraining:
    """A real run of the flow: where, which steps it announced, and what it gave."""

    home: Home
    settings: Settings
    steps: tuple[str, ...]
    result: dict[str, Any]

    @property
    def registry(self) -> Registry:
        return Registry.open(self.home, self.settings)


@pytest.fixture(scope="module")
def retrained(
    prefect_api: str, tmp_path_factory: pytest.TempPathFactory, calm_file: Path, calm_data: Path
) -> Retraining:
    """One run that many tests look at."""
    from flows.announce import listening
    from flows.retrain import retrain

    settings = Settings.read(tmp_path_factory.mktemp("retrained") / "home")
    steps: list[str] = []
    with listening(steps.append):
        result = retrain(str(calm_file), str(calm_data), str(settings.home))
    assert result
    return Retraining(Home.open(settings.home), settings, tuple(steps), result)


@pytest.fixture
def retrain(prefect_api: str, home: Home, settings: Settings, registry: Registry, calm_file: Path) -> Retrain:
    """Runs the flow on the small therapy in a home of its own."""
    from flows.retrain import retrain as flow

    return lambda data: flow(str(calm_file), str(data) if data else None, str(home.root))


def with_table(data: Path, folder: Path, name: str, table: pl.DataFrame) -> Path:
    folder.mkdir()
    for other in NAMES:
        (folder / f"{other}.parquet").write_bytes((data / f"{other}.parquet").read_bytes())
    table.write_parquet(folder / f"{name}.parquet")
    return folder


def test_the_flow_runs_the_stages_of_the_list_in_its_order(retrained: Retraining) -> None:
    from flows import retrain as module

    stage_of = {getattr(module, step).name: stage for step, stage in STEP_OF_STAGE.items()}
    assert tuple(stage_of[step] for step in retrained.steps if step in stage_of) == STAGES


def test_the_flow_ends_with_a_candidate_and_its_dossier(retrained: Retraining) -> None:
    result = retrained.result
    candidate = retrained.registry.candidate("calm")
    assert candidate.release == result["release"]
    assert candidate.tags["verdict"] == result["verdict"] == "insufficient evidence"  # 40 patients are few
    assert Release.load(retrained.registry.download(candidate)).name == result["release"]
    assert digest_of_file(Path(result["dossier"])) == candidate.tags["dossier_digest"]
    assert {item["code"] for item in result["guardrails"]} >= {"G001", "G101", "G301", "G401", "G501", "G601"}
    assert all(item["explanation"] for item in result["guardrails"])
    assert retrained.registry.champion("calm") is None


@pytest.mark.thorough
def test_a_flow_whose_blocks_a_dask_cluster_folds_makes_the_same_release(
    retrained: Retraining, retrain: Retrain, calm_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        monkeypatch.setenv("POSOLOGY_DASK_ADDRESS", cluster.scheduler_address)
        assert retrain(calm_data)["release"] == retrained.result["release"]
        ran = cluster.scheduler.cumulative_worker_metrics
    assert any("execute" in key for key in ran)


def test_the_flow_keeps_evidence_under_the_name_of_the_release(retrained: Retraining) -> None:
    kept = retrained.home.runs / retrained.result["release"]
    assert {path.name for path in kept.iterdir()} == {"evaluation", "quarantine"}
    assert read_json(kept / "evaluation" / "guardrails.json")["guardrails"] == retrained.result["guardrails"]
    assert list((retrained.home.root / "work").iterdir()) == []


def test_a_reviewer_finds_the_candidate(retrained: Retraining) -> None:
    (case,) = Review(retrained.home, retrained.settings, retrained.registry).list_candidates()
    assert case.version.release == retrained.result["release"]
    assert "insufficient evidence" in case.missing, "a cohort this small cannot be approved"


def test_prefect_shows_the_run_and_its_verdict(prefect_api: str, retrained: Retraining, calm_file: Path) -> None:
    runs = httpx.post(f"{prefect_api}/flow_runs/filter", json={}, trust_env=False).json()
    assert (f"retrain {calm_file}", "Completed") in {(run["name"], run["state_name"]) for run in runs}
    shown = httpx.post(f"{prefect_api}/artifacts/latest/filter", json={}, trust_env=False).json()
    text_of = {artifact["key"]: artifact["data"] for artifact in shown}
    assert text_of["verdict"].startswith(f"# {retrained.result['release']}: insufficient evidence")
    assert "| G501 |" in text_of["verdict"]
    assert Path(retrained.result["dossier"]).as_uri() in text_of["dossier"]


def test_the_store_and_the_tables_of_the_same_patients_give_the_same_release(
    retrain: Retrain, retrained: Retraining, settings: Settings, calm: Therapy, calm_data: Path
) -> None:
    from serving.store import Store

    with closing(Store.open(settings.store_url, calm)) as store:
        store.load(Tables.read(calm_data, calm))
    assert retrain(None)["release"] == retrained.result["release"]


def test_the_same_data_again_give_the_same_release_and_version(
    retrained: Retraining, calm_file: Path, calm_data: Path
) -> None:
    from flows.retrain import retrain as flow

    assert flow(str(calm_file), str(calm_data), str(retrained.home.root)) == retrained.result
    candidate = retrained.registry.candidate("calm")
    assert candidate
    assert (candidate.release, candidate.version) == (retrained.result["release"], "1")


def early_feedback(sessions: pl.DataFrame) -> pl.DataFrame:
    return sessions.with_columns(feedback_at=pl.col("decided_at").dt.offset_by("-1h"))


def two_patients(users: pl.DataFrame) -> pl.DataFrame:
    return users.head(2)


BAD_DATA = {
    "feedback before its decision": (
        "sessions",
        early_feedback,
        r"V108 sessions(.|\n)*V701 sessions\.parquet, feedback_at.*calm-000-0",
    ),
    "a wrong dtype": (
        "sessions",
        lambda table: table.with_columns(score="content_id"),
        r"V103 sessions\.parquet, score",
    ),
    "a missing column": ("users", lambda table: table.drop("age"), r"V101 users\.parquet, age"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_stop_the_flow_and_nothing_of_it_is_seen(
    retrain: Retrain, registry: Registry, calm_data: Path, tmp_path: Path, kind: str
) -> None:
    name, change, message = BAD_DATA[kind]
    changed = change(pl.read_parquet(calm_data / f"{name}.parquet"))
    with pytest.raises(DataInvalid, match=message):
        retrain(with_table(calm_data, tmp_path / "data", name, changed))
    assert_nothing_is_seen(tmp_path / "home", registry)


def test_too_few_patients_stop_the_flow_and_nothing_of_it_is_seen(
    retrain: Retrain, registry: Registry, calm: Therapy, calm_data: Path, tmp_path: Path
) -> None:
    Tables.read(calm_data, calm).of_users(["calm-000", "calm-001"]).write(tmp_path / "data")
    with pytest.raises(TooSmall, match="too small to split"):
        retrain(tmp_path / "data")
    with pytest.raises(TableError, match="no such folder"):
        retrain(tmp_path / "nowhere")
    assert_nothing_is_seen(tmp_path / "home", registry)


def assert_nothing_is_seen(home: Path, registry: Registry) -> None:
    from mlflow import MlflowClient

    assert registry.therapies() == []
    assert not (home / "runs").exists()
    assert list((home / "work").iterdir()) == []
    assert not list(home.rglob("*.partial"))
    assert MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}").get_experiment_by_name("posology/calm") is None


@pytest.fixture
def by_schedule(prefect_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows of this process take themselves for runs of a deployment."""
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "a-deployment")


@pytest.mark.usefixtures("by_schedule")
def test_a_scheduled_run_that_comes_hours_late_is_left_to_the_next(
    retrain: Retrain, registry: Registry, calm_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.runtime import flow_run

    monkeypatch.setitem(flow_run.FIELDS, "scheduled_start_time", lambda: datetime.now(UTC) - timedelta(hours=7))
    assert retrain(calm_data) is None
    assert registry.therapies() == []


@pytest.mark.usefixtures("by_schedule")
def test_a_scheduled_run_that_finds_another_at_work_is_left_to_the_next(
    retrain: Retrain, home: Home, registry: Registry, calm_data: Path
) -> None:
    with home.lock("retrain-calm"):
        assert retrain(calm_data) is None
    assert registry.therapies() == []


@pytest.mark.parametrize(("error", "tries"), [(TooSmall("two patients"), 1), (ConnectionError("the network"), 2)])
def test_only_what_may_go_better_next_time_is_tried_again(
    prefect_api: str, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    from prefect import flow

    from flows import tasks

    monkeypatch.setattr(tasks, "RETRY_SECONDS", 0)
    tried = []

    def fail() -> None:
        tried.append(1)
        raise error

    reach_outside = tasks.step("Reach outside", fail, retries=1)

    @flow(name="fail")
    def failing() -> None:
        reach_outside()

    with pytest.raises(type(error)):
        failing()
    assert len(tried) == tries
