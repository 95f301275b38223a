"""``posology simulate --like``: patients as those of a log, and what they must not be used for."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from posology.errors import DataInvalid
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log") / "mine"
    simulate(load_therapy("mci"), patients=40, seed=3, weeks=1).tables.write(folder)
    return folder


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in ("simulate", "mci", *words)])


def test_patients_like_a_log_come_with_their_truth_and_their_fidelity(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "like"
    done = run("--like", log, "--patients", 8, "--seed", 2, "--out", out)
    assert done.exit_code == 0
    assert Tables.read(out, load_therapy("mci")).users.height == 8
    assert pl.read_parquet(out / "truth" / "truth.parquet").height > 50
    report = json.loads((out / "fidelity.json").read_text())
    assert report["verdict"] != "trust"  # some thirty patients are too few
    assert "Fidelity: half of the patients teach" in done.stdout
    for warning in report["warnings"]:
        assert warning in done.stderr


def test_programs_get_the_fidelity_in_one_object(log: Path, tmp_path: Path) -> None:
    done = run("--like", log, "--patients", 3, "--out", tmp_path / "like", "--policy", "uniform", "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["rows"]["users"] == 3
    assert said["fidelity"] == json.loads((tmp_path / "like" / "fidelity.json").read_text())
    assert "not to be trusted" in done.stderr


def test_switches_belong_to_mechanisms_and_a_log_that_is_too_small_is_refused(log: Path, tmp_path: Path) -> None:
    refused = run("--like", log, "--drift", 0.5, "--out", tmp_path / "like")
    assert "a log is as it is" in str(refused.exception)
    therapy = load_therapy("mci")
    tables = Tables.read(log, therapy)
    tables.of_users(tables.sessions["user_id"].unique(maintain_order=True)[:3]).write(tmp_path / "few")
    refused = run("--like", tmp_path / "few", "--out", tmp_path / "like")
    assert "5 patients or more, the log has 3" in str(refused.exception)
    assert not (tmp_path / "like").exists()


def test_rows_that_validation_sets_aside_are_not_fitted_to(log: Path, tmp_path: Path) -> None:
    therapy = load_therapy("mci")
    tables = Tables.read(log, therapy)
    row = pl.int_range(pl.len())
    infinite = pl.when(row == 0).then(float("inf")).otherwise(pl.col("score")).alias("score")
    broken = replace(
        tables,
        measurements=tables.measurements.with_columns(infinite),
        users=pl.concat([tables.users, tables.users.head(1)]),
    )
    broken.write(tmp_path / "broken")
    done = run("--like", tmp_path / "broken", "--patients", 3, "--out", tmp_path / "like")
    assert done.exit_code == 0, done.exception
    assert "measurements: 1 of " in done.stderr
    assert "rows are not fitted to" in done.stderr


def test_a_log_whose_table_rule_broke_is_refused(log: Path, tmp_path: Path) -> None:
    therapy = load_therapy("mci")
    tables = Tables.read(log, therapy)
    replace(tables, contents=tables.contents.head(0)).write(tmp_path / "broken")
    refused = run("--like", tmp_path / "broken", "--out", tmp_path / "like")
    assert isinstance(refused.exception, DataInvalid)
    assert "posology validate mci" in str(refused.exception)
    assert not (tmp_path / "like").exists()
