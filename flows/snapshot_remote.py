"""A remote for snapshots, a folder or a bucket: DVC's objects, and an index of what is whole there.

    REMOTE/files/md5/…               what DVC pushes, by content
    REMOTE/index/THERAPY/ID.json     a snapshot's record, written when all its objects are there

Addresses are passed to DVC in memory; credentials are only ever read by the
S3 client, from the standard AWS variables.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.home import Home
from flows.remote_errors import answering
from flows.settings import Settings
from flows.snapshots import Snapshot, check_snapshot, damage_of, enter, kept_snapshots
from flows.versioning import add_to_dvc, ensure_repository, note_of, patiently
from flows.workspace import read_json
from posology.errors import CannotDo, NotFound, SettingsError
from posology.files import whole_folder, write_whole

NAME = "posology"
CONNECT_SECONDS, READ_SECONDS = 5, 60
DVC_FIELDS = ("md5", "size", "nfiles")


@dataclass(frozen=True)
class SnapshotRemote:
    """The remote of one therapy's snapshots in one home."""

    home: Home
    therapy: str
    address: str
    endpoint_url: str = ""

    @classmethod
    def of(cls, home: Home, settings: Settings, therapy: str) -> "SnapshotRemote":
        """The remote that the settings name."""
        if not settings.snapshot_remote:
            raise SettingsError(
                "no remote for snapshots: set POSOLOGY_SNAPSHOT_REMOTE to a folder or to s3://bucket/prefix"
            )
        return cls(home, therapy, settings.snapshot_remote, settings.snapshot_endpoint_url)

    def records(self) -> list[dict[str, Any]]:
        """The records of all snapshots that are whole in the remote, in the order they were taken."""
        with self._opened(self._repository()) as repo:
            found = [self._read(repo, file) for file in self._list(repo)]
        return sorted(found, key=lambda record: (record["taken_at"], record["id"]))

    def push(self, names: Sequence[str] = ()) -> list[str]:
        """Send snapshots, all that this home keeps when none are named; gives the ids that were not there yet.

        Raises:
            CannotDo: a snapshot is damaged here, or not all of it could be sent.
            NotFound: no such snapshot here, or no such bucket.
            ServiceDown: the remote does not answer.
        """
        chosen = self._chosen({one.name: one for one in kept_snapshots(self.home, self.therapy)}, names, "this home")
        with self._opened(self._repository()) as repo:
            there = {Path(file).stem for file in self._list(repo)}
            for snapshot in chosen:
                check_snapshot(snapshot)
                add_to_dvc(snapshot.folder, repo)  # the cache may have been cleared
                _remove_incomplete(repo, snapshot.version)
                patiently(repo.push, targets=[str(note_of(snapshot.folder))], remote=NAME)
                self._write(repo, snapshot)
        return [snapshot.name for snapshot in chosen if snapshot.name not in there]

    def remove(self, names: Sequence[str]) -> None:
        """Remove snapshots that are there: first their records, then the objects that no other snapshot needs."""
        there = {record["id"]: record for record in self.records()}
        gone = [there.pop(name) for name in names if name in there]
        if not gone:
            return
        with self._opened(self._repository()) as repo:
            files, index = self._index(repo)
            objects = repo.cloud.get_remote(NAME).odb
            needed = {one for record in there.values() for one in _objects(objects, record["dvc"]["md5"])}
            unneeded = {one for record in gone for one in _objects(objects, record["dvc"]["md5"])} - needed
            for record in gone:
                files.rm_file(files.join(index, f"{record['id']}.json"))
            for one in unneeded:
                if objects.exists(one):
                    objects.fs.remove(objects.oid_to_path(one))

    def pull(self, names: Sequence[str] = ()) -> list[str]:
        """Fetch snapshots, all that the remote has when none are named; gives the ids that were not whole here.

        A snapshot is seen in this home once every file was held to its digest.

        Raises:
            CannotDo: the remote's copy is damaged or not all there; nothing of it is kept.
            NotFound: no such snapshot there, or no such bucket.
            ServiceDown: the remote does not answer.
        """
        records = self._chosen({record["id"]: record for record in self.records()}, names, "the remote")
        whole = {one.name for one in kept_snapshots(self.home, self.therapy) if not damage_of(one.folder, one.name)}
        missing = [record for record in records if record["id"] not in whole]
        for record in missing:
            self._fetch(record)
        return [record["id"] for record in missing]

    def _fetch(self, record: Mapping[str, Any]) -> Snapshot:
        """Fetch beside what is kept, check, then put it in its place."""
        name, repository = record["id"], self._repository()
        with self.home.work_folder() as work:
            ensure_repository(work)
            note = note_of(work / name)
            out = {**{field: record["dvc"][field] for field in DVC_FIELDS}, "hash": "md5", "path": name}
            write_whole(note, json.dumps({"outs": [out]}))  # quoted: to YAML the id 12345678e012 is a number
            with self._opened(work, cache=repository / ".dvc" / "cache") as repo:
                patiently(repo.pull, targets=[str(note)], remote=NAME)
            if wrong := damage_of(work / name, name):
                raise CannotDo(f"snapshot {name} is damaged in the remote: {', '.join(wrong)}; push it again")
            with self.home.lock(f"snapshots-{self.therapy}"):
                with whole_folder(repository / name) as partial:
                    for part in (work / name).iterdir():
                        shutil.move(part, partial)
                write_whole(note_of(repository / name), note.read_text(encoding="utf-8"))
                return enter(repository / name, {**record, **read_json(repository / name / "manifest.json")})

    def _repository(self) -> Path:
        repository = self.home.snapshots / self.therapy
        with self.home.lock(f"snapshots-{self.therapy}"):
            ensure_repository(repository)
        return repository

    @contextmanager
    def _opened(self, repository: Path, cache: Path | None = None) -> Iterator[Any]:
        """DVC's repository with this remote in memory; it remembers nothing of the remote from one time to the next."""
        from dvc.repo import Repo

        more: dict[str, Any] = {"endpointurl": self.endpoint_url} if self.endpoint_url else {}
        if self.address.startswith("s3://"):
            more |= {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS}
        with TemporaryDirectory() as memory, answering(self.address):
            config: dict[str, Any] = {
                "core": {"remote": NAME, "site_cache_dir": memory},
                "remote": {NAME: {"url": self.address, "verify": True, **more}},
            }
            if cache:
                config["cache"] = {"dir": str(cache)}
            with Repo(str(repository), config=config) as repo:
                yield repo

    def _index(self, repo: Any) -> tuple[Any, str]:
        remote = repo.cloud.get_remote(NAME)
        return remote.fs, remote.fs.join(remote.path, "index", self.therapy)

    def _list(self, repo: Any) -> list[str]:
        files, index = self._index(repo)
        try:
            return [file for file in files.ls(index, detail=False) if file.endswith(".json")]
        except FileNotFoundError as error:
            if error.__cause__:  # there is no such bucket
                raise
            return []

    def _read(self, repo: Any, file: str) -> dict[str, Any]:
        files, _ = self._index(repo)
        try:
            record = json.loads(files.cat_file(file))
            if (record["id"], record["therapy"]) == (Path(file).stem, self.therapy) and set(DVC_FIELDS) <= set(
                record["dvc"]
            ):
                return dict(record)
        except (ValueError, KeyError, TypeError):
            pass
        raise CannotDo(f"{file} in the remote is damaged: expected the record of a snapshot; push the snapshot again")

    def _write(self, repo: Any, snapshot: Snapshot) -> None:
        files, index = self._index(repo)
        file = snapshot.folder.with_name(f"{snapshot.name}.json")
        files.makedirs(index)
        files.put_file(str(file), files.join(index, file.name))

    def _chosen(self, found: Mapping[str, Any], names: Sequence[str], where: str) -> list[Any]:
        if unknown := [name for name in names if name not in found]:
            raise NotFound(f"no snapshot {', '.join(unknown)} of {self.therapy} in {where}")
        return [found[name] for name in names or found]


def _objects(database: Any, version: str) -> list[str]:
    """The list of a folder's files, and the files."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    if not database.exists(version):
        return []
    return [version, *(part.value for _, (_, part) in Tree.load(database, HashInfo("md5", version)).iteritems())]


def _remove_incomplete(repo: Any, version: str) -> None:
    """Remove what is cut off in the remote, for DVC sends no file of a folder whose list of files is there already."""
    here, there = repo.cache.local, repo.cloud.get_remote(NAME).odb
    if not there.exists(version):
        return
    parts = _objects(here, version)
    cut_off = [part for part in parts if not _is_as_long(part, here, there)]
    for part in {version, *cut_off} if cut_off else ():
        if there.exists(part):
            there.fs.remove(there.oid_to_path(part))


def _is_as_long(part: str, here: Any, there: Any) -> bool:
    return there.exists(part) and there.fs.size(there.oid_to_path(part)) == here.fs.size(here.oid_to_path(part))
