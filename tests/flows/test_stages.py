"""Each stage reads what earlier ones left and writes its part whole or not at all."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

from flows.evaluation.report import Origin
from flows.params import Params, read_params
from flows.stages import STAGES
from flows.stages.evaluate import evaluate
from flows.stages.featurize import featurize
from flows.stages.release import release
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.stages.validate import validate
from flows.workspace import Workspace, read_json
from models.release import Release
from posology.digests import digest_of_file, digest_of_folder
from posology.errors import CannotDo, DataInvalid, TableError, TherapyError, TooSmall
from posology.tables import NAMES, read_raw
from posology.therapy_file import load_therapy

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = Origin("0" * 32, Path("data"), "c" * 40, "Author", "dvc repro")


def dvc_stages() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def run_all(workspace: Workspace, params: Params, therapy: Path, data: Path) -> None:
    snapshot(workspace, therapy, data)
    validate(workspace)
    featurize(workspace, params)
    train_feedback(workspace, params)
    train_status(workspace, params)
    train_policy(workspace, params)
    evaluate(workspace, params, ORIGIN)
    release(workspace)


def replaced(data: Path, folder: Path, **tables: pl.DataFrame | None) -> Path:
    """A copy of the data with other tables; None takes one away."""
    folder.mkdir()
    for name in NAMES:
        table = tables.get(name, pl.read_parquet(data / f"{name}.parquet"))
        if table is not None:
            table.write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def params() -> Params:
    return read_params()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, params: Params, calm_file: Path, calm_data: Path) -> Workspace:
    """A workspace in which all stages have run."""
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    run_all(workspace, params, calm_file, calm_data)
    return workspace


def test_dvc_and_the_list_name_the_same_stages_in_the_same_order() -> None:
    assert tuple(dvc_stages()) == ("simulate", *STAGES)
    assert [stage["cmd"] for stage in dvc_stages().values()] == [
        f"python -m flows.stages {name}" for name in dvc_stages()
    ]


def test_dvc_watches_files_and_parameters_that_exist() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    made = {out for stage in dvc_stages().values() for out in stage["outs"]}
    for stage in dvc_stages().values():
        for dependency in stage["deps"]:
            place = dependency.replace("${therapy}", params["therapy"])
            assert dependency in made or (ROOT / place).exists(), dependency
        for name in stage.get("params", []):
            assert params[name.partition(".")[0]]


def test_every_stage_depends_on_what_the_stages_before_it_wrote() -> None:
    """Else DVC could run it before its input is there."""
    reads = {
        "validate": {"snapshot"},
        "featurize": {"snapshot", "validation"},
        "train-feedback": {"snapshot", "features"},
        "train-status": {"snapshot", "features"},
        "train-policy": {"snapshot", "validation", "features", "training-feedback", "training-status"},
        "evaluate": {
            "snapshot",
            "validation",
            "features",
            "training-feedback",
            "training-status",
            "training-policy",
        },
        "release": {"candidate", "evaluation"},
    }
    for name, folders in reads.items():
        assert {f"workspace/{folder}" for folder in folders} <= set(dvc_stages()[name]["deps"])


def test_the_stages_make_a_release_that_loads(whole: Workspace) -> None:
    made = Release.load(whole.release)
    assert made.name == read_json(whole.release / "guardrails.json")["release"]
    assert made.feedback
    assert made.status is None
    assert {"dossier.html", "golden.json", "guardrails.json", "metrics.json"} <= {
        f.name for f in whole.release.iterdir()
    }


def test_the_same_data_give_the_same_bytes(
    whole: Workspace, params: Params, calm_file: Path, calm_data: Path, tmp_path: Path
) -> None:
    again = Workspace(tmp_path)
    run_all(again, params, calm_file, calm_data)
    for part in ("snapshot", "features", "training-feedback", "evaluation", "release"):
        assert digest_of_folder(again.root / part) == digest_of_folder(whole.root / part), part


def test_a_stage_that_runs_again_replaces_what_it_wrote(whole: Workspace, params: Params) -> None:
    before = digest_of_folder(whole.release)
    (whole.features / "stray.txt").touch()
    featurize(whole, params)
    assert not (whole.features / "stray.txt").exists()
    release(whole)
    assert digest_of_folder(whole.release) == before


def test_a_snapshot_keeps_every_row_and_says_what_it_holds(whole: Workspace, calm_data: Path) -> None:
    manifest = read_json(whole.snapshot / "manifest.json")
    tables = whole.snapshot / "tables"
    assert manifest["rows"] == {"users": 40, "measurements": 0, "contents": 2, "sessions": 320}
    assert manifest["sha256"] == {name: digest_of_file(tables / f"{name}.parquet") for name in NAMES}
    for name in NAMES:
        assert_frame_equal(pl.read_parquet(tables / f"{name}.parquet"), pl.read_parquet(calm_data / f"{name}.parquet"))
    first = pl.read_parquet(calm_data / "users.parquet")["enrolled_at"].min()
    last = pl.read_parquet(calm_data / "sessions.parquet")["feedback_at"].max()
    assert manifest["time_range"] == {"first": first.isoformat(), "last": last.isoformat()}  # type: ignore[union-attr]
    assert manifest["as_of"] is None


def test_the_same_data_in_another_order_are_the_same_snapshot(
    whole: Workspace, calm_file: Path, calm_data: Path, tmp_path: Path
) -> None:
    frames = {name: pl.read_parquet(calm_data / f"{name}.parquet") for name in NAMES}
    mixed = {name: rows.sample(fraction=1, shuffle=True, seed=3)[:, ::-1] for name, rows in frames.items()}
    snapshot(Workspace(tmp_path / "work"), calm_file, replaced(calm_data, tmp_path / "data", **mixed))
    assert digest_of_folder(tmp_path / "work" / "snapshot") == digest_of_folder(whole.snapshot)


def test_a_snapshot_as_of_a_time_does_not_see_what_came_later(calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    then = datetime(2026, 1, 20, tzinfo=UTC)
    early, all_of_it = Workspace(tmp_path / "early"), read_raw(calm_data, load_therapy(calm_file))
    known = {
        "users": all_of_it["users"].filter(pl.col("enrolled_at") <= then),
        "sessions": all_of_it["sessions"].filter(pl.col("decided_at") <= then + timedelta(days=9)),
    }
    snapshot(early, calm_file, replaced(calm_data, tmp_path / "data", **known), then)
    late = Workspace(tmp_path / "late")
    snapshot(late, calm_file, calm_data, then)
    assert digest_of_folder(early.snapshot) == digest_of_folder(late.snapshot)
    manifest = read_json(late.snapshot / "manifest.json")
    assert 0 < manifest["rows"]["sessions"] < 320
    assert manifest["time_range"]["last"] <= manifest["as_of"] == then.isoformat()


def test_a_snapshot_completes_what_the_therapy_has(calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    data = replaced(calm_data, tmp_path / "data", contents=None, measurements=None)
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, data)
    assert read_json(workspace.snapshot / "manifest.json")["rows"]["contents"] == 2


def test_a_snapshot_that_cannot_be_taken_leaves_nothing(calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "work")
    no_users = replaced(calm_data, tmp_path / "data", users=None)
    with pytest.raises(TableError, match=r"users\.parquet: missing; expected a Parquet file with user_id"):
        snapshot(workspace, calm_file, no_users)
    with pytest.raises(TableError, match="no such folder"):
        snapshot(workspace, calm_file, tmp_path / "nowhere")
    with pytest.raises(TherapyError, match="no therapy 'nobody'"):
        snapshot(workspace, "nobody", calm_data)
    assert not workspace.root.exists()


def test_bad_rows_go_to_quarantine_and_the_rest_goes_on(calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    sessions = pl.read_parquet(calm_data / "sessions.parquet")
    early = pl.when(pl.int_range(pl.len()) < 2).then(pl.col("decided_at").dt.offset_by("-1h"))
    data = replaced(
        calm_data,
        tmp_path / "data",
        sessions=sessions.with_columns(feedback_at=early.otherwise("feedback_at")),
    )
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, data)
    validate(workspace)
    report = read_json(workspace.validation / "validation.json")
    (failure,) = report["failed"]
    assert (failure["code"], failure["table"], failure["rows"]) == ("V701", "sessions", 2)
    assert report["rows"]["sessions"] == {"in": 320, "quarantined": 2}
    assert pl.read_parquet(workspace.validation / "quarantine" / "sessions.parquet").height == 2
    assert workspace.accepted(workspace.therapy()).sessions.height == 318


def test_data_that_stop_the_run_leave_no_validation(calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    sessions = pl.read_parquet(calm_data / "sessions.parquet")
    half = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit(-1.0)).otherwise("score")
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, replaced(calm_data, tmp_path / "data", sessions=sessions.with_columns(score=half)))
    with pytest.raises(DataInvalid) as refusal:
        validate(workspace)
    said = str(refusal.value)
    assert said.index("V108 sessions.parquet") < said.index("V204 sessions.parquet, score")
    assert "(160 against it: calm-000-0, calm-000-2" in said
    assert not workspace.validation.exists()


def test_a_cohort_too_small_to_split_is_refused(
    calm_file: Path, calm_data: Path, tmp_path: Path, params: Params
) -> None:
    ids = ["calm-000", "calm-001"]
    few = {
        name: pl.read_parquet(calm_data / f"{name}.parquet").filter(pl.col("user_id").is_in(ids))
        for name in ("users", "sessions")
    }
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, replaced(calm_data, tmp_path / "data", **few))
    validate(workspace)
    with pytest.raises(TooSmall, match="a cohort of 2 patients, 2 of them with a known outcome, is too small to split"):
        featurize(workspace, params)
    assert not workspace.features.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"least_patients": 1000}, "patients to fit and .* to calibrate, at least 1000 of each are needed"),
        ({}, "the target never varies"),
    ],
)
def test_a_predictor_that_cannot_be_trained_says_why_and_nothing_stops(
    whole: Workspace, params: Params, tmp_path: Path, change: dict[str, int], reason: str
) -> None:
    feedback = params.training["feedback"].model_copy(update=change)
    harder = params.model_copy(update={"training": {**params.training, "feedback": feedback}})
    workspace = Workspace(tmp_path)
    for part in ("snapshot", "validation", "features"):
        (tmp_path / part).symlink_to(whole.root / part)
    if not change:
        (tmp_path / "features").unlink()
        workspace.features.mkdir()
        table = pl.read_parquet(whole.features / "feedback.parquet").with_columns(target=pl.lit(0.5))
        table.write_parquet(workspace.features / "feedback.parquet")
        (workspace.features / "amounts.json").write_text((whole.features / "amounts.json").read_text())
    train_feedback(workspace, harder)
    train_status(workspace, harder)
    train_policy(workspace, harder)
    chosen = read_json(workspace.training("feedback") / "choice.json")
    assert chosen["chosen"] is None
    assert re.search(reason, chosen["reason"])
    evaluate(workspace, harder, ORIGIN)
    release(workspace)
    found = read_json(workspace.release / "guardrails.json")
    assert found["verdict"] == "insufficient evidence"
    assert chosen["reason"] in (workspace.release / "dossier.html").read_text()
    assert json.loads((workspace.release / "golden.json").read_text()) == []


def test_a_stage_nobody_knows_is_refused(params: Params) -> None:
    from flows.stages.__main__ import run

    with pytest.raises(CannotDo, match=r"no stage 'deploy'; expected one of simulate, snapshot, .*release"):
        run("deploy", params)


@pytest.mark.parametrize("beyond", [2**62, -(2**63) + 5])
def test_a_snapshot_is_taken_whatever_its_times(calm_file: Path, calm_data: Path, tmp_path: Path, beyond: int) -> None:
    shutil.copytree(calm_data, tmp_path / "data")
    sessions = pl.read_parquet(calm_data / "sessions.parquet")
    at = (
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(beyond).cast(pl.Datetime("us", "UTC"))).otherwise("decided_at")
    )
    sessions.with_columns(decided_at=at).write_parquet(tmp_path / "data" / "sessions.parquet")
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, tmp_path / "data")
    assert read_json(workspace.snapshot / "manifest.json")["rows"]["sessions"] == sessions.height
