"""Feature tables are the same bytes whatever the blocks were and whoever folded them."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from PIL import Image

from flows.evaluation.candidate import Candidate
from flows.params import Params, read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.workspace import Workspace, read_json
from models import prior_fitting
from models.contents import ContentArrays
from models.features import Features
from models.split import split
from models.targets import target_rows, targets_of
from posology.digests import digest_of_folder
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy import UTC_TIME
from posology.therapy_file import find_therapy, load_therapy

PATIENTS = 24


@pytest.fixture(scope="module")
def params() -> Params:
    return read_params()


@pytest.fixture(scope="module")
def cohort() -> Tables:
    return simulate(load_therapy("mci"), patients=PATIENTS, seed=5).tables


@pytest.fixture
def accepted(tmp_path: Path) -> Callable[[Tables], Workspace]:
    """Makes a workspace in which these tables were accepted."""

    def make(tables: Tables) -> Workspace:
        workspace = Workspace(tmp_path / "work")
        workspace.snapshot.mkdir(parents=True)
        shutil.copyfile(find_therapy("mci"), workspace.snapshot / "therapy.yaml")
        tables.write(workspace.validation / "accepted")
        return workspace

    return make


@pytest.fixture
def enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if so few patients were enough to learn a prior from."""
    monkeypatch.setattr(prior_fitting, "LEAST_PATIENTS", 3)


@pytest.mark.usefixtures("enough")
def test_the_blocks_and_who_folds_them_change_no_byte(accepted, cohort, params):
    workspace, digests = accepted(cohort), set()
    for patients_per_block in (1, 7, PATIENTS + 1):
        featurize(workspace, params, patients_per_block=patients_per_block)
        digests.add(digest_of_folder(workspace.features))
    with ThreadPoolExecutor(2) as threads:
        featurize(workspace, params, threads.map, patients_per_block=5)
    assert {digest_of_folder(workspace.features)} == digests
    assert (workspace.features / "prior").is_dir()


@pytest.mark.usefixtures("enough")
def test_blocks_make_what_all_patients_at_once_make_by_what_was_learnt(accepted, cohort, params):
    workspace, therapy = accepted(cohort), load_therapy("mci")
    featurize(workspace, params, patients_per_block=5)
    features = Candidate.of(workspace, params).learnt.features(therapy, cohort.contents)
    assert features.prior
    for target in targets_of(therapy):
        rows = split(target_rows(therapy, cohort, target), past_share=params.split.past_share)
        found = pl.read_parquet(workspace.features / f"{target}.parquet")
        assert found.select("user_id", "decision_id", "part", "target").equals(
            rows.select("user_id", "decision_id", "part", "target")
        )
        matrix = features.of_given(cohort, rows["session"].to_numpy())
        assert np.array_equal(found.select(features.names).to_numpy(), matrix, equal_nan=True)


def test_a_course_of_fifty_thousand_sessions_is_folded_like_any_other(accepted, cohort, params):
    n, sessions = 50_000, cohort.sessions
    many = sessions[np.arange(n) % 40].with_columns(
        user_id=pl.lit(cohort.users["user_id"][0]),
        decision_id=pl.format("many-{}", pl.int_range(n).cast(pl.String).str.zfill(6)),
        decided_at=(sessions["decided_at"][0] + pl.duration(seconds=pl.int_range(n) * 60)).cast(UTC_TIME),
        feedback_at=(sessions["decided_at"][0] + pl.duration(days=1, seconds=pl.int_range(n) * 59)).cast(UTC_TIME),
    )
    therapy = load_therapy("mci")
    tables = Tables.conform(
        therapy, {**{name: getattr(cohort, name) for name in ("users", "measurements", "contents")}, "sessions": many}
    )
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    matrix = features.of_given(tables, np.arange(n))
    assert np.array_equal(matrix[:, features.names.index("given")], np.arange(n))


def test_pictures_beside_the_tables_travel_with_the_snapshot_and_become_features(cohort, params, tmp_path):
    therapy = yaml.safe_load(find_therapy("mci").read_text())
    therapy["user"]["garden"] = {"kind": "image", "encode": True}
    (tmp_path / "gardens.yaml").write_text(yaml.safe_dump({**therapy, "name": "gardens"}))
    data, rng = tmp_path / "data", np.random.default_rng(5)
    names = [f"{number % 7}/garden-{number}.png" for number in range(PATIENTS)]
    garden = pl.Series([*names[:-2], "../secret.png", None])
    tables = replace(cohort, users=cohort.users.with_columns(garden=garden))
    tables.write(data)
    for name in (*names[:-2], "nobody-s.png", "../secret.png"):
        file = data / "files" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(file)
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, tmp_path / "gardens.yaml", data)
    copied = {path.relative_to(workspace.files).as_posix() for path in workspace.files.rglob("*.png")}
    assert copied == set(names[:-2])
    assert "files" in read_json(workspace.snapshot / "manifest.json")
    shutil.copytree(workspace.snapshot / "tables", workspace.validation / "accepted")
    featurize(workspace, params)
    found = pl.read_parquet(workspace.features / "feedback.parquet")
    is_missing = found["garden:1"].is_nan()
    assert set(found.filter(is_missing)["user_id"]) <= set(cohort.users["user_id"][-2:])
    assert not found.filter(~is_missing).is_empty()


@pytest.mark.slow
def test_a_dask_cluster_through_prefect_makes_the_same_bytes(accepted, cohort, params, prefect_api):
    from distributed import LocalCluster
    from prefect import flow

    from flows.cluster import each_block

    workspace = accepted(cohort)
    featurize(workspace, params)
    here = digest_of_folder(workspace.features)
    shutil.rmtree(workspace.features)

    @flow
    def on_dask(address: str) -> None:
        with each_block(address, workspace.root) as each:
            featurize(workspace, params, each, patients_per_block=6)

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        on_dask(cluster.scheduler_address)
    assert digest_of_folder(workspace.features) == here
    assert not list(workspace.root.glob(".blocks-*"))
