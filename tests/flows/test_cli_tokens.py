"""``posology token``: who may call the service."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.cli import main
from posology.audit import AuditLog
from serving.access.token_table import TokenTable
from serving.access.tokens import digest_of
from serving.database import open_database

Posology = Callable[..., Any]


@pytest.fixture
def posology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Posology:
    """Runs a command in a home of its own; gives its JSON, or the exit status it failed with."""

    def run(*words: str) -> Any:
        monkeypatch.setattr("sys.argv", ["posology", *words, "--home", str(tmp_path / "home"), "--json"])
        capfd.readouterr()
        try:
            main()
        except SystemExit as end:
            if end.code:
                return end.code
        return json.loads(capfd.readouterr().out)

    return run


def test_a_token_is_shown_once_and_kept_as_a_digest(posology: Posology, tmp_path: Path) -> None:
    made = posology("token", "add", "clinic north", "--scope", "clinician", "--scope", "app", "--days", "90")
    assert made["scopes"] == ["app", "clinician"]
    engine = open_database(f"sqlite:///{tmp_path / 'home' / 'store.db'}")
    assert [token.digest for token in TokenTable(engine).all()] == [digest_of(made["token"].encode())]
    engine.dispose()
    (listed,) = posology("token", "list")
    assert listed == {name: value for name, value in made.items() if name != "token"}
    everything = b"".join(file.read_bytes() for file in (tmp_path / "home").rglob("*") if file.is_file())
    assert made["token"].rpartition("_")[2].encode() not in everything


def test_a_rotation_and_a_revocation_are_kept_in_the_audit_log(posology: Posology, tmp_path: Path) -> None:
    old = posology("token", "add", "clinic", "--scope", "app")
    new = posology("token", "rotate", old["id"], "--overlap-hours", "2")
    assert new["token"] != old["token"]
    assert posology("token", "rotate", old["id"]) == 1
    assert posology("token", "add", "clinic", "--scope", "app", "--days", "0") == 2
    assert posology("token", "revoke", old["id"])["state"] == "ended"
    assert [token["state"] for token in posology("token", "list")] == ["ended", "valid"]
    records = AuditLog(tmp_path / "home" / "audit.jsonl").records()
    assert [(record.kind, record.facts["token"]) for record in records] == [
        ("token.added", old["id"]),
        ("token.rotated", new["id"]),
        ("token.revoked", old["id"]),
    ]


def test_a_token_that_is_not_there_or_makes_no_sense_is_an_error(posology: Posology) -> None:
    assert posology("token", "revoke", "nothing") == 2
    assert posology("token", "add", "clinic") == 2
    assert posology("token", "add", "", "--scope", "app") == 2
    assert posology("token", "add", "clinic", "--scope", "everything") == 2
