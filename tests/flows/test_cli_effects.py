"""``posology effects`` tells effects in a table and in JSON, and what is missing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from posology.simulators import simulate
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("effects") / "data"
    simulate(load_therapy("tinnitus"), patients=40, seed=9).write(folder)
    return folder


def test_it_tells_effects_as_json(data: Path) -> None:
    result = CliRunner().invoke(app, ["effects", "tinnitus", "--data", str(data), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [each["target"] for each in told["effects"]] == ["feedback", "status"]
    first = told["effects"][0]["effects"][0]
    assert first["low_of_all"] <= first["low"] <= first["value"] <= first["high"] <= first["high_of_all"]
    assert {each["strength"] for each in told["effects"][0]["sensitivities"]} <= {"by design", "weak"}


def test_it_tells_effects_in_tables(data: Path) -> None:
    result = CliRunner().invoke(app, ["effects", "tinnitus", "--data", str(data)])
    assert result.exit_code == 0, result.output
    assert "Effect on F, against" in result.stdout
    assert "What it would take to turn the order" in result.stdout
