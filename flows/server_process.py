"""A server of this home, shared by all processes that use it and stopped when the last one is gone."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from flows import keeper
from flows.locks import exclusive, held
from posology.errors import ServiceDown
from posology.files import write_whole

POLL_SECONDS = 0.1
STOP_SECONDS = 15.0

# Of the keepers this process started: one may outlive the block that started it, and must be reaped when it ends.
_keepers: list["subprocess.Popen[bytes]"] = []


@dataclass(frozen=True)
class ServerProcess:
    """How to run one server: what to start, where it notes things, how to see that it is well."""

    name: str
    folder: Path  # its locks, record and log
    command: Callable[[int], list[str]]  # from the port to listen on
    environment: Mapping[str, str]
    health_path: str
    usual_port: int = 0  # taken when it is free, so that an address noted once is mostly right again
    start_seconds: float = 120.0

    @property
    def log(self) -> Path:
        """What the server said."""
        return self.folder / "server.log"

    @contextmanager
    def running(self) -> Iterator[str]:
        """The server's address: of the one that runs, else of one started now. Raises ``ServiceDown``."""
        with held(self._users, fcntl.LOCK_SH) as users:
            with exclusive(self.folder / "start.lock"):
                address = self._address_of_the_running() or self._start()
            try:
                yield address
            finally:
                self._leave(users)

    @property
    def _users(self) -> Path:
        return self.folder / "users.lock"

    @property
    def _record(self) -> Path:
        return self.folder / "server.json"

    def _address_of_the_running(self) -> str | None:
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return record["address"] if is_alive(record["pid"]) and is_well(record["address"] + self.health_path) else None

    def _start(self) -> str:
        port = free_port(self.usual_port)
        try:
            return self._start_at(port)
        except ServiceDown:
            if "already in use" not in self.log.read_text(encoding="utf-8", errors="replace"):
                raise
            return self._start_at(free_port())  # somebody else was quicker to take the port

    def _start_at(self, port: int) -> str:
        address = f"http://127.0.0.1:{port}"
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, self._users, self._record, *self.command(port)],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a group of its own: Ctrl-C at the terminal is not for the server
            )
        _keepers.append(process)
        deadline = time.monotonic() + self.start_seconds
        while not (is_well(address + self.health_path) and is_served_by(process.pid, port)):
            if process.poll() is not None:
                raise ServiceDown(f"The {self.name} server ended before it was ready. {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServiceDown(
                    f"The {self.name} server was not ready in {self.start_seconds:.0f} s. {self._last_words()}"
                )
            time.sleep(POLL_SECONDS)
        write_whole(self._record, json.dumps({"pid": process.pid, "address": address}))
        return address

    def _leave(self, users: int) -> None:
        """Stop using it; the last one waits until the keeper has stopped it."""
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        fcntl.flock(users, fcntl.LOCK_UN)
        deadline = time.monotonic() + STOP_SECONDS
        while self._record.exists() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        _keepers[:] = [process for process in _keepers if process.poll() is None]

    def _last_words(self, lines: int = 12) -> str:
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n".join([f"Its log {self.log} ends with:", *said]) if said else f"Its log {self.log} is empty."


def is_well(url: str) -> bool:
    """Whether a server on this machine answers 200 now; no proxy is asked."""
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=2.0)) as connection, suppress(OSError, HTTPException):
        connection.request("GET", place.path or "/")
        return connection.getresponse().status == HTTPStatus.OK
    return False


def is_served_by(pid: int, port: int) -> bool:
    """Whether a process below this one listens on a port: who answers there may be another home's server."""
    with suppress(psutil.Error):
        return any(
            connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
            for child in psutil.Process(pid).children(recursive=True)
            for connection in child.net_connections("tcp")
        )
    return False


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number that we may signal."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def free_port(usual: int = 0) -> int:
    """A loopback port nobody listens on now: the usual one if it is free."""
    try:
        with socket.create_server(("127.0.0.1", usual)) as listener:
            return int(listener.getsockname()[1])
    except OSError:
        return free_port()
