"""What holds for all tests, and the servers that several rooms test against."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings

from posology.therapy import Therapy

POSTGRES = Path("/usr/lib/postgresql/15/bin")

# The first example of a test pays for imports and compiling, and a busy machine for more: time is no law here.
settings.register_profile("posology", deadline=None)
settings.load_profile("posology")


def free_port() -> int:
    """A port of the loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of our own; it refuses to run as root, so root becomes postgres."""
    if not POSTGRES.is_dir():
        pytest.skip(f"PostgreSQL is not installed: {POSTGRES} (apt-get install postgresql)")
    folder = Path(tempfile.gettempdir()) / f"posology-postgres-{uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]

    def run(program: str, *arguments: str) -> None:
        command = [*prefix, str(POSTGRES / program), *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    data, port = str(folder / "data"), free_port()
    try:
        run("initdb", "-D", data, "-U", "posology", "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        run("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://posology@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def clinic() -> Therapy:
    """A small therapy with a column of every kind, for data that come from elsewhere."""
    return Therapy.model_validate(
        {
            "name": "clinic",
            "title": "Walks",
            "version": 1,
            "status": {
                "instrument": "PHQ9",
                "minimum": 0,
                "maximum": 27,
                "better": "lower",
                "smallest_important_change": 5,
                "final_after_days": 56,
                "final_window_days": 14,
            },
            "user": {
                "age": {"kind": "number", "minimum": 18, "maximum": 110, "unit": "years"},
                "sex": {"kind": "category", "values": ["female", "male"]},
                "voice": {"kind": "embedding"},
            },
            "context": {"sleep": {"kind": "number", "minimum": 0, "maximum": 24, "unit": "hours"}},
            "content": {"minutes": {"kind": "number", "minimum": 0, "maximum": 60}},
            "feedback": {
                "columns": {"score": {"kind": "number"}, "done": {"kind": "boolean"}, "comment": {"kind": "text"}},
                "value": "score / 100",
                "due_hours": 24,
                "missing": 0.0,
            },
            "safety": {"safe_default": "rest"},
            "objective": "feedback",
            "exploration": {"floor": 0.02, "temperature": 0.1},
            "catalogue": [{"content_id": "rest", "minutes": 0}, {"content_id": "walk", "minutes": 20}],
        }
    )
