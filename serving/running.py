"""A bundle being served: started, waited for, taken over from by another, and stopped whatever happens."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

import httpx
import psutil

from posology.errors import ServiceDown
from serving import listening, tether
from serving.bundle import bento_environment

READY_WITHIN_SECONDS = 180  # nobody waits for one that takes over
STOPPED_WITHIN_SECONDS = 10
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what it is compared with; nobody is served there unless told so
DRAINED_WITHIN_SECONDS = 45  # a call takes 30 at most
ONE_USER_AT_A_TIME = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}  # calls share the cores, not one call's parts


class Served:
    """Bundles that answer at ``url``, one after the other on one socket."""

    def __init__(self, socket: socket.socket, bento_home: Path, log: IO[bytes] | None) -> None:
        self.url = _url(socket)
        self._socket, self._bento_home, self._log = socket, bento_home, log
        self._current: _Running | None = None
        self._leaving: list[Thread] = []

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Of the bundle that answers now."""
        if self._current is None:
            raise ServiceDown("no bundle is being served")
        return self._current.process

    def wait(self) -> int:
        """Until somebody stops it; the exit status."""
        return self.process.wait()

    def begin(self, tag: str, env: Mapping[str, str]) -> None:
        """Serve a bundle. One that is served already goes on until this one is ready, and finishes what it began.

        To be called in the thread that outlives the service: the system ends it with the thread that began it.

        Raises:
            ServiceDown: it did not become ready; the one before is still served.
        """
        started = _Running.start(tag, self._socket, bento_home=self._bento_home, env=env, log=self._log)
        before, self._current = self._current, started
        if before:
            self._leaving.append(Thread(target=before.stop, args=(DRAINED_WITHIN_SECONDS,)))
            self._leaving[-1].start()

    def settle(self) -> None:
        """Until those that were taken over from have ended."""
        for thread in self._leaving:
            thread.join()
        self._leaving.clear()

    def end(self) -> None:
        """Stop answering."""
        if self._current:
            self._current.stop(STOPPED_WITHIN_SECONDS)
        self.settle()


@contextmanager
def serve_bundle(
    tag: str,
    *,
    bento_home: Path,
    host: str = listening.LOOPBACK,
    port: int | None = None,
    env: Mapping[str, str],
    log: IO[bytes] | None = None,
) -> Iterator[Served]:
    """The bundle served while the block runs.

    Args:
        host: an IPv4 address of this machine, or ``0.0.0.0`` for all of them.
        port: a free one when None.
        env: ``POSOLOGY_STORE_URL``, ``POSOLOGY_TOKEN`` and other settings of the service.
        log: where its output goes; kept only to explain a failed start when None.

    Raises:
        ServiceDown: nobody can listen there, or the service did not become ready.
    """
    with _listening(host, port) as socket:
        served = Served(socket, bento_home, log)
        try:
            served.begin(tag, env)
            yield served
        finally:
            served.end()


@contextmanager
def _listening(host: str, port: int | None) -> Iterator[socket.socket]:
    try:
        listening_socket = listening.listen(port, host)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise ServiceDown(f"{host} is no address of this machine; expected one of its own") from error
        raise ServiceDown(f"port {port} is taken; stop what listens there or choose another") from error
    with listening_socket:
        yield listening_socket


@dataclass(frozen=True)
class _Running:
    """One bundle's processes."""

    process: subprocess.Popen[bytes]
    folder: "tempfile.TemporaryDirectory[str]"
    family: set[psutil.Process] = field(default_factory=set)  # BentoML's worker leads a session of its own

    @classmethod
    def start(
        cls, tag: str, socket: socket.socket, *, bento_home: Path, env: Mapping[str, str], log: IO[bytes] | None
    ) -> "_Running":
        folder = tempfile.TemporaryDirectory(prefix="posology-serve-")
        work, fd = Path(folder.name), socket.fileno()
        host, port = socket.getsockname()
        tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        bentoml = [sys.executable, "-P", listening.__file__, str(fd)]
        own = {
            "PROMETHEUS_MULTIPROC_DIR": str(work / "metrics"),  # two services must not mix their counts
            "POSOLOGY_READY": str(work / "ready"),
        }
        with tempfile.TemporaryFile() as own_log:
            process = subprocess.Popen(
                [*tethered, *bentoml, "serve", tag, "--host", host, "--port", str(port)],
                cwd=work,
                env=bento_environment(bento_home, {**ONE_USER_AT_A_TIME, **env, **own}),
                stdin=subprocess.DEVNULL,
                stdout=log or own_log,
                stderr=subprocess.STDOUT,
                pass_fds=(fd,),
                start_new_session=True,  # Ctrl-C in the terminal reaches us alone, and we stop it in order
            )
            running = cls(process, folder)
            try:
                _wait_until_ready(process, _url(socket), work / "ready", tag, own_log)
            except BaseException:
                running.stop(STOPPED_WITHIN_SECONDS)
                raise
        running.family.update(_descendants(process.pid))
        return running

    def stop(self, within_seconds: float) -> None:
        """Ask the service to end, which ends its workers; then end whatever is left of both."""
        family = self.family | _descendants(self.process.pid)
        try:
            self.process.terminate()
            self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.process.kill()
            self.process.wait()
            for left in family:
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            self.folder.cleanup()


def _url(socket: socket.socket) -> str:
    """Where who is on this machine reaches it."""
    host, port = socket.getsockname()
    return f"http://{listening.LOOPBACK if host == EVERYWHERE else host}:{port}"


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, ready: Path, tag: str, log: IO[bytes]) -> None:
    """Until the release is loaded, and the address answers."""
    give_up_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        if ready.exists() and _answers(url):
            return
        time.sleep(0.05)
    log.seek(0)
    last = "\n".join(log.read().decode(errors="replace").splitlines()[-8:])
    raise ServiceDown(f"{tag} did not become ready:\n{last}" if last else f"{tag} did not become ready; see its log")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _descendants(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()
