"""The servers that are measured, each in processes of its own on the loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from posology.errors import ServiceDown
from serving.bundle import build_bundle
from serving.running import ONE_USER_AT_A_TIME, serve_bundle

ROOT = Path(__file__).resolve().parent.parent.parent
READY_WITHIN_SECONDS = 120
TOKEN = "a token for the benchmark"  # noqa: S105 - of a store that is thrown away


@dataclass(frozen=True)
class Peer:
    """A server that answers."""

    port: int
    pid: int

    @property
    def family(self) -> list[psutil.Process]:
        """Its processes."""
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return sum(sum(each.cpu_times()[:2]) for each in self.family)

    @property
    def held_bytes(self) -> int:
        """Memory of all its processes."""
        return sum(each.memory_info().rss for each in self.family)


@contextmanager
def echo(folder: Path) -> Iterator[Peer]:
    """``benchmarks.serving.echo``."""
    command = ["-m", "bentoml", "serve", "benchmarks.serving.echo:Echo", "--host", "127.0.0.1", "--port", "{port}"]
    with _running(command, "/readyz", {"BENTOML_HOME": str(folder)}) as peer:
        yield peer


@contextmanager
def mlflow(model: Path) -> Iterator[Peer]:
    """``mlflow models serve`` of one model in a folder, with one worker."""
    command = ["-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    with _running([*command, "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"], "/ping", {}) as peer:
        yield peer


@contextmanager
def ready_bytes(size: int) -> Iterator[Peer]:
    """``benchmarks.serving.limit``."""
    with _running(["-m", "benchmarks.serving.limit", "{port}", str(size)], "/", {}) as peer:
        yield peer


@contextmanager
def ours(release: Path, store_url: str, folder: Path) -> Iterator[Peer]:
    """The release's bundle as ``posology serve`` runs it, at the time that callers tell."""
    told = {"POSOLOGY_STORE_URL": store_url, "POSOLOGY_TOKEN": TOKEN, "POSOLOGY_DEMO": "true"}  # time goes as told
    with serve_bundle(build_bundle(release, bento_home=folder), bento_home=folder, env=told) as served:
        yield Peer(int(served.url.rpartition(":")[2]), served.process.pid)


@contextmanager
def _running(command: list[str], ready: str, more: Mapping[str, str]) -> Iterator[Peer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [part.format(port=port) for part in command]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **ONE_USER_AT_A_TIME, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peer = Peer(port, process.pid)
    family: list[psutil.Process] = []
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}")
        family = peer.family
        yield peer
    finally:
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=10)
        for each in left:
            each.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            asked = httpx.request("POST" if url.endswith("/") else "GET", url, timeout=5, trust_env=False)
            if asked.status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise ServiceDown(f"{url} did not answer within {READY_WITHIN_SECONDS} s; its server was ended")
