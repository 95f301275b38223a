"""A real Bento: built, served as a process of its own, asked and stopped."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from models.release import Release
from posology.errors import CannotDo, NotFound, ServiceDown
from serving import bundle
from serving.access.scopes import Scope
from serving.access.token_table import TokenTable
from serving.access.tokens import draw_token
from serving.bundle import IN_A_CONTAINER, MAKE_STATE, build_bundle
from serving.database import open_database
from serving.page.page import FOLDER
from serving.probe import probe
from serving.ranking import answer_rank
from serving.requirements import pinned_requirements
from serving.running import Served, serve_bundle

TOKEN = "a token for tests"


@pytest.fixture(scope="module")
def bento_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / ".posology" / "bento"  # hidden, as the default home is


@pytest.fixture(scope="module")
def tag(release_folder: Path, bento_home: Path) -> str:
    return build_bundle(release_folder, bento_home=bento_home)


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('home') / 'store.db'}"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service said."""
    return tmp_path_factory.mktemp("log") / "service.log"


@pytest.fixture(scope="module")
def served(tag: str, bento_home: Path, store_url: str, log: Path) -> Iterator[Served]:
    env = {"POSOLOGY_STORE_URL": store_url, "POSOLOGY_TOKEN": TOKEN}
    with log.open("wb") as file, serve_bundle(tag, bento_home=bento_home, env=env, log=file) as running:
        started = psutil.Process(running.process.pid).children(recursive=True)
        yield running
    assert started
    assert not any(child.is_running() for child in started)


def golden(release: Release) -> list[dict[str, object]]:
    requests = [
        {
            "user": {"age": age, "sex": "female"},
            "measurements": [{"measured_at": "2026-01-01T00:00:00Z", "instrument": "PHQ9", "score": 14}],
            "context": {"sleep_hours": 7},
            "decided_at": "2026-01-03T00:00:00Z",
            "seed": age,
        }
        for age in (30, 60, 90)
    ]
    return [{"request": request, "answer": answer_rank(release, request)} for request in requests]


def test_a_bundle_answers_as_its_release_did_in_process(served: Served, release: Release) -> None:
    result = probe(served.url, TOKEN, golden(release))
    assert result.passed, result.differences
    assert result.asked == 3


def test_a_bundle_that_answers_otherwise_is_told_apart(served: Served, release: Release) -> None:
    pairs = golden(release)
    pairs[1] = {**pairs[1], "answer": {**pairs[1]["answer"], "content_id": "other"}}  # type: ignore[dict-item]
    pairs[2] = {**pairs[2], "request": {}}
    result = probe(served.url, TOKEN, pairs)
    assert not result.passed
    assert [difference.partition(":")[0] for difference in result.differences] == ["[1].content_id", "[2]"]
    assert not probe(served.url, TOKEN, []).passed
    assert not probe(served.url, "wrong", golden(release)).passed


