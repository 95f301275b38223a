"""Erasing a patient: out of all that a home keeps, with a receipt, and a search afterwards that finds nothing."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from flows.erasure import erase, erase_pending
from flows.erasure.kept_files import clean_files, files_naming
from flows.erasure.patient import Patient
from flows.home import Home
from flows.settings import Settings
from flows.snapshot_remote import SnapshotRemote
from flows.snapshots import Snapshot, accept, check_snapshot, find_snapshot, kept_snapshots
from flows.take import take_and_keep
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound
from posology.tables import Tables
from posology.therapy import Therapy
from serving.erasure import erase_rows
from serving.store import Store

from .conftest import NOW, ReleaseMaker

WHO, DECISIONS = "calm-007", [f"calm-007-{day}" for day in range(8)]
PATIENT = Patient(WHO, DECISIONS)


@pytest.fixture(scope="module")
def template(calm: Therapy, calm_file: Path, calm_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that knows the cohort by its store, a snapshot, quarantined rows and Data Docs."""
    home = Home.open(tmp_path_factory.mktemp("known") / "home")
    settings = Settings(home=home.root)
    with closing(Store.open(settings.store_url, calm)) as store:
        store.load(Tables.read(calm_data, calm))
    accept(take_and_keep(home, settings, str(calm_file), calm_data), NOW)
    quarantine = home.runs / "calm-0123456789ab" / "quarantine"
    quarantine.mkdir(parents=True)
    shutil.copy(calm_data / "sessions.parquet", quarantine)
    home.docs.mkdir()
    (home.journal / "calm").mkdir(parents=True)
    (home.journal / "calm" / "not-placed.jsonl").write_text(f'{{"user_id":"{WHO}"}}\n{{"user_id":"calm-008"}}\n')
    (home.docs / "index.html").write_text(f"<td>{WHO}</td><td>{DECISIONS[0]}</td><td>calm-0070</td>")
    return home.root


@pytest.fixture
def kept(home: Home, template: Path) -> Snapshot:
    """The snapshot of such a home."""
    shutil.copytree(template, home.root, dirs_exist_ok=True)
    return kept_snapshots(home, "calm")[0]


def test_nothing_names_the_patient_afterwards_and_everybody_else_is_there(
    kept: Snapshot, home: Home, settings: Settings, calm: Therapy, candidate: ReleaseMaker
) -> None:
    release = candidate(data_version=kept.version)
    assert files_naming(home, PATIENT)
    receipt = erase(home, settings, WHO)
    assert receipt.complete
    assert files_naming(home, PATIENT) == []
    assert receipt.removed["decisions"] == receipt.removed["feedback"] == 8
    assert receipt.learnt == [{"release": release.release, "version": "1", "is": ["candidate"]}]
    assert (home.docs / "index.html").read_text() == "<td>erased</td><td>erased</td><td>calm-0070</td>"
    assert (home.journal / "calm" / "not-placed.jsonl").read_text() == '{"user_id":"calm-008"}\n'
    (left,) = kept_snapshots(home, "calm")
    check_snapshot(left)
    tables = Tables.read(left.tables, calm)
    assert (tables.users.height, tables.sessions.height) == (39, 39 * 8)
    assert left.accepted_at == NOW
    assert left.record["taken_at"] == kept.record["taken_at"]
    assert pl.read_parquet(home.runs / "calm-0123456789ab" / "quarantine" / "sessions.parquet").height == 39 * 8


def test_the_chain_keeps_a_tombstone_that_does_not_say_who(kept: Snapshot, home: Home, settings: Settings) -> None:
    receipt = erase(home, settings, WHO)
    again = erase(home, settings, WHO)
    (record,) = [record for record in AuditLog(home.audit_log).records() if record.kind == "erase"]
    assert record.facts["erasure_id"] == receipt.erasure_id == again.erasure_id
    assert record.facts["snapshots"] == again.snapshots == {kept.name: kept_snapshots(home, "calm")[0].name}
    assert WHO not in json.dumps(record.facts)


def test_a_snapshot_that_is_gone_says_where_it_went(kept: Snapshot, home: Home, settings: Settings) -> None:
    erase(home, settings, WHO)
    with pytest.raises(NotFound, match=f"held a patient who was erased; .* {kept_snapshots(home, 'calm')[0].name}"):
        find_snapshot(home, kept.name)


@pytest.mark.slow
def test_who_is_erased_one_after_another_has_every_release_listed(
    kept: Snapshot, home: Home, settings: Settings, candidate: ReleaseMaker
) -> None:
    """The release that learnt from both is on the second receipt too, though its snapshot went with the first."""
    release = candidate(data_version=kept.version)
    erase(home, settings, "calm-001")
    assert [one["release"] for one in erase(home, settings, WHO).learnt] == [release.release]


def test_data_that_bring_the_patient_back_are_refused(
    kept: Snapshot, home: Home, settings: Settings, calm_file: Path, calm_data: Path
) -> None:
    erase(home, settings, WHO)
    with pytest.raises(CannotDo, match="holds 1 who were erased in this home: calm-007"):
        take_and_keep(home, settings, str(calm_file), calm_data)


