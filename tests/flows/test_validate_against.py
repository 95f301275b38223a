"""Validation as a stage: a snapshot is held against the one last accepted, but not against a later one."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from flows.home import Home
from flows.retrain import _before
from flows.snapshots import Snapshot, accept, keep_snapshot
from flows.stages.snapshot import snapshot
from flows.stages.validate import validate
from flows.workspace import Workspace, read_json
from posology.errors import DataInvalid
from posology.simulators import simulate
from posology.tables import Tables
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def tables() -> Tables:
    return simulate(load_therapy("mci"), patients=40, seed=3, weeks=2).tables


def taken(folder: Path, tables: Tables) -> Workspace:
    workspace = Workspace(folder)
    snapshot(workspace, "mci", tables)
    return workspace


def test_a_snapshot_that_lost_half_of_its_users_stops_the_flow(tables: Tables, tmp_path: Path) -> None:
    before = taken(tmp_path / "before", tables)
    now = taken(tmp_path / "now", tables.of_users(tables.users["user_id"][:20]))
    with pytest.raises(DataInvalid, match=r"V801 users\.parquet"):
        validate(now, against=before.snapshot)
    assert not now.validation.exists()
    validate(now)
    assert read_json(now.validation / "validation.json")["failed"] == []


def test_what_lies_after_the_moment_of_a_snapshot_is_in_its_future(tables: Tables, tmp_path: Path) -> None:
    workspace = taken(tmp_path / "then", tables)
    manifest = workspace.snapshot / "manifest.json"
    moment = tables.sessions["decided_at"].sort()[-10]
    text = manifest.read_text().replace('"as_of": null', f'"as_of": "{moment.isoformat()}"')
    manifest.write_text(text)
    validate(workspace)
    gone = pl.read_parquet(workspace.validation / "quarantine" / "sessions.parquet")
    assert set(gone["reasons"].explode()) == {"V507"}
    assert gone["decided_at"].min() >= moment, "an answer may come after the moment of its decision"


def test_the_snapshot_last_accepted_is_what_the_next_one_is_held_against(tables: Tables, tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    first = keep_snapshot(taken(tmp_path / "a", tables.of_users(tables.users["user_id"][:20])).snapshot, home)
    assert _before(first, home) is None
    accept(first, datetime.now(UTC))
    second = keep_snapshot(taken(tmp_path / "b", tables).snapshot, home)
    assert _before(second, home) == first.folder
    accept(second, datetime.now(UTC))
    assert _before(first, home) is None, "an older snapshot has fewer rows by right"
    earlier = replace(second, record={**second.record, "as_of": "2025-02-01T00:00:00+00:00"})
    assert isinstance(earlier, Snapshot)
    assert _before(earlier, home) is None
