"""Snapshots travel through a folder or a real S3 server, whole or not at all, and no credential is told."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from flows.home import Home
from flows.settings import Settings
from flows.snapshot_remote import SnapshotRemote
from flows.snapshots import Snapshot, damage_of, keep_snapshot, kept_snapshots
from flows.stages.snapshot import snapshot
from flows.workspace import Workspace
from posology.errors import CannotDo, NotFound, PosologyError, ServiceDown, SettingsError

SECRET = "never-to-be-told-0123456789"
Opener = Callable[..., SnapshotRemote]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3, of the tests' own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address)
            yield address
        finally:
            server.kill()


def _wait_for(address: str) -> None:
    for _ in range(300):
        try:
            httpx.get(f"{address}/moto-api/", timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("moto_server did not start")


@pytest.fixture(scope="session")
def bucket(s3_endpoint: str) -> str:
    httpx.put(f"{s3_endpoint}/snapshots").raise_for_status()
    return "s3://snapshots"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials as people give them, and nobody else's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def kept(calm_file: Path, calm_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A snapshot in a home that the tests of this module share."""
    root = tmp_path_factory.mktemp("kept")
    workspace = Workspace(root / "work")
    snapshot(workspace, calm_file, calm_data)
    return keep_snapshot(workspace.snapshot, Home.open(root / "home"))


@pytest.fixture
def here(kept: Snapshot) -> Home:
    return Home.open(kept.folder.parents[2])


@pytest.fixture
def there(tmp_path: Path) -> Home:
    """A second home, with nothing in it."""
    return Home.open(tmp_path / "there")


@pytest.fixture(params=["folder", "S3"])
def remote(request: pytest.FixtureRequest, aws: None, tmp_path: Path) -> Opener:
    """A remote that is empty, as seen from a home."""
    address, endpoint = str(tmp_path / "remote"), ""
    if request.param == "S3":
        address = f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
        endpoint = request.getfixturevalue("s3_endpoint")

    def of(home: Home) -> SnapshotRemote:
        settings = Settings(home=home.root, snapshot_remote=address, snapshot_endpoint_url=endpoint)
        return SnapshotRemote.of(home, settings, "calm")

    return of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the remote is that is a folder."""
    return tmp_path / "remote"


@pytest.fixture
def of_folder(folder: Path) -> Opener:
    return lambda home: SnapshotRemote(home, "calm", str(folder))


def test_what_was_pushed_is_found_and_pulled_whole(kept: Snapshot, here: Home, there: Home, remote: Opener) -> None:
    assert remote(there).records() == []
    assert remote(there).pull() == []
    assert remote(here).push() == [kept.name]
    assert remote(here).push() == []
    assert remote(there).records() == [kept.record]
    assert remote(there).pull([kept.name]) == [kept.name]
    assert remote(there).pull() == []
    (found,) = kept_snapshots(there, "calm")
    assert found.record == kept.record
    assert damage_of(found.folder, found.name) == []
    for file in (path for path in kept.folder.rglob("*") if path.is_file()):
        copy = found.folder / file.relative_to(kept.folder)
        assert copy.read_bytes() == file.read_bytes()
        assert copy.stat().st_mode & 0o222 == 0


def test_the_second_home_can_send_it_on(
    kept: Snapshot, here: Home, there: Home, remote: Opener, tmp_path: Path
) -> None:
    remote(here).push()
    remote(there).pull()
    onward = SnapshotRemote(there, "calm", str(tmp_path / "onward"))
    assert onward.push() == [kept.name]
    third = Home.open(tmp_path / "third")
    assert SnapshotRemote(third, "calm", str(tmp_path / "onward")).pull() == [kept.name]


def test_no_address_and_no_credential_is_written_down(kept: Snapshot, here: Home, remote: Opener) -> None:
    remote(here).push()
    for file in (path for path in here.root.rglob("*") if path.is_file()):
        assert SECRET.encode() not in file.read_bytes()
    assert "remote" not in (kept.folder.parent / ".dvc" / "config").read_text()


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


def corrupt(file: Path, content: bytes | None) -> None:
    file.chmod(0o644)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)


def nothing_is_half_there(home: Home) -> None:
    assert kept_snapshots(home, "calm") == []
    assert [path.name for path in (home.snapshots / "calm").iterdir()] == [".dvc"]
    assert list((home.root / "work").iterdir()) == []


@pytest.mark.parametrize("content", [b"something else", b"", None], ids=["changed", "emptied", "missing"])
def test_a_damaged_object_is_refused_and_nothing_is_half_pulled(
    here: Home, of_folder: Opener, folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    """Any object: each table, the manifest, the therapy, DVC's list of files."""
    of_folder(here).push()
    every = sorted(objects(folder), key=lambda file: file.suffix)
    for file in every if content else every[-2:]:
        before, there = file.read_bytes(), Home.open(tmp_path / file.name)
        corrupt(file, content)
        with pytest.raises(CannotDo, match="snapshot"):
            of_folder(there).pull()
        nothing_is_half_there(there)
        file.write_bytes(before)
    assert len(of_folder(there).pull()) == 1


def test_what_is_cut_off_or_missing_there_is_sent_again(
    here: Home, there: Home, of_folder: Opener, folder: Path
) -> None:
    of_folder(here).push()
    first, second, *_, listing = sorted(objects(folder), key=lambda file: file.suffix)
    corrupt(first, None)
    corrupt(second, b"")
    corrupt(listing, b"[]")
    of_folder(here).push()
    assert len(of_folder(there).pull()) == 1


