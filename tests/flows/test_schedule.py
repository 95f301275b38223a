"""The schedule fires for real: a cron of the settings, a run of its own process, a release at the end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from flows.home import Home
from flows.registry import Registry
from flows.settings import Settings
from posology.tables import Tables
from posology.therapy import Therapy

POSOLOGY = [sys.executable, "-c", "from flows.cli import main; main()"]
Ask = Callable[..., Any]


def eventually(answer: Callable[[], Any], *, seconds: float) -> Any:
    """The first answer that is one, asked for again and again."""
    deadline = time.monotonic() + seconds
    while not (found := answer()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


@pytest.fixture
def ask(prefect_api: str) -> Iterator[Ask]:
    """Asks Prefect's API: POST with a body, GET without."""
    with httpx.Client(base_url=prefect_api, trust_env=False) as client:

        def call(path: str, **body: Any) -> Any:
            response = client.post(path, json=body) if body else client.get(path)
            return response.raise_for_status().json()

        yield call


@pytest.fixture
def filled_home(home: Home, settings: Settings, registry: Registry, calm: Therapy, calm_data: Path) -> Home:
    """A home whose operational store holds patients."""
    from serving.store import Store

    with closing(Store.open(settings.store_url, calm)) as store:
        store.load(Tables.read(calm_data, calm))
    return home


@dataclass(frozen=True)
class Scheduler:
    """``posology schedule`` as a process, and what it says."""

    process: subprocess.Popen[str]
    said: Path


@pytest.fixture
def scheduler(prefect_api: str, filled_home: Home, calm_file: Path, tmp_path: Path) -> Iterator[Scheduler]:
    """Every minute; started from a folder that has nothing to do with anything."""
    environment = {
        **os.environ,
        "POSOLOGY_HOME": str(filled_home.root),
        "POSOLOGY_PREFECT_API_URL": prefect_api,
        "POSOLOGY_RETRAIN_CRON": "* * * * *",
    }
    said = tmp_path / "said"
    with said.open("w") as file:
        command = [*POSOLOGY, "schedule", str(calm_file)]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=file, stderr=file, text=True)
    yield Scheduler(process, said)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_schedule_fires_and_stops_without_a_trace(
    scheduler: Scheduler, ask: Ask, filled_home: Home, registry: Registry, calm_file: Path
) -> None:
    deployment = eventually(lambda: deployment_of(ask, filled_home), seconds=60)
    assert deployment["parameters"] == {"therapy": str(calm_file), "home": str(filled_home.root)}
    late = ask(f"/deployments/{deployment['id']}/create_flow_run", state=scheduled(hours_ago=7))
    made = eventually(lambda: runs_of(ask, deployment, auto_scheduled=True), seconds=30)
    assert {datetime.fromisoformat(run["expected_start_time"]).second for run in made} == {0}

    done = eventually(lambda: runs_of(ask, deployment, auto_scheduled=True, state_name="Completed"), seconds=150)
    assert done, scheduler.said.read_text()
    candidate = registry.candidate("calm")
    assert candidate
    assert candidate.created_at >= datetime.fromisoformat(done[0]["expected_start_time"])
    late_run = ask(f"/flow_runs/{late['id']}")
    assert late_run["state_name"] == "Completed"
    assert late_run["total_run_time"] < 3  # it left the work to the next one

    family = psutil.Process(scheduler.process.pid).children(recursive=True)
    scheduler.process.send_signal(signal.SIGTERM)
    assert scheduler.process.wait(30) == 130
    _gone, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    assert scheduler.said.read_text().splitlines()[-1].startswith("Stop with Ctrl-C")  # no warning, no traceback
    stopped = ask(f"/deployments/{deployment['id']}")
    assert not stopped["paused"]
    assert all(schedule["active"] for schedule in stopped["schedules"])


def scheduled(*, hours_ago: float) -> dict[str, Any]:
    planned = datetime.now(UTC) - timedelta(hours=hours_ago)
    return {"type": "SCHEDULED", "state_details": {"scheduled_time": planned.isoformat()}}


def deployment_of(ask: Ask, home: Home) -> dict[str, Any] | None:
    found = ask("/deployments/filter", deployments={"name": {"any_": ["scheduled calm"]}})
    return next((one for one in found if one["parameters"]["home"] == str(home.root)), None)


def runs_of(ask: Ask, deployment: dict[str, Any], **wanted: Any) -> list[dict[str, Any]]:
    found = ask("/flow_runs/filter", deployments={"id": {"any_": [deployment["id"]]}})
    return [run for run in found if all(run[name] == value for name, value in wanted.items())]


def test_a_scheduled_run_is_really_created_by_the_scheduler(ask: Ask) -> None:
    """Canary: under newer versions of SQLAlchemy the scheduler dies, and nobody notices."""
    flow = ask("/flows/", name="canary")
    every_minute = {"schedule": {"cron": "* * * * *", "timezone": "UTC"}, "active": True}
    made = ask("/deployments/", name="canary", flow_id=flow["id"], schedules=[every_minute])
    found = eventually(lambda: runs_of(ask, made, auto_scheduled=True), seconds=30)
    assert {datetime.fromisoformat(run["expected_start_time"]).second for run in found} == {0}


def test_an_explicit_null_through_prefects_client_is_accepted(prefect_api: str) -> None:
    """Canary: newer versions of FastAPI refuse it, and with it every filter."""
    from prefect.client.orchestration import get_client

    async def read() -> list[Any]:
        async with get_client() as client:
            return [*await client.read_flow_runs(flow_filter=None, limit=1), *await client.read_flows(limit=1)]

    asyncio.run(read())


@pytest.mark.parametrize("cron", ["* * * * *", "0 3 * * 1", "*/5 0-4 1,15 * mon-fri"])
def test_the_cron_of_the_settings_is_one_that_prefect_takes(prefect_api: str, tmp_path: Path, cron: str) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    settings = Settings(home=tmp_path, retrain_cron=cron)
    assert CronSchedule(cron=settings.retrain_cron, timezone="UTC").cron == cron
