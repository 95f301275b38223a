"""The servers of a home: Prefect's and MLflow's."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from flows.home import Home
from flows.quiet import prefect_environment, quiet_environment
from flows.server_process import ServerProcess
from flows.settings import Settings
from posology.errors import ServiceDown

PREFECT_PORT = 4200  # each server's own custom
MLFLOW_PORT = 5000


@contextmanager
def prefect_server(home: Home, settings: Settings) -> Iterator[str]:
    """The address of Prefect's API: the one in the settings, else of a local server kept while it is used."""
    if settings.prefect_api_url:
        yield _checked(settings.prefect_api_url.rstrip("/"), "/health", setting="POSOLOGY_PREFECT_API_URL")
        return
    environment = {name: value for name, value in quiet_environment().items() if name != "PREFECT_API_URL"}
    server = ServerProcess(
        name="Prefect",
        folder=home.prefect,
        command=lambda port: [
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        environment=environment | prefect_environment(home.prefect, api_url=None),
        health_path="/api/health",
        usual_port=PREFECT_PORT,
    )
    with server.running() as address:
        yield f"{address}/api"


@contextmanager
def mlflow_server(home: Home, settings: Settings) -> Iterator[str]:
    """The address of MLflow's pages: the server in the settings, else a local one over the settings' database."""
    if settings.mlflow_tracking_uri.startswith("http"):
        yield _checked(settings.mlflow_tracking_uri.rstrip("/"), "/health", setting="POSOLOGY_MLFLOW_TRACKING_URI")
        return
    server = ServerProcess(
        name="MLflow",
        folder=home.mlflow,
        command=lambda port: [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", str(port)),
            *("--default-artifact-root", str(home.artifacts)),
        ],
        # In the environment, not among the arguments, which everybody on the machine can read.
        environment=quiet_environment() | {"MLFLOW_BACKEND_STORE_URI": settings.mlflow_tracking_uri},
        health_path="/health",
        usual_port=MLFLOW_PORT,
    )
    with server.running() as address:
        yield address


def _checked(address: str, health_path: str, *, setting: str) -> str:
    """The address of a server that somebody else runs, once it has answered."""
    try:
        httpx.get(address + health_path, timeout=10.0).raise_for_status()
    except httpx.HTTPError as error:
        raise ServiceDown(f"{setting} names {address}, which does not answer: {error}.") from None
    return address