def test_a_damaged_index_is_refused(there: Home, of_folder: Opener, folder: Path) -> None:
    file = folder / "index" / "calm" / "0123456789ab.json"
    file.parent.mkdir(parents=True)
    for text in ("", "{", "[]", "{}", json.dumps({"id": "0123456789ab", "therapy": "calm", "dvc": {}})):
        file.write_text(text)
        with pytest.raises(CannotDo, match=r"0123456789ab\.json in the remote is damaged"):
            of_folder(there).pull()


def test_an_index_that_speaks_of_another_snapshot_is_refused(
    kept: Snapshot, here: Home, there: Home, of_folder: Opener, folder: Path
) -> None:
    of_folder(here).push()
    other = folder / "index" / "calm" / "0123456789ab.json"
    other.write_text(json.dumps({**kept.record, "id": "0123456789ab"}))
    with pytest.raises(CannotDo, match=r"damaged in the remote: manifest\.json"):
        of_folder(there).pull(["0123456789ab"])
    nothing_is_half_there(there)


def test_a_damaged_snapshot_is_not_sent_and_can_be_fetched_again(
    kept: Snapshot, here: Home, there: Home, of_folder: Opener
) -> None:
    of_folder(here).push()
    of_folder(there).pull()
    (mine,) = kept_snapshots(there, "calm")
    corrupt(mine.tables / "users.parquet", b"other")
    assert damage_of(mine.folder, mine.name) == ["tables/users.parquet"]
    with pytest.raises(CannotDo, match=r"is damaged: tables/users\.parquet"):
        of_folder(there).push()
    assert of_folder(there).pull() == [kept.name]
    assert damage_of(mine.folder, mine.name) == []


def test_a_name_nobody_knows_is_refused(here: Home, there: Home, of_folder: Opener) -> None:
    with pytest.raises(NotFound, match="no snapshot 0123456789ab of calm in this home"):
        of_folder(here).push(["0123456789ab"])
    with pytest.raises(NotFound, match="no snapshot 0123456789ab of calm in the remote"):
        of_folder(there).pull(["0123456789ab"])


def test_without_a_remote_nothing_travels(here: Home) -> None:
    with pytest.raises(SettingsError, match="set POSOLOGY_SNAPSHOT_REMOTE to a folder or to s3://bucket/prefix"):
        SnapshotRemote.of(here, Settings(home=here.root), "calm")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("snapshot_remote", "https://host/path"),
        ("snapshot_remote", "s3://key:secret@bucket/prefix"),
        ("snapshot_endpoint_url", "http://key:secret@host:9000"),
        ("snapshot_endpoint_url", "host:9000"),
    ],
)
def test_an_address_that_cannot_be_or_holds_credentials_is_refused(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"POSOLOGY_{field.upper()}", value)
    with pytest.raises(SettingsError, match=f"{field}: .*expected") as refusal:
        Settings.read()
    assert "secret" not in str(refusal.value)


def of_s3(home: Home, address: str, endpoint: str) -> SnapshotRemote:
    return SnapshotRemote(home, "calm", address, endpoint)


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def denying(s3_endpoint: str) -> Iterator[None]:
    """The server asks for credentials, and knows nobody's."""
    ask = {"url": f"{s3_endpoint}/moto-api/reset-auth", "headers": {"Content-Type": "text/plain"}}
    httpx.post(**ask, content=b"0").raise_for_status()
    yield
    httpx.post(**ask, content=b"inf").raise_for_status()


def refusal_of(call: Callable[[], object]) -> PosologyError:
    with pytest.raises(PosologyError) as refusal:
        call()
    assert SECRET not in str(refusal.value)
    assert "nobody" not in str(refusal.value)
    return refusal.value


@pytest.mark.usefixtures("aws")
def test_a_server_that_is_down_is_said_to_be(here: Home, there: Home) -> None:
    for remote in (of_s3(here, "s3://snapshots/down", closed_port()), of_s3(there, "s3://snapshots", closed_port())):
        error = refusal_of(remote.push if remote.home is here else remote.pull)
        assert isinstance(error, ServiceDown)
        assert "does not answer: is it up, and is POSOLOGY_SNAPSHOT_ENDPOINT_URL its address?" in str(error)


@pytest.mark.usefixtures("aws")
def test_a_bucket_that_is_not_there_is_said_to_be_missing(here: Home, there: Home, s3_endpoint: str) -> None:
    for call in (of_s3(here, "s3://nowhere/x", s3_endpoint).push, of_s3(there, "s3://nowhere/x", s3_endpoint).pull):
        error = refusal_of(call)
        assert isinstance(error, NotFound)
        assert "there is no such bucket" in str(error)


@pytest.mark.usefixtures("aws", "denying")
def test_wrong_credentials_are_denied_without_being_told(here: Home, there: Home, s3_endpoint: str) -> None:
    for call in (of_s3(here, "s3://snapshots/x", s3_endpoint).push, of_s3(there, "s3://snapshots/x", s3_endpoint).pull):
        assert "denies access: check AWS_ACCESS_KEY_ID" in str(refusal_of(call))


@pytest.mark.usefixtures("aws")
def test_no_credentials_are_asked_for(
    here: Home, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    error = refusal_of(of_s3(here, "s3://snapshots/x", s3_endpoint).push)
    assert "asks for credentials: set AWS_ACCESS_KEY_ID" in str(error)


def test_a_home_whose_cache_was_cleared_still_has_and_sends_its_snapshots(
    kept: Snapshot, here: Home, there: Home, of_folder: Opener, tmp_path: Path
) -> None:
    of_folder(here).push()
    of_folder(there).pull()
    shutil.rmtree(there.snapshots / "calm" / ".dvc" / "cache")
    (mine,) = kept_snapshots(there, "calm")
    assert SnapshotRemote(there, "calm", str(tmp_path / "other")).push() == [kept.name]
    assert damage_of(mine.folder, mine.name) == []
    assert all(file.stat().st_mode & 0o222 == 0 for file in mine.tables.iterdir())
