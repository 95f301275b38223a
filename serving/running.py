"""A bundle being served: started, waited for, and stopped whatever happens."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil

from posology.errors import ServiceDown
from serving import tether
from serving.bundle import bento_environment

READY_WITHIN_SECONDS = 90
STOPPED_WITHIN_SECONDS = 10
ONE_USER_AT_A_TIME = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # calls share the cores, not one call's parts


@dataclass(frozen=True)
class Served:
    """A bundle that answers at ``url``."""

    url: str
    process: subprocess.Popen[bytes]

    def wait(self) -> int:
        """Until somebody stops it; the exit status."""
        return self.process.wait()


@contextmanager
def serve_bundle(
    tag: str, *, bento_home: Path, port: int | None = None, env: Mapping[str, str], log: IO[bytes] | None = None
) -> Iterator[Served]:
    """The bundle served on the loopback while the block runs.

    Args:
        port: a free one when None.
        env: ``POSOLOGY_STORE_URL``, ``POSOLOGY_TOKEN`` and other settings of the service.
        log: where its output goes; kept only to explain a failed start when None.

    Raises:
        ServiceDown: the port is taken, or the service did not become ready.
    """
    port = _free_port(port)
    with tempfile.TemporaryDirectory(prefix="posology-serve-") as work, tempfile.TemporaryFile() as own_log:
        tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        command = [sys.executable, "-m", "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
        own = {"PROMETHEUS_MULTIPROC_DIR": str(Path(work, "metrics"))}  # two services must not mix their counts
        process = subprocess.Popen(
            [*tethered, *command],
            cwd=work,
            env=bento_environment(bento_home, {**ONE_USER_AT_A_TIME, **own, **env}),
            stdin=subprocess.DEVNULL,
            stdout=log or own_log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we stop it in order
        )
        family: set[psutil.Process] = set()  # BentoML's worker leads a session of its own: remember who belongs here
        try:
            served = Served(f"http://127.0.0.1:{port}", process)
            _wait_until_ready(served, tag, own_log)
            family |= _descendants(process.pid)
            yield served
        finally:
            _stop(process, family | _descendants(process.pid))


def _free_port(port: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or 0))
        except OSError as error:
            raise ServiceDown(f"port {port} is taken; stop what listens there or choose another") from error
        return int(probe.getsockname()[1])


def _wait_until_ready(served: Served, tag: str, log: IO[bytes]) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        if served.process.poll() is not None:
            break
        try:
            if httpx.get(f"{served.url}/readyz", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    log.seek(0)
    last = "\n".join(log.read().decode(errors="replace").splitlines()[-8:])
    raise ServiceDown(f"{tag} did not become ready:\n{last}" if last else f"{tag} did not become ready; see its log")


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _stop(process: subprocess.Popen[bytes], family: set[psutil.Process]) -> None:
    """Ask the service to end, which ends its workers; then end whatever is left of both."""
    try:
        process.terminate()
        process.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()
        for left in family:
            with suppress(psutil.NoSuchProcess):
                left.kill()
