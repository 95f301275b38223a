"""The registry shows whole releases only, and always one champion once there was one."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.home import Home
from flows.registry import COMPLETED, Registry
from flows.release_version import REQUIRED_TAGS, ReleaseVersion
from flows.settings import Settings
from posology.errors import CannotDo, NotFound, ServiceDown, SettingsError

Candidate = Callable[..., ReleaseVersion]
TAGS = dict.fromkeys(REQUIRED_TAGS, "x")


def register(registry: Registry, release: str, **tags: str) -> ReleaseVersion:
    return registry.register_release(
        release.rpartition("-")[0], run_id="0" * 32, release=release, artifact_uri="/nowhere", tags=TAGS | tags
    )


def test_a_release_is_found_by_its_name_with_all_its_tags(registry: Registry) -> None:
    made = register(registry, "low-mood-0123456789ab", author="Ada")
    found = registry.find("low-mood-0123456789ab")
    assert (found.therapy, found.version, found.run_id) == ("low-mood", "1", "0" * 32)
    assert found.tags["author"] == "Ada"
    assert found.tags["release"] == "low-mood-0123456789ab"
    assert found == made
    assert registry.therapies() == ["low-mood"]


@pytest.mark.parametrize("name", ["calm-000000000000", "calm", "", "x' OR 'a'='a", "calm-0123456789ab"])
def test_what_is_not_registered_is_not_found(registry: Registry, name: str) -> None:
    register(registry, "calm-0123456789aa")
    with pytest.raises(NotFound, match="review list"):
        registry.find(name)


def test_a_release_without_a_tag_is_not_registered(registry: Registry) -> None:
    with pytest.raises(CannotDo, match="dossier_digest"):
        register(registry, "calm-0123456789ab", dossier_digest="")
    assert registry.therapies() == []


def test_registering_again_gives_the_version_that_is_unless_a_tag_differs(registry: Registry) -> None:
    assert register(registry, "calm-0123456789ab").version == "1"
    assert register(registry, "calm-0123456789ab").version == "1"
    assert register(registry, "calm-0123456789ab", dossier_digest="y").version == "2"
    assert registry.find("calm-0123456789ab").version == "2"


def test_a_version_whose_registration_was_killed_is_seen_by_nobody(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry._client, "set_model_version_tag", _killed)
        with pytest.raises(KeyboardInterrupt):
            register(registry, "calm-0123456789ab")
    with pytest.raises(NotFound):
        registry.find("calm-0123456789ab")
    registry._client.set_registered_model_alias("calm-release", "champion", "1")
    assert registry.champion("calm") is None
    assert register(registry, "calm-0123456789ab").tags[COMPLETED] == "true"


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_therapy_nobody_registered_has_no_release_of_any_kind(registry: Registry) -> None:
    assert registry.candidate("calm") is registry.champion("calm") is registry.previous("calm") is None


def test_the_champion_becomes_previous_and_comes_back(registry: Registry) -> None:
    one, two, three = (register(registry, f"calm-00000000000{number}") for number in (1, 2, 3))
    registry.make_champion(one)
    assert registry.previous("calm") is None
    registry.make_champion(two)
    registry.make_champion(three)
    assert _standing(registry) == ("3", "2")
    registry.roll_back(two, then_previous=one)
    assert _standing(registry) == ("2", "1")
    registry.roll_back(one, then_previous=None)
    assert registry.champion("calm") == registry.version("calm", "1")
    assert registry.previous("calm") is None


def test_making_the_champion_champion_again_changes_nothing(registry: Registry) -> None:
    one, two = (register(registry, f"calm-00000000000{number}") for number in (1, 2))
    for version in (one, two, two):
        registry.make_champion(version)
    assert _standing(registry) == ("2", "1")


@pytest.mark.parametrize("step", [0, 1])
def test_readers_see_a_champion_wherever_a_change_is_killed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    one, two, three = (register(registry, f"calm-00000000000{number}") for number in (1, 2, 3))
    registry.make_champion(one)
    registry.make_champion(two)
    point, calls = registry._point, iter(range(9))
    with monkeypatch.context() as patch:
        patch.setattr(registry, "_point", lambda *about: _killed() if next(calls) == step else point(*about))
        with pytest.raises(KeyboardInterrupt):
            registry.make_champion(three)
    assert registry.champion("calm") == registry.version("calm", "2")
    registry.make_champion(three)
    assert _standing(registry) == ("3", "2")


def _standing(registry: Registry) -> tuple[str, str]:
    champion, previous = registry.champion("calm"), registry.previous("calm")
    assert champion
    assert previous
    return champion.version, previous.version


def test_a_release_is_read_where_it_is_on_this_machine(registry: Registry, candidate: Candidate) -> None:
    version = candidate()
    assert registry.download(version) == Path(version.source)


def test_a_release_elsewhere_is_copied_once(registry: Registry, home: Home, tmp_path: Path) -> None:
    client = registry._client
    run_id = client.create_run(client.create_experiment("x", str(tmp_path / "artifacts"))).info.run_id
    (tmp_path / "release").mkdir()
    (tmp_path / "release" / "release.json").write_text("{}")
    client.log_artifacts(run_id, str(tmp_path / "release"), "release")
    version = registry.register_release(
        "calm", run_id=run_id, release="calm-0123456789ab", artifact_uri=f"runs:/{run_id}/release", tags=TAGS
    )
    folder = registry.download(version)
    assert folder.is_relative_to(home.releases)
    (folder / "mark").touch()
    assert (registry.download(version) / "mark").exists()


def test_a_release_that_is_gone_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match="/nowhere"):
        registry.download(register(registry, "calm-0123456789ab"))


def open_and_register(root: Path, number: int) -> None:
    registry = Registry.open(Home.open(root), Settings(home=root))
    register(registry, f"calm-00000000000{number}")


def test_processes_that_make_the_database_at_once_all_succeed(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=open_and_register, args=(tmp_path, number)) for number in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    registry = Registry.open(Home.open(tmp_path), Settings(home=tmp_path))
    assert {registry.find(f"calm-00000000000{number}").version for number in (1, 2)} == {"1", "2"}


def test_a_database_that_does_not_answer_is_a_service_down(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(home=tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(ServiceDown, match="POSOLOGY_MLFLOW_TRACKING_URI"):
        Registry.open(Home.open(tmp_path), settings)


def test_a_demo_keeps_out_of_a_shared_registry(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "demo", mlflow_tracking_uri=f"sqlite:///{tmp_path}/shared.db")
    with pytest.raises(SettingsError, match="A demo keeps its registry to itself"):
        Registry.open(Home.create_demo(tmp_path / "demo"), settings)
