"""Tuning and a warm start as a retraining does them: in the stage, the dossier, MLflow and the command line."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.evaluation.candidate import Candidate
from flows.evaluation.learning import learnt_lines, tuning_figures
from flows.home import Home
from flows.params import Params, read_params
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.settings import Settings
from flows.snapshots import Snapshot, keep_snapshot
from flows.stages import train as stage
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback
from flows.tracking import _began_with
from flows.trials_tracking import log_trials
from flows.warm_start import find_release
from flows.workspace import Workspace, read_json
from models.predictors.catboost import CatBoost
from models.predictors.predictor import Predictor, fit_predictor, predictor_digest
from models.predictors.rows import Rows
from models.release import Release, save_release
from models.split import SHARES
from posology.errors import CannotDo, NotFound
from posology.tables import catalogue_of
from posology.therapy import Therapy

TRIALS = 3
NAMES = ("content", "a", "b", "c")


def feature_table(patients: int, seed: int) -> pl.DataFrame:
    """Four rows a patient; what F comes to depends on whether two features agree in sign."""
    rng = np.random.default_rng(seed)
    n = patients * 4
    features = np.column_stack([rng.integers(0, 2, n), rng.normal(size=(n, 3))])
    target = np.clip(0.5 + 0.3 * np.sign(features[:, 1] * features[:, 2]) + 0.05 * rng.normal(size=n), 0, 1)
    user = np.repeat([f"p-{number:03d}" for number in range(patients)], 4)
    parts = np.repeat(rng.choice([part for part, _ in SHARES], patients, p=[share for _, share in SHARES]), 4)
    meta = {"user_id": user, "decision_id": [f"d-{row}" for row in range(n)], "content_id": ["rest"] * n}
    columns = {name: features[:, column] for column, name in enumerate(NAMES)}
    return pl.DataFrame({**meta, "part": parts, "target": target, **columns})


def workspace_of(folder: Path, therapy_file: Path, therapy: Therapy, table: pl.DataFrame) -> Workspace:
    workspace = Workspace(folder)
    for needed in (workspace.snapshot, workspace.features, workspace.validation / "accepted"):
        needed.mkdir(parents=True)
    shutil.copyfile(therapy_file, workspace.snapshot / "therapy.yaml")
    table.write_parquet(workspace.features / "feedback.parquet")
    catalogue_of(therapy).write_parquet(workspace.validation / "accepted" / "contents.parquet")
    return workspace


@pytest.fixture(scope="module")
def params() -> Params:
    shipped = read_params()
    quick = {"iterations": 50, "depth": 2, "threads": 1, "kinds": ("catboost",)}
    feedback = shipped.training["feedback"].model_copy(update=quick)
    search = {"catboost": {"depth": shipped.tuning.search["catboost"]["depth"]}}
    tuning = dataclasses.replace(shipped.tuning, search=search, folds=2)
    return shipped.model_copy(update={"training": {**shipped.training, "feedback": feedback}, "tuning": tuning})


@pytest.fixture(scope="module")
def new_workspace(tmp_path_factory: pytest.TempPathFactory, calm_file: Path, calm: Therapy) -> Any:
    """Makes a workspace as featurize leaves it, each time the same."""
    return lambda: workspace_of(tmp_path_factory.mktemp("work"), calm_file, calm, feature_table(100, 1))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, calm: Therapy) -> Path:
    """A release of a therapy like this one, that learnt from many."""
    table = feature_table(400, 2)
    fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
    options = read_params().training["feedback"].model_dump() | {"iterations": 100, "threads": 1}
    predictor = fit_predictor(CatBoost, "feedback", fit, calibrate, options=options, bounds=(0.0, 1.0))
    folder = tmp_path_factory.mktemp("releases") / "source"
    save_release(
        folder, therapy=calm, contents=catalogue_of(calm), predictors={"feedback": predictor}, envelope={"number": 1}
    )
    return folder


@pytest.fixture(scope="module")
def learnt(new_workspace: Any, params: Params, source: Path) -> Candidate:
    """Tuned, and begun with the source where that is sure to help."""
    workspace, asked = new_workspace(), params.with_trials(TRIALS)
    train_feedback(workspace, asked, source)
    return Candidate.of(workspace, asked)


def test_without_trials_and_source_the_bytes_are_those_of_a_plain_fit(
    new_workspace: Any, params: Params, tmp_path: Path
) -> None:
    workspace = new_workspace()
    train_feedback(workspace, params)
    written = workspace.training("feedback")
    assert {path.name for path in written.iterdir()} == {"catboost", "choice.json"}
    assert set(read_json(written / "choice.json")) == {"chosen", "calibration_loss"}
    table = feature_table(100, 1)
    fit, calibrate = Rows.of(table, "fit"), Rows.of(table, "calibrate")
    options = params.training["feedback"].model_dump()
    plain = fit_predictor(CatBoost, "feedback", fit, calibrate, options=options, bounds=(0.0, 1.0))
    plain.save(tmp_path / "catboost")
    assert predictor_digest(tmp_path / "catboost") == predictor_digest(written / "catboost")


def test_trials_see_fitting_patients_and_nobody_else(
    new_workspace: Any, params: Params, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[float] = set()

    class Spy(CatBoost):
        @classmethod
        def fit_mean(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Any:
            mean = CatBoost.fit_mean(rows, target, options)
            seen.update(rows.column("a"))

            def noting(features: np.ndarray) -> np.ndarray:
                seen.update(features[:, rows.names.index("a")])
                return mean(features)

            return noting

    monkeypatch.setattr(stage, "KINDS", {"catboost": Spy})
    train_feedback(new_workspace(), params.with_trials(2), source)
    table = feature_table(100, 1)
    of_part = {part: set(table.filter(pl.col("part") == part)["a"]) for part, _ in SHARES}
    assert seen == of_part["fit"]
    assert not seen & (of_part["calibrate"] | of_part["judge"])


def test_the_same_features_give_the_same_predictors_and_choice(
    learnt: Candidate, new_workspace: Any, params: Params, source: Path
) -> None:
    again = new_workspace()
    train_feedback(again, params.with_trials(TRIALS), source)
    one, two = learnt.workspace.training("feedback"), again.training("feedback")
    assert read_json(one / "choice.json") == read_json(two / "choice.json")
    assert predictor_digest(one / "catboost") == predictor_digest(two / "catboost")


def test_a_source_that_helps_is_begun_with_and_named(learnt: Candidate, source: Path) -> None:
    transfer = learnt.decision("feedback")["transfer"]
    released = Release.load(source)
    assert transfer["source"] == {"release": released.name, "digest": released.digest}
    assert transfer["kinds"]["catboost"]["passed"]
    saved = learnt.workspace.training("feedback") / "catboost"
    assert read_json(saved / "predictor.json")["kind"] == "warm-started"
    assert Predictor.load(saved).model.kind == "warm-started"
    assert learnt.chosen["feedback"] == "catboost"
    assert _began_with(learnt, "feedback") == {
        "warm_start_release": released.name,
        "warm_start_digest": released.digest,
    }


def test_the_dossier_tells_what_was_tried_and_what_was_taken(learnt: Candidate, source: Path) -> None:
    lines = list(learnt_lines(learnt))
    tuned = next(line for line in lines if line.startswith("Tuning feedback (catboost): 3 trials"))
    taken = learnt.decision("feedback")["tuning"]["catboost"]["taken"]
    assert ("it was taken" if taken else "the defaults were kept") in tuned
    begun = next(line for line in lines if line.startswith("Warm start of feedback (catboost)"))
    assert Release.load(source).digest in begun
    assert "It was taken." in begun
    (figure,) = tuning_figures(learnt, "feedback")
    assert figure.title == "Tuning: feedback, catboost"
    assert figure.alternative.startswith("3 trials: ")


def test_every_trial_is_a_run_in_mlflow(learnt: Candidate, registry: Registry, settings: Settings, home: Home) -> None:
    import mlflow

    mlflow.set_tracking_uri(settings.mlflow_tracking_uri)
    experiment = mlflow.create_experiment("posology/calm", artifact_location=home.artifacts.as_uri())
    with mlflow.start_run(experiment_id=experiment, run_name="train feedback") as parent:

        def nested(name: str) -> Any:
            return mlflow.start_run(experiment_id=experiment, run_name=name, nested=True)

        log_trials(mlflow, nested, learnt.workspace, "feedback")
    written = read_json(learnt.workspace.training("feedback") / "trials.json")["catboost"]
    found = {run.info.run_name: run for run in mlflow.MlflowClient().search_runs([experiment])}
    assert set(found) == {"train feedback", *(f"tune feedback catboost {number}" for number in range(TRIALS))}
    for trial in written:
        run = found[f"tune feedback catboost {trial['number']}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == trial["state"]
        assert run.data.params == {"kind": "catboost", **{name: str(value) for name, value in trial["options"].items()}}
        assert run.data.metrics["loss"] == pytest.approx(trial["loss"])
        assert run.data.metrics["seconds"] >= 0


def test_ranges_are_in_the_envelope_and_what_was_found_is_not(learnt: Candidate, params: Params) -> None:
    envelope = learnt.params.envelope
    assert envelope["tuning"]["search"]["catboost"]["depth"] == {"low": 2, "high": 8, "log": False}
    assert envelope["tuning"]["trials"] == TRIALS
    assert "transfer" not in envelope
    assert params.envelope["tuning"]["trials"] == 0


def test_a_release_to_begin_with_is_found_by_its_folder_or_refused(
    home: Home, settings: Settings, registry: Registry, source: Path, calm_data: Path
) -> None:
    assert find_release(home, settings, str(source), calm_data) == source
    with pytest.raises(NotFound, match="no release 'somewhere' to begin with: expected a release's name"):
        find_release(home, settings, "somewhere", calm_data)
    with pytest.raises(NotFound, match="No release calm-0123456789ab in the registry"):
        find_release(home, settings, "calm-0123456789ab", calm_data)


@pytest.fixture
def kept(home: Home, calm_file: Path, calm_data: Path, tmp_path: Path) -> Snapshot:
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, calm_data)
    return keep_snapshot(workspace.snapshot, home)


def test_a_release_that_learnt_from_these_patients_is_no_beginning(
    kept: Snapshot, settings: Settings, candidate: Callable[..., ReleaseVersion], calm_data: Path, tmp_path: Path
) -> None:
    home = Home.open(settings.home)
    release = candidate(data_version=kept.version).release
    with pytest.raises(CannotDo, match=rf"release {release} learnt from 40 of these patients"):
        find_release(home, settings, release, calm_data)
    others = tmp_path / "others"
    others.mkdir()
    later = pl.read_parquet(calm_data / "users.parquet").with_columns(pl.col("enrolled_at").dt.offset_by("1d"))
    later.write_parquet(others / "users.parquet")
    assert Release.load(find_release(home, settings, release, others)).name == release


def test_the_command_that_gives_the_same_again_says_what_was_asked_for(prefect_api: str) -> None:
    from flows.retrain import Asked

    plain = Asked("calm", None, None, trials=None, warm_start=None)
    assert plain.again("0123") == "posology retrain calm --snapshot 0123"
    asked = Asked("calm", None, None, trials=5, warm_start="mci-0123456789ab")
    assert asked.again("0123") == "posology retrain calm --snapshot 0123 --trials 5 --warm-start mci-0123456789ab"


def times_over(data: Path, folder: Path, times: int) -> None:
    """The cohort so many times, each time other people."""
    folder.mkdir()
    for file in data.glob("*.parquet"):
        table = pl.read_parquet(file)
        ids = [name for name in ("user_id", "decision_id") if name in table.columns]
        copies = [
            table.with_columns(pl.concat_str(pl.lit(f"{folder.name}-{number}-"), name).alias(name) for name in ids)
            for number in range(times if ids else 1)
        ]
        pl.concat(copies).write_parquet(folder / file.name)


@pytest.fixture
def cohorts(calm_data: Path, tmp_path: Path) -> Path:
    """Folder of the cohorts ``many`` and ``few``."""
    for name, times in (("many", 4), ("few", 2)):
        times_over(calm_data, tmp_path / name, times)
    return tmp_path


@pytest.mark.slow
def test_a_retraining_with_trials_and_a_source_says_so_everywhere(
    prefect_api: str, settings: Settings, registry: Registry, calm_file: Path, cohorts: Path
) -> None:
    from mlflow import MlflowClient

    from flows.retrain import retrain

    first = retrain(str(calm_file), str(cohorts / "many"), str(settings.home))
    assert first
    with pytest.raises(CannotDo, match="learnt from"):
        retrain(str(calm_file), str(cohorts / "many"), str(settings.home), warm_start=first["release"])
    second = retrain(str(calm_file), str(cohorts / "few"), str(settings.home), trials=2, warm_start=first["release"])
    assert second
    released = Release.load(registry.download(registry.find(second["release"])))
    assert released.envelope["tuning"]["trials"] == 2
    assert any(line.startswith("Tuning feedback (catboost): 2 trials") for line in second["learnt"])
    assert any(f"from release {first['release']}" in line for line in second["learnt"])
    client = MlflowClient(settings.mlflow_tracking_uri)
    experiment = client.get_experiment_by_name("posology/calm")
    names = {run.info.run_name for run in client.search_runs([experiment.experiment_id])}
    assert {"tune feedback catboost 0", "tune feedback catboost 1"} <= names
    page = Path(second["dossier"]).read_text()
    assert "How it was learnt" in page
    assert "Tuning: feedback, catboost" in page
