"""``posology simulate``: who treats, what is wrong, what is true, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from models.contents import ContentArrays
from models.features import Features
from models.predictors.predictor import Predictor
from models.predictors.ridge import Ridge
from models.release import save_release
from models.targets import Target
from posology.tables import catalogue_of
from posology.therapy_file import load_therapy

Simulate = Callable[..., Any]
SWITCHES = ("confounding", "misleading", "drift", "sites", "transfer")


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Runs the command with a few patients; gives its result and what it wrote."""
    monkeypatch.setenv("POSOLOGY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*words: object, out: str = "data") -> Any:
        few = ("--patients", 6, "--weeks", 1, "--seed", 3, "--out", out)
        return CliRunner().invoke(app, [str(word) for word in ("simulate", "mci", *few, *words)])

    return run


def predictor(target: Target, names: tuple[str, ...], bounds: tuple[float, float]) -> Predictor:
    """Written down, not fitted: likes the last contents best."""
    weights = np.concatenate([np.zeros(len(names)), np.linspace(0, 0.5, 34)])
    model = Ridge(
        names=names,
        centre=np.zeros(len(names)),
        scale=np.ones(len(names)),
        flagged=np.zeros(0, dtype=int),
        n_contents=34,
        weights=weights,
        intercept=0.2,
        tails=(-0.1, 0.1),
    )
    return Predictor(target, model, names, anchor=None, margin=0.0, bounds=bounds, coverage=0.9)


def truth_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "truth" / "summary.json").read_text()))


def test_the_truth_is_said_and_written(simulate: Simulate, tmp_path: Path) -> None:
    done = simulate("--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["truth"] == truth_of(tmp_path / "data")
    assert said["rows"]["users"] == 6
    decisions = pl.read_parquet(tmp_path / "data" / "truth" / "truth.parquet")
    assert decisions["given_feedback"].mean() == pytest.approx(said["truth"]["feedback"]["given"])


def test_people_get_tables(simulate: Simulate) -> None:
    done = simulate()
    assert "mean F: the best content" in done.stdout
    assert "Next: posology retrain mci --data data" in done.stdout


def test_policies_treat_the_same_patients(simulate: Simulate, tmp_path: Path) -> None:
    users = []
    for policy in ("clinician", "uniform", "schedule", "epsilon-greedy", "oracle"):
        assert simulate("--policy", policy, out=policy).exit_code == 0
        users.append(pl.read_parquet(tmp_path / policy / "users.parquet"))
    assert all(each.equals(users[0]) for each in users)
    assert (pl.read_parquet(tmp_path / "schedule" / "sessions.parquet")["probability"] == 1).all()
    best, chance = (truth_of(tmp_path / policy)["feedback"]["given"] for policy in ("oracle", "uniform"))
    assert best > chance


def test_a_release_treats_by_its_folder(simulate: Simulate, tmp_path: Path) -> None:
    mci = load_therapy("mci")
    contents = catalogue_of(mci)
    names = Features(mci, ContentArrays(mci, contents)).names
    predictors = {
        "feedback": predictor("feedback", names, (0.0, 1.0)),
        "status": predictor("status", names, (0.0, 30.0)),
    }
    save_release(tmp_path / "release", therapy=mci, contents=contents, predictors=predictors, envelope={})  # type: ignore[arg-type]
    assert simulate("--policy", "release").exit_code == 0
    given = pl.read_parquet(tmp_path / "data" / "sessions.parquet")["content_id"].value_counts(sort=True)
    assert given["content_id"][0] == "rest"  # the last of them


def test_propensities_are_withheld_from_the_log_alone(simulate: Simulate, tmp_path: Path) -> None:
    assert "posology validate" in simulate("--withhold-propensities").stdout
    assert pl.read_parquet(tmp_path / "data" / "sessions.parquet")["probability"].is_null().all()
    assert pl.read_parquet(tmp_path / "data" / "truth" / "truth.parquet")["probability"].is_not_null().all()


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_has_an_option(switch: str, simulate: Simulate, tmp_path: Path) -> None:
    simulate(out="as-ever")
    assert simulate(f"--{switch}", 1, out="changed").exit_code == 0
    assert truth_of(tmp_path / "changed") != truth_of(tmp_path / "as-ever")


@pytest.mark.parametrize(
    "words",
    [
        ("--patients", 0),
        ("--weeks", 0),
        ("--seed", -1),
        ("--drift", 1.5),
        ("--confounding", -0.1),
        ("--epsilon", 2),
        ("--policy", "the-best"),
        pytest.param(("--policy", "mci-000000000000"), marks=pytest.mark.slow),  # asks the registry
    ],
)
def test_nonsense_is_refused_and_nothing_is_written(
    words: tuple[object, ...], simulate: Simulate, tmp_path: Path
) -> None:
    done = simulate(*words)
    assert done.exit_code != 0
    assert not (tmp_path / "data").exists()
