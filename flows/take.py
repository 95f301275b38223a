"""Taking a snapshot: from a folder, a kept snapshot or the operational store, now or as of a time."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.erasure import refuse_erased
from flows.home import Home
from flows.settings import Settings
from flows.snapshots import Snapshot, check_snapshot, keep_snapshot, snapshot_at
from flows.stages.snapshot import snapshot
from flows.workspace import Workspace
from posology.errors import CannotDo
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

SETTLED = timedelta(minutes=1)  # a write that is noted as of a moment may still wait for the database until then


def take(
    workspace: Workspace, therapy_file: str, data: Path | None, settings: Settings, as_of: datetime | None = None
) -> None:
    """Write the snapshot of a run into its workspace.

    Args:
        workspace: of the run.
        therapy_file: name or path of the therapy.
        data: a folder of tables, of a kept snapshot too; the operational store when None.
        settings: say where the store is.
        as_of: leave out what was not known then; a kept snapshot stays as of its own time, if that is earlier.

    Raises:
        CannotDo: the time is not past, the kept snapshot is damaged, or somebody in the data was erased.
    """
    therapy = load_therapy(therapy_file)
    if as_of and as_of > datetime.now(UTC) - SETTLED:
        raise CannotDo(f"as of {as_of.isoformat()}: expected a time at least a minute ago; later ones are not over yet")
    if data is not None and (kept := snapshot_at(data)):
        check_snapshot(kept)
        as_of = min((time for time in (as_of, kept.as_of) if time), default=None)
    snapshot(workspace, therapy_file, data or _from_store(therapy, settings, as_of), as_of)
    refuse_erased(Home.open(settings.home), workspace.snapshot / "tables")


def take_and_keep(
    home: Home, settings: Settings, therapy_file: str, data: Path | None, as_of: datetime | None = None
) -> Snapshot:
    """Take a snapshot and put it among those kept; see ``take``."""
    with home.work_folder() as folder:
        workspace = Workspace(folder)
        take(workspace, therapy_file, data, settings, as_of)
        return keep_snapshot(workspace.snapshot, home)


def _from_store(therapy: Therapy, settings: Settings, as_of: datetime | None) -> Tables:
    from serving.store import Store

    with closing(Store.open(settings.store_url, therapy, files=settings.files)) as store:
        return store.snapshot(catalogue_of(therapy), as_of=as_of)
