"""A small therapy, releases made by hand, and a home to register, sign and promote them in."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from flows.evidence_files import DOSSIER, GUARDRAILS
from flows.home import Home
from flows.promotion import Promotion
from flows.quiet import be_quiet
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.review import Review
from flows.servers import prefect_server
from flows.settings import Settings
from models.contents import ContentArrays
from models.features import Features
from models.predictors.predictor import Predictor
from models.predictors.ridge import Ridge
from models.release import Release, save_release
from posology.digests import digest_of_file
from posology.guardrails.finding import Finding, Verdict, overall
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy
from serving.ranking import answer_rank

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
ReleaseMaker = Callable[..., ReleaseVersion]


@pytest.fixture
def now() -> datetime:
    """The time at which things happen here."""
    return NOW


@pytest.fixture(scope="session")
def calm() -> Therapy:
    """A therapy with feedback only."""
    return Therapy.model_validate(
        {
            "name": "calm",
            "title": "Breathing exercises",
            "version": 1,
            "user": {"age": {"kind": "number", "minimum": 18, "maximum": 110}},
            "context": {},
            "content": {"minutes": {"kind": "number", "minimum": 0, "maximum": 60}},
            "feedback": {
                "columns": {"score": {"kind": "number", "minimum": 0, "maximum": 100}},
                "value": "score / 100",
                "due_hours": 24,
                "missing": 0.0,
            },
            "safety": {"safe_default": "rest", "rules": [], "caps": {}},
            "objective": "feedback",
            "exploration": {"floor": 0.02, "temperature": 0.1},
            "catalogue": [{"content_id": "rest", "minutes": 0}, {"content_id": "slow", "minutes": 10}],
        }
    )


def release_folder(folder: Path, therapy: Therapy, number: int, verdict: Verdict) -> Release:
    """A release folder with its evidence; the predictor is written down, not fitted."""
    contents = catalogue_of(therapy)
    names = Features(therapy, ContentArrays(therapy, contents)).names
    model = Ridge(
        names=names,
        centre=np.zeros(len(names)),
        scale=np.ones(len(names)),
        flagged=np.zeros(0, dtype=int),
        n_contents=2,
        weights=np.concatenate([np.zeros(len(names)), [0.3, 0.6]]),
        intercept=0.0,
        tails=(-0.1, 0.1),
    )
    predictor = Predictor("feedback", model, names, anchor=None, margin=0.0, bounds=(0.0, 1.0), coverage=0.9)
    envelope = {"number": number}
    release = save_release(
        folder, therapy=therapy, contents=contents, predictors={"feedback": predictor}, envelope=envelope
    )
    finding = Finding("G001", "There is enough data", verdict, "made up")
    evidence = {"release": release.name, "verdict": overall([finding]).value, "guardrails": [finding.as_json()]}
    (folder / GUARDRAILS).write_text(json.dumps(evidence))
    (folder / DOSSIER).write_text(f"<h1>{release.name}</h1>")
    request: dict[str, Any] = {"user": {"age": 50}, "decided_at": "2026-01-03T00:00:00Z", "seed": 7}
    golden = [{"request": request, "answer": answer_rank(release, request)}]
    (folder / "golden.json").write_text(json.dumps(golden))
    return release


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose Prefect server runs as long as the tests: whoever asks for it joins it."""
    home = Home.open(tmp_path_factory.mktemp("prefect"))
    with prefect_server(home, Settings(home=home.root)):
        yield home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(home=home.root, author="Author")


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database as it is made; making one takes seconds, copying it does not."""
    home = Home.open(tmp_path_factory.mktemp("template"))
    Registry.open(home, Settings(home=home.root))
    return home.mlflow / "mlflow.db"


@pytest.fixture
def registry(home: Home, settings: Settings, new_database: Path) -> Registry:
    home.mlflow.mkdir()
    shutil.copyfile(new_database, home.mlflow / "mlflow.db")
    return Registry.open(home, settings)


@pytest.fixture
def review(home: Home, settings: Settings, registry: Registry) -> Review:
    return Review(home, settings, registry)


@pytest.fixture
def promotion(home: Home, settings: Settings, registry: Registry) -> Promotion:
    return Promotion(home, settings, registry)


@pytest.fixture
def candidate(home: Home, registry: Registry, calm: Therapy) -> ReleaseMaker:
    """Makes release 1, 2, … and puts it up for review."""

    def make(number: int = 1, verdict: Verdict = Verdict.PASS, **tags: str) -> ReleaseVersion:
        folder = home.runs / f"release-{number}-{verdict.name}"
        release = release_folder(folder, calm, number, verdict)
        facts = {
            "data_version": "d" * 32,
            "git_commit": "c" * 40,
            "therapy_digest": release.digests["therapy"],
            "envelope_digest": release.digests["envelope"],
            "release_digest": release.digest,
            "dossier_digest": digest_of_file(folder / DOSSIER),
            "verdict": verdict.value,
            "author": "Author",
            **tags,
        }
        version = registry.register_release(
            "calm", run_id="0" * 32, release=release.name, artifact_uri=str(folder), tags=facts
        )
        registry.set_candidate(version)
        return registry.version("calm", version.version)

    return make


@pytest.fixture
def sign(review: Review) -> Callable[..., None]:
    """Signs a release, an hour later each time."""
    hours = iter(range(1, 100))

    def by(version: ReleaseVersion, name: str = "Reviewer", meaning: Any = "approve") -> None:
        at = NOW + timedelta(hours=next(hours))
        review.sign(version.release, name=name, meaning=meaning, reason="I read it", now=at)

    return by


@pytest.fixture(scope="session")
def prefect_api(prefect_home: Home) -> Iterator[str]:
    """The address of Prefect's API; flows of this process report there. Import flows after it, inside tests."""
    from flows.orchestration import orchestrated

    be_quiet()
    with orchestrated(prefect_home, Settings(home=prefect_home.root)) as address:
        yield address


