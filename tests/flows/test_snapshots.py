"""Snapshots a home keeps: never changed, the same data the same one, whole or not seen."""

from pathlib import Path

import pytest

from flows.home import Home
from flows.snapshots import Snapshot, accept, keep_snapshot, last_accepted
from flows.stages.snapshot import snapshot
from flows.workspace import Workspace
from posology.tables import NAMES


@pytest.fixture
def kept(calm_file: Path, calm_data: Path, home: Home, tmp_path: Path) -> Snapshot:
    """A snapshot of the small cohort in a home."""
    workspace = Workspace(tmp_path / "work")
    snapshot(workspace, calm_file, calm_data)
    return keep_snapshot(workspace.snapshot, home)


def test_the_last_accepted_is_what_validation_let_through_last(kept: Snapshot, home: Home, now) -> None:
    assert last_accepted(home, "calm") is None
    accept(kept, now)
    assert last_accepted(home, "calm") == kept.folder
    assert {file.stem for file in kept.tables.iterdir()} == set(NAMES)
