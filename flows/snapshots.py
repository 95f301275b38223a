"""The snapshots a home keeps of each therapy: never changed, each whole with its record or not seen."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.home import Home
from flows.versioning import add_to_dvc, ensure_repository, note_of
from flows.workspace import read_json, write_json
from posology.digests import digest_of_file, digest_of_folder
from posology.errors import CannotDo, NotFound
from posology.files import whole_folder
from posology.tables import FILES, NAMES
from posology.therapy_file import load_therapy

REPLACED = ".replaced"


@dataclass(frozen=True)
class Snapshot:
    """A kept snapshot.

    Attributes:
        folder: ``tables/``, ``therapy.yaml`` and ``manifest.json``, read-only.
        record: what the manifest says, and beside it ``id``, ``therapy``,
            ``parent`` (the snapshot taken before), ``taken_at`` and ``dvc``
            (``md5``, the data version; ``size``, ``nfiles``).
    """

    folder: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The id: 12 digits of the digest of ``manifest.json``."""
        return str(self.record["id"])

    @property
    def version(self) -> str:
        """The DVC version: the MD5 of the folder."""
        return str(self.record["dvc"]["md5"])

    @property
    def tables(self) -> Path:
        """The folder of the four tables."""
        return self.folder / "tables"

    @property
    def as_of(self) -> datetime | None:
        """What was known later is left out; None when it was taken of all there was."""
        told = self.record["as_of"]
        return datetime.fromisoformat(told) if told else None

    @property
    def accepted_at(self) -> datetime | None:
        """When validation last let it through in this home; None when it never did."""
        mark = _acceptance(self.folder)
        return datetime.fromisoformat(read_json(mark)["accepted_at"]) if mark.is_file() else None


def keep_snapshot(snapshot: Path, home: Home, **told: Any) -> Snapshot:
    """Put a snapshot among those kept, under DVC; one that is kept already stays as it was.

    Args:
        snapshot: folder with the tables, the therapy and ``manifest.json``.
        home: whose ``snapshots/THERAPY`` is a DVC repository of its own without git.
        told: for its record, in place of what is so now.
    """
    from dvc.repo import Repo

    therapy, name = load_therapy(snapshot / "therapy.yaml").name, id_of(snapshot)
    repository = home.snapshots / therapy
    with home.lock(f"snapshots-{therapy}"):
        ensure_repository(repository)
        before = kept_snapshots(home, therapy)
        if found := next((one for one in before if one.name == name), None):
            return found
        with whole_folder(repository / name) as partial:
            shutil.copytree(snapshot, partial, dirs_exist_ok=True)
        with Repo(str(repository)) as repo:
            version = add_to_dvc(repository / name, repo)
        beside = {
            "id": name,
            "therapy": therapy,
            "parent": before[-1].name if before else None,
            "taken_at": datetime.now(UTC).isoformat(),
            "dvc": version,
            **told,
        }
        return enter(repository / name, {**read_json(snapshot / "manifest.json"), **beside})


@dataclass(frozen=True)
class Replaced:
    """A snapshot that is no more.

    Attributes:
        new: the id of the one in its place.
        version: the DVC version it had, as the releases trained on it are tagged.
        because: id of the erasure it was replaced for.
    """

    old: str
    new: str
    version: str
    because: str


def replaced_snapshots(home: Home, therapy: str) -> list[Replaced]:
    """Those that are no more, in no order."""
    files = (home.snapshots / therapy).glob(f".*{REPLACED}")
    return [Replaced(**read_json(file)) for file in files]


def replace_snapshot(old: Snapshot, new: Path, home: Home, *, parent: str | None, because: str) -> Snapshot:
    """Keep a snapshot in the place of another, of which nothing stays but where it went."""
    kept = keep_snapshot(new, home, parent=parent, taken_at=old.record["taken_at"])
    if (accepted := _acceptance(old.folder)).is_file():
        shutil.copyfile(accepted, _acceptance(kept.folder))
    gone = Replaced(old.name, kept.name, old.version, because)
    write_json(old.folder.with_name(f".{old.name}{REPLACED}"), asdict(gone))
    remove_snapshot(old.folder)
    return kept


