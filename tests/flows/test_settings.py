"""Settings come from the environment, then the home's file, then defaults; what is not a setting is refused."""

import getpass
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.settings import Settings
from posology.errors import SettingsError


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "AUTHOR", "TOKEN", "PREFECT_API_URL", "MLFLOW_TRACKING_URI", "STORE_URL"):
        monkeypatch.delenv(f"POSOLOGY_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_by_default_everything_lives_in_the_home_here(tmp_path: Path) -> None:
    settings = Settings.read()
    assert settings.home == tmp_path / ".posology"
    assert settings.store_url == f"sqlite:///{tmp_path}/.posology/store.db"
    assert settings.mlflow_tracking_uri == f"sqlite:///{tmp_path}/.posology/mlflow/mlflow.db"
    assert settings.prefect_api_url is None
    assert settings.required_approvals == 1
    assert settings.author == getpass.getuser()
    assert settings.token is None


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    Settings.read()
    assert list(tmp_path.iterdir()) == []


def test_the_home_given_by_hand_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSOLOGY_HOME", "elsewhere")
    assert Settings.read().home == tmp_path / "elsewhere"
    assert Settings.read(Path("here")).home == tmp_path / "here"
    assert Settings.read(Path("here")).store_url == f"sqlite:///{tmp_path}/here/store.db"


def test_the_environment_goes_before_the_file_of_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "posology.toml").write_text('author = "Ada"\nrequired_approvals = 2\nretrain_therapies = ["mci"]\n')
    monkeypatch.setenv("POSOLOGY_AUTHOR", "Grace")
    settings = Settings.read(tmp_path)
    assert (settings.author, settings.required_approvals, settings.retrain_therapies) == ("Grace", 2, ("mci",))


def test_therapies_in_the_environment_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSOLOGY_RETRAIN_THERAPIES", "mci, tinnitus,")
    assert Settings.read().retrain_therapies == ("mci", "tinnitus")


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSOLOGY_HOME", "")
    assert Settings.read().home == tmp_path / ".posology"


def test_an_unknown_variable_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSOLOGY_RETRIAN_CRON", "0 3 * * 1")
    with pytest.raises(SettingsError, match=r"POSOLOGY_RETRIAN_CRON\. Known: .*POSOLOGY_RETRAIN_CRON"):
        Settings.read()


@pytest.mark.parametrize("text", ['authr = "Ada"', 'home = "elsewhere"', "[section]\nauthor = 1"])
def test_an_unknown_key_of_the_file_is_refused_with_the_known_ones(tmp_path: Path, text: str) -> None:
    (tmp_path / "posology.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"not a setting: .*Known: author"):
        Settings.read(tmp_path)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "posology.toml").write_text("author = ")
    with pytest.raises(SettingsError, match="not TOML"):
        Settings.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RETRAIN_CRON", "weekly", "five cron fields"),
        ("REQUIRED_APPROVALS", "0", "greater than or equal to 1"),
        ("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db", "sqlite:////an/absolute"),
        ("MLFLOW_TRACKING_URI", "./mlruns", "sqlite:////an/absolute"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(f"POSOLOGY_{name}", value)
    with pytest.raises(SettingsError, match=f"{name.lower()}.*{expected}"):
        Settings.read()


def test_no_secret_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSOLOGY_TOKEN", "s3cret")
    monkeypatch.setenv("POSOLOGY_STORE_URL", "postgresql://app:passw0rd@db/posology")
    assert "s3cret" not in repr(Settings.read())
    assert "passw0rd" not in repr(Settings.read())
    monkeypatch.setenv("POSOLOGY_MLFLOW_TRACKING_URI", "ftp://me:passw0rd@files")
    with pytest.raises(SettingsError) as refusal:
        Settings.read()
    assert "passw0rd" not in str(refusal.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.read().author = "Grace"  # type: ignore[misc]
