"""The release a retraining begins with."""

from pathlib import Path

import polars as pl

from flows.home import Home
from flows.registry import RELEASE_NAME, Registry
from flows.settings import Settings
from flows.snapshots import kept_snapshots
from models.release import Release
from posology.errors import CannotDo, NotFound

PATIENT = ["user_id", "enrolled_at"]  # an id alone may be somebody else's at another site


def find_release(home: Home, settings: Settings, name: str, tables: Path) -> Path:
    """The folder of a release that learnt from other patients, by its name in the registry or its place.

    On patients a release was fitted on, what it predicts is partly what it remembers: no test on them could tell
    whether it helps. This is found out for releases of this home whose snapshot is still kept.

    Args:
        home: where releases and snapshots are kept.
        settings: where the registry is.
        name: of the release, or its folder.
        tables: folder of the four tables that are to be learnt from.

    Raises:
        NotFound: there is no such release.
        CannotDo: it learnt from these patients.
    """
    folder = _folder(home, settings, name)
    release = Release.load(folder)
    shared = _shared(home, settings, release, tables)
    if shared:
        raise CannotDo(
            f"release {release.name} learnt from {shared} of these patients: whether beginning with it helps cannot be "
            "told; name a release of another therapy or of other patients (another site, another population)"
        )
    return folder


def _folder(home: Home, settings: Settings, name: str) -> Path:
    if Path(name, "release.json").is_file():
        return Path(name)
    if not RELEASE_NAME.fullmatch(name):
        raise NotFound(
            f"no release {name!r} to begin with: expected a release's name (`posology review list` shows them) "
            "or its folder, with release.json"
        )
    registry = Registry.open(home, settings)
    return registry.download(registry.find(name))


def _shared(home: Home, settings: Settings, release: Release, tables: Path) -> int:
    """How many patients of the tables are in the snapshot the release was made of; zero where that is not kept."""
    try:
        version = Registry.open(home, settings).find(release.name).tags["data_version"]
    except NotFound:
        return 0
    kept = next((one for one in kept_snapshots(home, release.therapy.name) if one.version == version), None)
    if kept is None:
        return 0
    theirs, ours = (pl.read_parquet(folder / "users.parquet", columns=PATIENT) for folder in (kept.tables, tables))
    return ours.join(theirs, on=PATIENT, how="semi").height
