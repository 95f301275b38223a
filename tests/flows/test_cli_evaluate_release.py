"""``posology evaluate`` of releases, by alias, name and folder, where the truth is known."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.app import main
from flows.evaluation.off_policy import JUDGES
from flows.home import Home
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from models.offpolicy import ALL

Evaluate = Callable[..., tuple[int, Any]]
OF_SLOW = 0.02 + 0.96 / (1 + 2.718281828 ** (-0.3 / 0.1))  # the releases by hand predict 0.3 and 0.6


@pytest.fixture
def log(calm_log: Path) -> Path:
    """240 patients who breathe: slow breathing brings 0.3 more than rest."""
    return calm_log


@pytest.fixture
def evaluate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calm_file: Path, home: Home, log: Path
) -> Evaluate:
    """Runs the command; gives its exit status and what it printed, as JSON."""

    def run(*policies: str, data: Path = log, home: Path = home.root, also: tuple[str, ...] = ()) -> tuple[int, Any]:
        named = [word for policy in policies for word in ("--policy", policy)]
        words = ["evaluate", str(calm_file), "--data", str(data), *named, "--home", str(home), "--json", *also]
        monkeypatch.setattr(sys, "argv", ["posology", *words])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), json.loads(said.out) if said.out else said.err

    return run


def true_value(log: Path) -> float:
    """Mean F of giving slow breathing with the releases' probability."""
    sessions = pl.read_parquet(log / "sessions.parquet")
    of = {content: sessions.filter(content_id=content)["score"].mean() / 100 for content in ("rest", "slow")}
    return OF_SLOW * of["slow"] + (1 - OF_SLOW) * of["rest"]


def test_a_release_is_worth_the_same_by_alias_name_and_folder(
    evaluate: Evaluate, candidate: Callable[..., ReleaseVersion], home: Home, log: Path
) -> None:
    release = candidate(1).release
    folder = next(home.runs.glob("release-1-*"))
    status, found = evaluate("logged", "candidate", release, str(folder))
    assert status == 0
    by_policy = {
        name: [each for each in found if each["policy"] == name] for name in ("candidate", release, str(folder))
    }
    values = [[(each["estimator"], each["value"], each["verdict"]) for each in some] for some in by_policy.values()]
    assert values[0] == values[1] == values[2]
    assert [estimator for estimator, _, _ in values[0]] == list(JUDGES)
    for each in by_policy["candidate"]:
        assert each["verdict"] == "pass"
        assert each["low"] <= true_value(log) <= each["high"]
        assert each["difference"]["low"] > 0.05


def test_a_champion_is_evaluated_once_there_is_one(
    evaluate: Evaluate, candidate: Callable[..., ReleaseVersion], registry: Registry
) -> None:
    version = candidate(1)
    status, said = evaluate("champion")
    assert status == 2
    assert "calm has no champion" in " ".join(said.split())
    _, before = evaluate("candidate")
    registry.make_champion(version)
    assert evaluate("champion") == (0, [{**each, "policy": "champion"} for each in before])


def test_too_few_judged_patients_are_insufficient_evidence_and_told_how_many_more(
    evaluate: Evaluate, candidate: Callable[..., ReleaseVersion], calm_data: Path
) -> None:
    candidate(1)
    status, found = evaluate("candidate", data=calm_data)
    assert status == 1
    assert {each["verdict"] for each in found} == {"insufficient evidence"}
    assert all(each["effective_sample_size"] < 100 and each["more_decisions"] > 0 for each in found)


@pytest.mark.slow
def test_a_release_that_was_retrained_on_the_log_is_evaluated_end_to_end(
    prefect_api: str, evaluate: Evaluate, calm_file: Path, log: Path, tmp_path: Path
) -> None:
    from flows.retrain import retrain

    done = retrain(str(calm_file), str(log), str(tmp_path / "home"))
    assert done
    status, found = evaluate("candidate", done["release"], home=tmp_path / "home", also=("--estimator", "all"))
    assert [each["estimator"] for each in found] == [*ALL, *ALL]
    one_step = {each["estimator"]: each for each in found[: len(ALL)]}
    assert all(one_step[name]["verdict"] == "pass" for name in JUDGES)
    assert one_step["doubly_robust"]["value"] == pytest.approx(true_value(log), abs=0.05)
    assert status == 0


@pytest.mark.slow
def test_the_honesty_test_stands_beside_the_values(
    evaluate: Evaluate, candidate: Callable[..., ReleaseVersion]
) -> None:
    candidate(1)
    _, found = evaluate("candidate", also=("--honesty",))
    assert [each["estimator"] for each in found["values"]] == list(JUDGES)
    tested = {each["estimator"]: each for each in found["honesty"]["estimators"]}
    assert set(tested) == set(JUDGES)
    assert all(abs(each["bias"]) < 0.02 for each in tested.values())
    assert "candidate" in found["honesty"]["policies"]
    assert found["honesty"]["fidelity"]["verdict"] in {"trust", "do not trust", "insufficient evidence"}
