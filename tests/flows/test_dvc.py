"""``dvc repro`` runs the stages as commands and comes to the same release as the flow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows.quiet import quiet_environment
from flows.settings import Settings
from flows.workspace import read_json
from models.release import Release

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("posology", "models", "expectations", "serving", "flows", "therapies")


def dvc(checkout: Path, *words: str) -> str:
    """What DVC says; with this Python first in the path, as an active environment has it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", *words]
    environment = {**quiet_environment(), "PATH": path}
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def change(file: Path, **entries: object) -> None:
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **entries}))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, calm_file: Path, calm_data: Path) -> Path:
    """A copy of this checkout set to data of one's own, as the head of dvc.yaml tells to, and reproduced."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copyfile(ROOT / name, copy / name)
    (copy / ".dvc").mkdir()
    (copy / ".dvc" / "config").write_text((ROOT / ".dvc" / "config").read_text() + "    no_scm = true\n")
    shutil.copyfile(calm_file, copy / "therapies" / "calm.yaml")
    shutil.copytree(calm_data, copy / "data" / "calm")
    stages = yaml.safe_load((copy / "dvc.yaml").read_text())["stages"]
    change(copy / "dvc.yaml", stages={name: stage for name, stage in stages.items() if name != "simulate"})
    change(copy / "params.yaml", therapy="calm", data="data/calm")
    dvc(copy, "repro")
    return copy


def test_it_makes_the_release_that_the_flow_makes(
    checkout: Path, prefect_api: str, calm_file: Path, calm_data: Path, tmp_path: Path
) -> None:
    from flows.retrain import retrain

    made = Release.load(checkout / "workspace" / "release")
    settings = Settings.read(tmp_path / "home")
    result = retrain(str(calm_file), str(calm_data), str(settings.home))
    assert result
    assert made.name == result["release"]
    found = read_json(checkout / "workspace" / "release" / "guardrails.json")
    assert found["guardrails"] == result["guardrails"]


def test_its_lock_names_the_snapshot_that_the_dossier_names(checkout: Path) -> None:
    (out,) = yaml.safe_load((checkout / "dvc.lock").read_text())["stages"]["snapshot"]["outs"]
    assert out["md5"] in (checkout / "workspace" / "release" / "dossier.html").read_text()


def test_again_it_has_nothing_to_do(checkout: Path) -> None:
    assert "up to date" in dvc(checkout, "repro")


def test_a_threshold_changed_judges_again_and_trains_nothing(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    guardrails = yaml.safe_load(before)["guardrails"]
    change(checkout / "params.yaml", guardrails={**guardrails, "G201": {**guardrails["G201"], "margin": 0.04}})
    said = dvc(checkout, "repro", "--dry")
    (checkout / "params.yaml").write_text(before)
    assert "Running stage 'evaluate'" in said
    assert "Running stage 'train" not in said


def test_simulating_writes_the_cohort_that_params_asks_for(checkout: Path) -> None:
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    change(checkout / "params.yaml", therapy="mci", data="data/mci", simulation={"patients": 5, "seed": 1})
    command = [sys.executable, "-m", "flows.stages", "simulate"]
    subprocess.run(command, cwd=checkout, env=quiet_environment(), check=True)
    (checkout / "params.yaml").write_text(yaml.safe_dump(params))
    assert {path.name for path in (checkout / "data" / "mci").iterdir()} == {
        *(f"{name}.parquet" for name in ("users", "measurements", "contents", "sessions")),
        "truth",
    }


def test_a_stage_that_refuses_says_why_without_a_traceback(checkout: Path) -> None:
    command = [sys.executable, "-m", "flows.stages", "deploy"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("no stage 'deploy'; expected one of simulate, snapshot")