def remove_snapshot(folder: Path) -> None:
    """Remove a snapshot, or what is left of it; from the first step on readers do not find it."""
    for file in (_record(folder), _acceptance(folder), note_of(folder)):
        file.unlink(missing_ok=True)
    if folder.is_dir():
        shutil.rmtree(folder)


def enter(folder: Path, record: Mapping[str, Any]) -> Snapshot:
    """Make a whole folder read-only and seen; from here on readers find it."""
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    write_json(_record(folder), record)
    return Snapshot(folder, record)


def kept_snapshots(home: Home, therapy: str) -> list[Snapshot]:
    """All snapshots of a therapy in this home, in the order they were taken."""
    return sorted(_read_all(home.snapshots / therapy), key=lambda one: (one.record["taken_at"], one.name))


def find_snapshot(home: Home, name: str) -> Snapshot:
    """The snapshot of that id, for example ``3fa4c1d2e5b6``."""
    for repository in home.snapshots.glob("*"):
        if found := next((one for one in _read_all(repository) if one.name == name), None):
            return found
        if gone := next((one for one in replaced_snapshots(home, repository.name) if one.old == name), None):
            raise NotFound(f"snapshot {name} held a patient who was erased; what is left of it is snapshot {gone.new}")
    raise NotFound(f"no snapshot {name} in this home; `posology snapshot list THERAPY` shows what is there")


def snapshot_at(tables: Path) -> Snapshot | None:
    """The kept snapshot whose tables are in that folder; None when it is a folder like any other."""
    folder = tables.absolute().parent
    is_kept = tables.name == "tables" and _record(folder).is_file()
    return Snapshot(folder, read_json(_record(folder))) if is_kept else None


def id_of(folder: Path) -> str:
    """The id of a snapshot folder."""
    return digest_of_file(folder / "manifest.json")[:12]


def damage_of(folder: Path, name: str) -> list[str]:
    """Which files of a snapshot are not what its id and manifest say; none when it is as it was taken."""
    manifest = folder / "manifest.json"
    if not manifest.is_file() or id_of(folder) != name:
        return ["manifest.json"]
    told = read_json(manifest)
    digests = {f"tables/{table}.parquet": told["sha256"][table] for table in NAMES}
    wrong = [file for file, digest in digests.items() if not _holds(folder / file, digest)]
    if "files" in told and digest_of_folder(folder / "tables" / FILES) != told["files"]:
        wrong.append(f"tables/{FILES}")
    return wrong if _therapy_holds(folder, told["therapy_digest"]) else [*wrong, "therapy.yaml"]


def check_snapshot(snapshot: Snapshot) -> None:
    """Raise ``CannotDo`` unless every file is as it was taken."""
    if wrong := damage_of(snapshot.folder, snapshot.name):
        raise CannotDo(
            f"snapshot {snapshot.name} is damaged: {', '.join(wrong)} in {snapshot.folder} differ from its manifest; "
            f"fetch it again: posology snapshot pull {snapshot.record['therapy']} {snapshot.name}"
        )


def accept(snapshot: Snapshot, now: datetime) -> None:
    """Note that validation let a snapshot through."""
    write_json(_acceptance(snapshot.folder), {"accepted_at": now.astimezone(UTC).isoformat()})


def last_accepted(home: Home, therapy: str) -> Path | None:
    """The folder (``tables/``, ``therapy.yaml``, ``manifest.json``) of the snapshot that validation accepted last.

    ``retrain`` accepts its snapshot once validation has let it through;
    None when no snapshot of this therapy was accepted in this home.
    """
    times = {one.folder: at for one in kept_snapshots(home, therapy) if (at := one.accepted_at)}
    return max(times, key=times.__getitem__, default=None)


def _read_all(repository: Path) -> Iterator[Snapshot]:
    for file in repository.glob("[!.]*.json"):
        folder = file.with_suffix("")
        if folder.is_dir():
            yield Snapshot(folder, read_json(file))


def _record(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _acceptance(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.accepted")


def _holds(file: Path, digest: str) -> bool:
    return file.is_file() and digest_of_file(file) == digest


def _therapy_holds(folder: Path, digest: str) -> bool:
    try:
        return load_therapy(folder / "therapy.yaml").digest == digest
    except CannotDo:
        return False
