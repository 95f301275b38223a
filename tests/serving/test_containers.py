"""What docs/containers.md shows: a whole Compose file, and no setting that does not exist."""

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from serving.bundle import IN_A_CONTAINER, STATE, bento_environment, build_bundle
from serving.settings import PREFIX, ServiceSettings
from tests.conftest import free_port

DOCS = Path(__file__).resolve().parents[2] / "docs" / "containers.md"
TOKEN = "a token for tests"
SETTINGS = {PREFIX + name.upper() for name in ServiceSettings.model_fields}
OF_COMPOSE = {"POSOLOGY_IMAGE"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found = re.search(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    read: dict[str, Any] = yaml.safe_load(found[1])
    return read


def test_every_setting_named_exists_and_what_must_be_given_is_given(compose: dict[str, Any]) -> None:
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", DOCS.read_text(encoding="utf-8")))
    assert named - OF_COMPOSE <= SETTINGS
    assert {name for name in IN_A_CONTAINER if name.startswith(PREFIX)} <= SETTINGS
    must = {PREFIX + name.upper() for name, about in ServiceSettings.model_fields.items() if about.is_required()}
    given = compose["services"]["service"]["environment"]
    assert must <= set(given)
    told = {**given, "POSOLOGY_TOKEN": TOKEN}
    assert ServiceSettings(**{name.removeprefix(PREFIX).lower(): value for name, value in told.items()})


def test_all_that_is_referred_to_is_declared(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"service", "database", "prometheus", "grafana"} == set(services)
    for about in services.values():
        assert set(about.get("depends_on", {})) <= set(services)
        assert {one["source"] for one in about.get("configs", ())} <= set(compose["configs"])
        assert set(about.get("secrets", ())) <= set(compose["secrets"])
        mounted = {volume.split(":")[0] for volume in about.get("volumes", ())}
        assert {name for name in mounted if not name.startswith(".")} <= set(compose["volumes"])
    scrape = yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"][0]
    assert scrape["static_configs"][0]["targets"] == ["service:3000"]
    assert all(yaml.safe_load(about["content"]) for about in compose["configs"].values())


def test_nothing_is_published_beyond_the_machine_and_every_image_has_a_version(compose: dict[str, Any]) -> None:
    for about in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in about.get("ports", ()))
        assert about["image"].startswith("${POSOLOGY_IMAGE:?") or re.search(r":v?\d", about["image"])


def test_what_waits_for_the_database_is_on_a_volume(compose: dict[str, Any]) -> None:
    assert f"state:{STATE}" in compose["services"]["service"]["volumes"]
    assert IN_A_CONTAINER["POSOLOGY_JOURNAL"].startswith(STATE)


@pytest.mark.slow
def test_the_entrypoint_of_the_image_serves_beyond_the_loopback_as_told(
    compose: dict[str, Any], release_folder: Path, tmp_path: Path
) -> None:
    """As in a container but for the folders: the bundle's entrypoint, the image's environment, the health check."""
    tag, port = build_bundle(release_folder, bento_home=tmp_path / "bento"), free_port()
    bento = tmp_path / "bento" / "bentos" / Path(*tag.split(":"))
    here = {name: value.replace(STATE, str(tmp_path)) for name, value in IN_A_CONTAINER.items()}
    own = {
        "BENTO_PATH": str(bento),
        "BENTOML_PORT": str(port),
        "POSOLOGY_STORE_URL": f"sqlite:///{tmp_path / 'store.db'}",
        "POSOLOGY_TOKEN": TOKEN,
    }
    env = bento_environment(tmp_path / "bento", {**here, **own})
    started = subprocess.Popen(["bash", bento / "env/docker/entrypoint.sh"], env=env, cwd=tmp_path)
    try:
        check = [
            part.replace(":3000", f":{port}") for part in compose["services"]["service"]["healthcheck"]["test"][1:]
        ]
        give_up_at = time.monotonic() + 90
        while subprocess.run(check, capture_output=True, check=False).returncode:
            assert time.monotonic() < give_up_at
            assert started.poll() is None
            time.sleep(0.2)
        listens = [one.laddr for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        assert [at.ip for at in listens if at.port == port] == ["0.0.0.0"]
        key = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"http://127.0.0.1:{port}/v1/release", headers=key).json()["plan_key"]
        assert (tmp_path / "journal").is_dir()
        assert (tmp_path / "plan.key").exists()
    finally:
        started.terminate()
        started.wait(30)
