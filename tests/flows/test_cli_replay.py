"""``posology replay``: one decision, or all of a home's store, by the releases of its registry."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pytest
import sqlalchemy as sa

from flows.cli import main
from flows.home import Home
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.settings import Settings
from models.release import Release
from posology.errors import NotFound
from serving.calls import Calls
from serving.schema import decisions
from serving.store import Store


@dataclass(frozen=True)
class Ran:
    """A command's exit status, and what it said."""

    status: int
    said: str


@pytest.fixture
def posology(home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command in the home."""

    def run(*words: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["posology", *words, "--home", str(home.root)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ran(int(ended.value.code or 0), capfd.readouterr().out)

    return run


@pytest.fixture
def decided(
    candidate: Callable[..., ReleaseVersion], registry: Registry, settings: Settings, now: datetime
) -> list[str]:
    """Two releases have decided twice each."""
    releases = [Release.load(registry.download(candidate(number))) for number in (1, 2)]
    made: list[str] = []
    with closing(Store.open(settings.store_url, releases[0].therapy)) as store:
        for release in releases:
            calls = Calls(release, store, now)
            calls.users({"user_id": "ada", "enrolled_at": now.isoformat(), "consent": True, "age": 50}, now)
            made += [calls.recommend({"user_id": "ada", "context": {}}, now)["decision_id"] for _ in range(2)]
    return made


def test_of_an_empty_store_it_is_said_that_there_is_nothing_and_no_bar_is_shown(
    home: Home, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["posology", "replay", "--all", "--home", str(home.root)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capfd.readouterr().err
    assert ended.value.code == NotFound.exit_status
    assert "nothing to replay" in said
    assert "0/0" not in said


def test_all_decisions_are_made_again_by_the_releases_that_made_them(
    posology: Callable[..., Ran], decided: list[str], settings: Settings
) -> None:
    ran = posology("replay", "--all")
    assert (ran.status, ran.said) == (0, "4 of 4 decisions are the same, bit for bit.\n")
    engine = sa.create_engine(settings.store_url)
    with engine.begin() as connection:
        connection.execute(sa.update(decisions).where(decisions.c.decision_id == decided[1]).values(probability=0.1))
    engine.dispose()
    touched = posology("replay", "--all", "--json")
    different = {"decision_id": decided[1], "considered": False, "differences": ["probability"]}
    assert touched.status == 1
    assert json.loads(touched.said) == {"equal": False, "decisions": 4, "differences": [different]}
    assert posology("replay", decided[1]).said == "Not the same: probability\n"
    assert posology("replay", decided[2]).said == "The same, bit for bit.\n"