def test_only_health_is_open(served: Served) -> None:
    for path in ("livez", "readyz", "healthz"):
        assert httpx.get(f"{served.url}/{path}").status_code == 200
    for path in ("metrics", "v1/release", "docs.json", "schema.json", "static_content/x"):
        assert httpx.get(f"{served.url}/{path}").status_code == 401
    metrics = httpx.get(f"{served.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert metrics.status_code == 200
    assert "bentoml_" in metrics.text
    assert "posology_store_up 1.0" in metrics.text
    assert 'posology_alarms_total{event="NOT_KEPT"} 0.0' in metrics.text


def test_the_page_is_served_before_what_bentoml_has_there(served: Served) -> None:
    page = httpx.get(served.url)
    assert page.content == (FOLDER / "page.html").read_bytes()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert httpx.get(f"{served.url}/page/page.js").headers["Content-Type"].startswith("text/javascript")


def test_an_image_of_it_would_have_what_was_probed_and_an_ordinary_user(tag: str, bento_home: Path) -> None:
    bento = bento_home / "bentos" / Path(*tag.split(":"))
    lines = (bento / "env" / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim AS base-container" in lines
    assert [line for line in lines if line.startswith("USER ")] == ["USER bentoml"]
    assert "EXPOSE 3000" in lines
    assert set(IN_A_CONTAINER.items()) <= {
        tuple(line.removeprefix("ARG ").split("=", 1)) for line in lines if "=" in line
    }
    assert {f"ENV {name}=${name}" for name in IN_A_CONTAINER} <= set(lines)
    script = next((bento / "env" / "docker").glob("script__*"))
    assert script.read_text(encoding="utf-8") == MAKE_STATE
    assert any(line.endswith(f"./env/docker/{script.name}") for line in lines)
    about = yaml.safe_load((bento / "bento.yaml").read_text(encoding="utf-8"))
    assert about["services"][0]["config"]["http"]["host"] == "127.0.0.1"  # where nobody says otherwise
    wanted = (bento / "env" / "python" / "requirements.txt").read_text(encoding="utf-8").split()
    assert set(wanted) == set(pinned_requirements("serving.service"))


def test_a_token_added_beside_opens_its_calls_and_no_others(served: Served, store_url: str) -> None:
    engine = open_database(store_url)
    text, token = draw_token("somebody", [Scope.REVIEWER], datetime.now(UTC))
    TokenTable(engine).add(token)
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {text}"}) as client:
        _wait_for(lambda: client.get("/v1/release").status_code == 200)
        assert client.get("/metrics").status_code == 200
        assert client.post("/v1/rank", json={}).json()["error"]["code"] == "missing_scope"
        TokenTable(engine).revoke(token.token_id, datetime.now(UTC))
        _wait_for(lambda: client.get("/metrics").status_code == 401)
    engine.dispose()


def _wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_what_is_sent_neither_grows_the_metrics_nor_stands_in_the_log(served: Served, log: Path) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        for number in range(20):
            assert client.get(f"/Zq7X{number}?name=Zq7X").status_code == 401
        assert client.get("/x%0aZq7X says all is well").status_code == 401
        assert client.post("/v1/users", json={"history": "Zq7X"}, headers={"Cookie": "Zq7X"}).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert client.post("/v1/users?name=Zq7X", json={"Zq7X": "Zq7X"}).status_code == 422
        assert client.post("/v1/users", content="Zq7X", headers={"Content-Type": "Zq7X"}).status_code == 400
        past = "2026-01-01T00:00:00Z"
        patient = {"user_id": "p-1", "enrolled_at": past, "consent": True, "history": "Zq7X fell", "age": 47.190311}
        reading = {"user_id": "p-1", "measured_at": past, "instrument": "PHQ9", "score": 13.190311}
        assert client.post("/v1/users", json=patient).status_code == 200
        assert client.post("/v1/users", json={**patient, "history": "Zq7X again"}).status_code == 409
        assert client.post("/v1/measurements", json=reading).status_code == 200
        decided = client.post("/v1/recommend", json={"user_id": "p-1", "context": {"sleep_hours": 6.190311}}).json()
        came = {"decision_id": decided["decision_id"], "score": 81.190311, "completed": True, "comment": "Zq7X hurts"}
        assert client.post("/v1/feedback", json=came).status_code == 200
        exposed = client.get("/metrics").text
    assert "Zq7X" not in exposed
    assert 'posology_feedback_total{outcome="received"} 1.0' in exposed
    assert 'posology_calls_total{call="other",status="401"}' in exposed
    said = log.read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["decision_id"] for line in lines if line.get("call") == "recommend"] == [decided["decision_id"]]
    assert not [secret for secret in ("Zq7X", "190311", TOKEN) if secret in said]


def test_nothing_but_the_documented_calls_is_served(served: Served) -> None:
    with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        for path in ("/docs.json", "/docs", "/nothing"):
            assert client.get(path).json()["error"]["code"] == "not_found"


def test_no_worker_outlives_a_supervisor_that_was_killed(tag: str, bento_home: Path, tmp_path: Path) -> None:
    env = {"POSOLOGY_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}", "POSOLOGY_TOKEN": TOKEN}
    with serve_bundle(tag, bento_home=bento_home, env=env) as running:
        workers = psutil.Process(running.process.pid).children(recursive=True)
        running.process.kill()
        running.process.wait()
        _gone, alive = psutil.wait_procs(workers, timeout=10)
    assert workers
    assert not alive


def serve_until_killed(tag: str, bento_home: str, store: str) -> None:
    env = {"POSOLOGY_STORE_URL": f"sqlite:///{store}", "POSOLOGY_TOKEN": TOKEN}
    with serve_bundle(tag, bento_home=Path(bento_home), env=env) as running:
        print(running.process.pid, flush=True)  # noqa: T201 - how the other process tells
        running.wait()


def test_no_service_outlives_who_started_it(tag: str, bento_home: Path, tmp_path: Path) -> None:
    code = f"import runpy; runpy.run_path({__file__!r})['serve_until_killed'](*__import__('sys').argv[1:])"
    command = [sys.executable, "-c", code, tag, str(bento_home), str(tmp_path / "store.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        supervisor = psutil.Process(int(starter.stdout.readline()))
        family = [supervisor, *supervisor.children(recursive=True)]
        starter.kill()
    assert len(family) > 1
    _gone, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def test_building_again_gives_the_same_tag_at_once(
    tag: str, release: Release, bento_home: Path, release_folder: Path
) -> None:
    started = time.monotonic()
    assert build_bundle(release_folder, bento_home=bento_home) == tag == f"posology-calm:{release.digest[:12]}"
    assert time.monotonic() - started < 1


def test_a_failed_build_leaves_nothing(release_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        build_bundle(tmp_path / "nothing", bento_home=tmp_path / "bento")
    monkeypatch.setattr(bundle, "SERVICE", "serving.requirements")  # a module without a service
    with pytest.raises(CannotDo, match="could not be built"):
        build_bundle(release_folder, bento_home=tmp_path / "bento")
    assert list((tmp_path / "bento").iterdir()) == []


def test_the_code_in_the_bundle_is_what_answers(tag: str, bento_home: Path) -> None:
    source = bento_home / "bentos" / tag.replace(":", "/") / "src"
    assert (source / "release" / "release.json").is_file()
    assert {path.name for path in source.iterdir() if path.is_dir()} == {"posology", "models", "serving", "release"}
    assert not list(source.rglob("__pycache__/*.pyc"))


def test_without_a_token_the_service_does_not_start(tag: str, bento_home: Path, tmp_path: Path) -> None:
    env = {"POSOLOGY_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}", "POSOLOGY_TOKEN": ""}
    with pytest.raises(ServiceDown, match="POSOLOGY_TOKEN"), serve_bundle(tag, bento_home=bento_home, env=env):
        pass


def test_a_port_in_use_is_refused(served: Served, tag: str, bento_home: Path) -> None:
    port = int(served.url.rpartition(":")[2])
    with pytest.raises(ServiceDown, match="taken"), serve_bundle(tag, bento_home=bento_home, port=port, env={}):
        pass


def test_the_service_needs_no_orchestrator_tracker_or_validator() -> None:
    forbidden = {"mlflow", "prefect", "great_expectations", "dvc"}
    code = f"import sys, serving.service; print(sorted({forbidden!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    names = {requirement.partition("==")[0].lower() for requirement in pinned_requirements("serving.service")}
    assert not names & forbidden
    assert {"bentoml", "starlette", "sqlalchemy", "psycopg2-binary", "polars", "catboost"} <= names
    assert {
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-http",
    } <= names  # many packages, one name at the top