@pytest.fixture(scope="session")
def calm_file(calm: Therapy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a therapy that nobody ships, in a folder with a space in its name."""
    file = tmp_path_factory.mktemp("my therapies") / "calm.yaml"
    file.write_text(yaml.safe_dump(calm.model_dump(mode="json", exclude_none=True)))
    return file


@pytest.fixture(scope="session")
def calm_data(calm: Therapy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four tables of 40 patients who breathe: slow breathing brings more than rest."""
    folder = tmp_path_factory.mktemp("calm") / "data"
    calm_tables(calm, patients=40).write(folder)
    return folder


@pytest.fixture(scope="session")
def calm_log(calm: Therapy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of 240 patients."""
    folder = tmp_path_factory.mktemp("calm") / "log"
    calm_tables(calm, patients=240).write(folder)
    return folder


def calm_tables(calm: Therapy, *, patients: int, sessions: int = 8) -> Tables:
    """A cohort in which content and age both matter; the propensities were logged."""
    rng = np.random.default_rng(7)
    users, given = [], []
    for number in range(patients):
        user_id, age = f"calm-{number:03d}", float(rng.integers(20, 80))
        enrolled = NOW - timedelta(days=float(rng.integers(60, 120)))
        users.append({"user_id": user_id, "enrolled_at": enrolled, "consent": True, "age": age})
        for day in range(sessions):
            content = str(rng.choice(["rest", "slow"]))
            decided = enrolled + timedelta(days=1 + 4 * day)
            given.append(
                {
                    "decision_id": f"{user_id}-{day}",
                    "user_id": user_id,
                    "decided_at": decided,
                    "content_id": content,
                    "probability": 0.5,
                    "feedback_at": decided + timedelta(hours=1),
                    "score": float(np.clip(30 + 30 * (content == "slow") + age / 4 + rng.normal(0, 8), 0, 100)),
                }
            )
    return Tables.from_rows(calm, users=users, contents=calm.catalogue or [], sessions=given)