@pytest.mark.slow
def test_what_the_service_has_erased_is_cleaned_later(
    kept: Snapshot, home: Home, settings: Settings, calm: Therapy
) -> None:
    with closing(Store.open(settings.store_url, calm)) as store:
        erase_rows(store.engine, WHO, NOW)
    (receipt,) = erase_pending(home, settings)
    assert receipt.complete
    assert erase_pending(home, settings) == []


def test_who_was_never_in_the_store_is_taken_out_of_snapshots(
    home: Home, settings: Settings, calm_file: Path, calm_data: Path
) -> None:
    take_and_keep(home, settings, str(calm_file), calm_data)
    receipt = erase(home, settings, WHO)
    assert receipt.complete
    assert receipt.removed == {}
    with pytest.raises(NotFound, match="no such user"):
        erase(home, settings, "nobody")


def test_while_a_retraining_is_at_work_the_files_wait(kept: Snapshot, home: Home, settings: Settings) -> None:
    with home.lock("retrain-calm"), pytest.raises(CannotDo, match="posology erase --pending"):
        erase(home, settings, WHO)
    assert kept_snapshots(home, "calm") == [kept]
    (receipt,) = erase_pending(home, settings)
    assert receipt.complete


@pytest.mark.slow
def test_the_remote_holds_the_others_only(kept: Snapshot, home: Home, settings: Settings, tmp_path: Path) -> None:
    remote_settings = settings.model_copy(update={"snapshot_remote": str(tmp_path / "remote")})
    remote = SnapshotRemote.of(home, remote_settings, "calm")
    remote.push()
    before = {file for file in (tmp_path / "remote").rglob("*") if file.is_file()}
    receipt = erase(home, remote_settings, WHO)
    assert [record["id"] for record in remote.records()] == [receipt.snapshots[kept.name]]
    after = {file for file in (tmp_path / "remote").rglob("*") if file.is_file()}
    assert len(before - after) == 5  # the record, the list of files, users, sessions, manifest
    elsewhere = Home.open(tmp_path / "elsewhere")
    assert SnapshotRemote.of(elsewhere, remote_settings, "calm").pull() == [receipt.snapshots[kept.name]]
    assert files_naming(elsewhere, PATIENT) == []


@pytest.mark.slow
def test_an_interrupted_erasure_is_finished_by_the_next(
    kept: Snapshot, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.erasure.erasing.clean_files", stop)
        with pytest.raises(KeyboardInterrupt):
            erase(home, settings, WHO)
    receipt = erase(home, settings, WHO)
    assert receipt.complete
    assert list(receipt.snapshots) == [kept.name]
    assert receipt.removed["users"] == 1


def test_what_could_not_be_cleaned_is_named_and_found_again_with_the_ids_of_its_decisions(
    kept: Snapshot, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    (home.root / "service.log").write_text("".join(f'{{"decision_id": "{each}"}}\n' for each in DECISIONS))
    with monkeypatch.context() as patch:
        patch.setattr("flows.erasure.kept_files._written_over", refuse)
        assert erase(home, settings, WHO).remaining == ["service.log"]
    assert erase(home, settings, WHO).complete
    assert files_naming(home, PATIENT) == []


def test_a_table_in_the_cache_has_no_suffix_and_is_searched(kept: Snapshot, home: Home) -> None:
    cache = home.snapshots / "calm" / ".dvc" / "cache"
    tables = [file for file in files_naming(home, PATIENT) if file.is_relative_to(cache)]
    assert len(tables) == 2 + (kept.record["rows"]["measurements"] > 0)


def test_every_decision_leaves_the_log_however_many_there_are(home: Home) -> None:
    ids = [f"d-{number:03}" for number in range(200)]
    (home.root / "service.log").write_text("\n".join(ids))
    clean_files(home, Patient("ada", ids))
    assert set((home.root / "service.log").read_text().split()) == {"xxxxx"}


def test_what_an_interrupted_erasure_left_of_a_snapshot_and_its_cache_is_removed(
    kept: Snapshot, home: Home, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("flows.snapshots.shutil.rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            erase(home, settings, WHO)
    assert erase(home, settings, WHO).complete
    assert files_naming(home, PATIENT) == []


def test_the_log_of_a_service_that_runs_forgets_the_ids_and_goes_on(home: Home) -> None:
    file = home.root / "service.log"
    with file.open("ab", buffering=0) as running:
        running.write(b'{"decision_id": "d-77"}\n{"decision_id": "d-778"}\n')
        assert clean_files(home, Patient("ada", ["d-77"])) == [file]
        running.write(b"next\n")
    assert file.read_bytes() == b'{"decision_id": "xxxx"}\n{"decision_id": "d-778"}\nnext\n'


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("notes.txt", b"seen calm-007.", True),
        ("notes.txt", b"seen calm-0070 and xcalm-007", False),
        ("store.db", b"\x00calm-007calm-0071", True),
        ("store.db", b"\x00calm-0071x", False),
        ("empty.txt", b"", False),
        ("page.html", b'<p class="calm-007 mb-2">', False),
        ("page.html", "écalm-007".encode(), False),
        ("some.css", b".calm-007 {}", False),
    ],
)
def test_an_id_is_found_where_it_stands_and_not_in_another(
    tmp_path: Path, name: str, content: bytes, *, found: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert Patient(WHO, (), others=["calm-0071"]).is_in(tmp_path / name) is found
