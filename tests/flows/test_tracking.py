"""MLflow holds what a release rests on, and its predictors take table rows; no patient's row is in it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.home import Home
from flows.pyfunc_signature import example_rows
from flows.release_version import REQUIRED_TAGS
from flows.settings import Settings
from flows.workspace import read_json
from models.release import Release
from models.table_rows import rows_of
from posology.digests import digest_of_file, digest_of_folder
from posology.errors import TableError
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy_file import load_therapy

TARGETS = ("feedback", "status")


@dataclass(frozen=True)
class Retraining:
    """A real run of the flow: where, on what, and what it gave."""

    home: Home
    settings: Settings
    data: Path
    result: dict[str, Any]


@pytest.fixture(scope="module")
def retrained(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Retraining:
    """One run with both predictors, that all tests here look at."""
    from flows.retrain import retrain

    folder = tmp_path_factory.mktemp("retrained")
    simulate(load_therapy("mci"), patients=150, seed=7).write(folder / "data")
    settings = Settings.read(folder / "home")
    result = retrain("mci", str(folder / "data"), str(settings.home))
    assert result
    return Retraining(Home.open(settings.home), settings, folder / "data", result)


@pytest.fixture(scope="module")
def client(retrained: Retraining) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(retrained.settings.mlflow_tracking_uri)


@pytest.fixture(scope="module")
def runs(client: Any) -> dict[str, Any]:
    experiment = client.get_experiment_by_name("posology/mci")
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture(scope="module")
def release(retrained: Retraining) -> Release:
    return Release.load(Path(retrained.result["dossier"]).parent)


@pytest.fixture(scope="module")
def cohort(retrained: Retraining, release: Release) -> Tables:
    return Tables.read(retrained.data, release.therapy)


@pytest.fixture(scope="module")
def few(cohort: Tables) -> Tables:
    return cohort.of_users(cohort.users["user_id"][:5])


@pytest.fixture(scope="module")
def predictors(retrained: Retraining) -> dict[str, Any]:
    """Target → the registered predictor, loaded as anybody would."""
    import mlflow

    mlflow.set_tracking_uri(retrained.settings.mlflow_tracking_uri)
    return {target: mlflow.pyfunc.load_model(f"models:/mci-{target}/1") for target in TARGETS}


@pytest.mark.parametrize("model", ["mci-feedback", "mci-status", "mci-release"])
def test_every_version_says_what_it_was_made_of(
    client: Any, retrained: Retraining, release: Release, model: str
) -> None:
    (version,) = client.search_model_versions(f"name = '{model}'")
    tags = version.tags
    assert set(REQUIRED_TAGS) <= set(tags)
    assert tags["data_version"] == retrained.result["data_version"]
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", tags["git_commit"])
    assert tags["therapy_digest"] == release.digests["therapy"]
    assert tags["envelope_digest"] == release.digests["envelope"]
    assert tags["verdict"] == retrained.result["verdict"]
    assert tags["completed"] == "true"


def test_a_run_for_the_release_holds_one_for_each_predictor(runs: dict[str, Any], release: Release) -> None:
    whole = runs[f"retrain {release.name}"]
    assert set(runs) == {f"retrain {release.name}", "train feedback", "train status"}
    for target in TARGETS:
        assert runs[f"train {target}"].data.tags["mlflow.parentRunId"] == whole.info.run_id
    for run in runs.values():
        assert (run.info.status, run.data.tags["completed"]) == ("FINISHED", "true")


@pytest.mark.parametrize("target", TARGETS)
def test_a_predictors_run_shows_parameters_and_metrics_beside_every_baseline(runs: dict[str, Any], target: str) -> None:
    data = runs[f"train {target}"].data
    assert data.params["iterations"] == str({"feedback": 300, "status": 200}[target])
    assert data.params["kind"] in ("catboost", "ridge")
    assert {"loss", "r2", "coverage", "width", "patients"} <= set(data.metrics)
    baselines = {name for name in data.metrics if name.startswith("loss_")}
    assert {"loss_mean", "loss_last_value"} <= baselines
    assert all(np.isfinite(value) for value in data.metrics.values())


def test_the_run_of_the_release_shows_the_value_of_the_policy_and_every_threshold(
    runs: dict[str, Any], release: Release
) -> None:
    data = runs[f"retrain {release.name}"].data
    assert 0 < data.metrics["policy.logged"] < 1
    assert {f"{target}.loss" for target in TARGETS} <= set(data.metrics)
    assert data.params["therapy"] == "mci"
    assert not {"data", "simulation.patients"} & set(data.params)  # those are of `dvc repro`
    assert data.params["guardrails.G401.margin"] == "0.02"
    assert data.params["split.past_share"] == "0.6"


def test_every_run_names_the_data_by_their_dvc_version(
    runs: dict[str, Any], client: Any, retrained: Retraining
) -> None:
    version = retrained.result["data_version"]
    (note,) = (retrained.home.snapshots / "mci").glob("[!.]*.dvc")
    assert f"md5: {version}" in note.read_text()
    kept = note.with_suffix("")
    assert_frame_equal(
        pl.read_parquet(kept / "tables" / "users.parquet"), pl.read_parquet(retrained.data / "users.parquet")
    )
    for run in runs.values():
        (found,) = run.inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("mci-sessions", version[:36])
        assert str(kept) in found.dataset.source
    places = [run.info.experiment_id for run in runs.values()][:1]
    assert len(client.search_runs(places, f"dataset.digest = '{version[:36]}'")) == 3


@pytest.mark.parametrize("target", TARGETS)
def test_a_predictors_run_holds_its_plots(runs: dict[str, Any], client: Any, target: str) -> None:
    plots = client.list_artifacts(runs[f"train {target}"].info.run_id, "plots")
    assert len(plots) >= 4
    assert all(plot.path.endswith(".svg") for plot in plots)


def test_the_run_holds_the_release_folder_as_it_was_judged(
    retrained: Retraining, release: Release, runs: dict[str, Any], client: Any
) -> None:
    found = {item.path for item in client.list_artifacts(runs[f"retrain {release.name}"].info.run_id, "release")}
    assert {f"release/{name}" for name in ("release.json", "golden.json", "guardrails.json", "dossier.html")} <= found
    kept = retrained.home.runs / release.name / "evaluation"
    folder = Path(retrained.result["dossier"]).parent
    assert digest_of_file(folder / "golden.json") == digest_of_file(kept / "golden.json")


@pytest.mark.parametrize("target", TARGETS)
def test_a_registered_predictor_predicts_from_table_rows_what_the_release_predicts(
    predictors: dict[str, Any], release: Release, few: Tables, target: str
) -> None:
    found = predictors[target].predict(rows_of(release.therapy, few))
    features = release.features.of_given(few, np.arange(few.sessions.height))
    assert found["decision_id"].tolist() == few.sessions["decision_id"].to_list()
    expected = getattr(release, target).predict(features)
    np.testing.assert_allclose(found[["mean", "low", "high"]].to_numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_its_input_example_is_of_nobody_and_predicts(predictors: dict[str, Any], release: Release, target: str) -> None:
    example = predictors[target].input_example
    assert set(example["user_id"].dropna()) == {"example"}
    assert example["decision_id"].dropna().tolist() == ["example-0", "example-1", "example-2"]
    found = predictors[target].predict(example_rows(release.therapy, release.contents))
    assert found.shape == (3, 4)
    assert np.isfinite(found[["mean", "low", "high"]].to_numpy()).all()
    assert (found["low"] <= found["mean"]).all()
    assert (found["mean"] <= found["high"]).all()


def test_a_row_that_breaks_the_signature_is_refused(predictors: dict[str, Any], release: Release, few: Tables) -> None:
    from mlflow.exceptions import MlflowException

    rows = rows_of(release.therapy, few)
    with pytest.raises(MlflowException, match="age"):
        predictors["feedback"].predict(rows.assign(age="old"))
    with pytest.raises(MlflowException, match="table"):
        predictors["feedback"].predict(rows.drop(columns="table"))
    with pytest.raises(TableError, match=r"sessions\.parquet: missing column rating"):
        predictors["feedback"].predict(rows.drop(columns="rating"))
    fewer = predictors["feedback"].predict(rows.drop(columns=["site", "probability", "release"]))
    pd.testing.assert_frame_equal(fewer, predictors["feedback"].predict(rows))


def test_the_registered_predictor_is_the_releases_own(retrained: Retraining, release: Release, client: Any) -> None:
    for target in TARGETS:
        (version,) = client.search_model_versions(f"name = 'mci-{target}'")
        model = client.get_logged_model(version.source.rpartition("/")[2])
        folder = Path(model.artifact_location.removeprefix("file://"))
        (part,) = folder.rglob(f"artifacts/*/{target}")
        assert digest_of_folder(part) == release.digests[target]


def test_no_patient_is_in_what_was_logged(retrained: Retraining, cohort: Tables) -> None:
    """No id of a patient or a decision, in no file: neither as text nor in a table nor in its name."""
    files = [path for path in retrained.home.artifacts.rglob("*") if path.is_file()]
    assert len(files) > 50
    ids = re.compile(rb"mci-\d{6}")
    assert cohort.users["user_id"].str.contains(ids.pattern.decode()).all()
    for file in files:
        assert not ids.search(file.read_bytes()), file
        assert not ids.search(str(file).encode()), file
        if file.suffix == ".parquet":
            assert pl.read_parquet(file).columns[0] == "content_id", file


def test_the_database_holds_no_patient(retrained: Retraining) -> None:
    for file in retrained.home.mlflow.glob("mlflow.db*"):
        assert not re.search(rb"mci-\d{6}", file.read_bytes())


def test_metrics_are_those_the_guardrails_saw(retrained: Retraining, runs: dict[str, Any]) -> None:
    evaluation = retrained.home.runs / retrained.result["release"] / "evaluation"
    judged = pl.read_parquet(evaluation / "predictions-feedback.parquet")
    error = judged.with_columns(error=(pl.col("predicted") - pl.col("truth")) ** 2)
    loss = error.group_by("user_id").agg(pl.col("error").mean())["error"].mean()
    assert runs["train feedback"].data.metrics["loss"] == pytest.approx(loss)
    assert read_json(evaluation / "metrics.json")["feedback"]["loss"] == pytest.approx(loss)
