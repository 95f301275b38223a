"""``posology snapshot``: taken, listed, shown, verified, pushed and pulled by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli.app import app
from posology.errors import CannotDo, NotFound, SettingsError

Posology = Callable[..., Result]


@pytest.fixture
def posology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Posology:
    """Runs a command in a home of its own, with a folder as remote."""
    monkeypatch.setenv("POSOLOGY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("POSOLOGY_SNAPSHOT_REMOTE", str(tmp_path / "remote"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def content(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_from_one_home_to_another(posology: Posology, calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    taken = content(posology("snapshot", "take", calm_file, "--data", calm_data, "--json"))
    early = content(
        posology("snapshot", "take", calm_file, "--data", calm_data, "--as-of", "2026-01-20T01:00+01:00", "--json")
    )
    assert (taken["parent"], early["parent"]) == (None, taken["id"])
    assert (taken["as_of"], early["as_of"]) == (None, "2026-01-20T00:00:00+00:00")
    assert early["rows"]["sessions"] < taken["rows"]["sessions"] == 320
    listed = content(posology("snapshot", "list", calm_file, "--json"))
    assert [one["id"] for one in listed] == [taken["id"], early["id"]]
    assert content(posology("snapshot", "push", calm_file, early["id"], "--json")) == {"pushed": [early["id"]]}

    there = ("--home", tmp_path / "there", "--json")
    assert [one["id"] for one in content(posology("snapshot", "list", calm_file, "--remote", *there))] == [early["id"]]
    assert content(posology("snapshot", "pull", calm_file, *there)) == {"pulled": [early["id"]]}
    shown = content(posology("snapshot", "show", early["id"], *there))
    assert {**shown, "folder": ""} == {**early, "folder": ""}
    whole = [{"id": early["id"], "whole": True, "damaged": []}]
    assert content(posology("snapshot", "verify", calm_file, *there)) == whole

    users = Path(shown["folder"]) / "tables" / "users.parquet"
    users.chmod(0o644)
    users.write_bytes(b"other")
    verified = posology("snapshot", "verify", calm_file, *there)
    assert verified.exit_code == 1
    assert json.loads(verified.stdout)[0]["damaged"] == ["tables/users.parquet"]
    refused = posology("retrain", calm_file, "--snapshot", early["id"], "--home", tmp_path / "there")
    assert isinstance(refused.exception, CannotDo)
    assert f"posology snapshot pull calm {early['id']}" in str(refused.exception)


def test_people_read_tables(posology: Posology, calm_file: Path, calm_data: Path) -> None:
    said = posology("snapshot", "take", calm_file, "--data", calm_data).stdout
    name = said.split()[1]
    assert f"posology retrain {calm_file} --snapshot {name}" in said.replace("\n", "")
    assert name in posology("snapshot", "list", calm_file).stdout
    assert "it is the first" in posology("snapshot", "show", name).stdout
    assert "whole" in posology("snapshot", "verify", calm_file).stdout
    assert posology("snapshot", "push", calm_file).stdout == f"Pushed: {name}.\n"
    assert posology("snapshot", "push", calm_file).stdout == "Nothing to be pushed: all of it is there.\n"


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("snapshot", "show", "0123456789ab"), NotFound, "no snapshot 0123456789ab in this home"),
        (("snapshot", "pull", "mci", "0123456789ab"), NotFound, "no snapshot 0123456789ab of mci in the remote"),
        (("snapshot", "take", "mci", "--as-of", "2126-01-01"), CannotDo, "expected a time at least a minute ago"),
        (("retrain", "mci", "--snapshot", "0123456789ab"), NotFound, "no snapshot 0123456789ab"),
        (("retrain", "mci", "--snapshot", "0123456789ab", "--data", "."), CannotDo, "expected one of them"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said(
    posology: Posology, words: tuple[str, ...], error: type[Exception], said: str
) -> None:
    result = posology(*words)
    assert isinstance(result.exception, error)
    assert said in str(result.exception)


def test_without_a_remote_the_setting_is_named(posology: Posology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSOLOGY_SNAPSHOT_REMOTE")
    for command in ("push", "pull"):
        result = posology("snapshot", command, "mci")
        assert isinstance(result.exception, SettingsError)
        assert "set POSOLOGY_SNAPSHOT_REMOTE" in str(result.exception)


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_a_time_that_is_none_is_refused(posology: Posology, time: str) -> None:
    result = posology("snapshot", "take", "mci", "--as-of", time)
    assert result.exit_code == 2
    assert "expected a time such as" in result.stderr
