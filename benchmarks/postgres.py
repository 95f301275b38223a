"""A PostgreSQL server of a benchmark's own, where one is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


class Server:
    """A server in a folder, on a port of the loopback; it refuses to run as root, so root becomes postgres."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        self._prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._prefix:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", self._data, "-U", "posology", "--auth=trust", "-E", "UTF8")

    @property
    def url(self) -> str:
        """Where it answers while it runs."""
        return f"postgresql://posology@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Have it answer."""
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self._data, "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """End it at once, as a crash would."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._prefix, str(PROGRAMS / program), *arguments]
        subprocess.run(command, check=True, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)


@contextmanager
def postgres() -> Iterator[str | None]:
    """The URL of a server that runs during the block; None where PostgreSQL is not installed."""
    if not PROGRAMS.is_dir():
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o700)
        server = Server(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()
