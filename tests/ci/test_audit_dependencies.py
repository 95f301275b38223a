"""The dependency audit, with a vulnerability database of the test's own."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.conftest import free_port

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit.py"
LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "leaky"
version = "1.0"
source = { registry = "http://127.0.0.1:1/simple" }

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "leaky" }]

[package.metadata]
requires-dist = [{ name = "leaky" }]
"""
PROJECT = '[project]\nname = "shop"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = ["leaky"]\n'


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does: of package ``leaky`` it knows what ``vulnerable`` says."""

    vulnerable: ClassVar[bool] = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        entry = {"vulns": [{"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z"}]}
        is_known = [self.vulnerable and query["package"]["name"] == "leaky" for query in asked]
        self._answer({"results": [entry if known else {} for known in is_known]})

    def do_GET(self) -> None:
        events = [{"introduced": "0"}, {"fixed": "1.1"}]
        package = {"name": "leaky", "ecosystem": "PyPI"}
        about = {"id": "PYSEC-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-1"], "summary": "it leaks"}
        self._answer({**about, "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]})

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Audits a project that depends on ``leaky``; gives the exit status and what was said."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed (pip install uv)")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "uv.lock").write_text(LOCK)
    (tmp_path / "audit.toml").touch()

    def run(service: str, *, ignored: str = "", uv: Path | None = None) -> tuple[int, str]:
        (tmp_path / "audit.toml").write_text(ignored)
        options = ["--project", tmp_path, "--ignored", tmp_path / "audit.toml", "--service", service]
        env = {**os.environ, "UV_NO_CONFIG": "1", **({"PATH": str(uv)} if uv else {})}
        command = [sys.executable, AUDIT, *map(str, options), "--today", "2026-06-01"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        return done.returncode, done.stdout + done.stderr

    return run


def ignoring(until: str) -> str:
    return f'[[ignored]]\nid = "CVE-1"\nreason = "nobody leaks here"\nuntil = {until}\n'


def test_a_known_vulnerability_fails_and_says_where_it_is_fixed(audit: Any, service: str) -> None:
    status, said = audit(service)
    assert status == 1
    assert "leaky 1.0: PYSEC-1, CVE-1: it leaks (fixed in 1.1)" in said


def test_an_ignored_one_passes_until_its_day(audit: Any, service: str) -> None:
    status, said = audit(service, ignored=ignoring("2026-06-02"))
    assert status == 0
    assert "nobody leaks here" in said
    status, said = audit(service, ignored=ignoring("2026-06-01"))
    assert status == 1
    assert "no longer ignored" in said


def test_without_vulnerabilities_it_passes(audit: Any, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "vulnerable", False)
    status, said = audit(service)
    assert status == 0
    assert "0 known vulnerabilities" in said


def test_without_a_network_it_passes_and_says_loudly_that_nothing_was_audited(audit: Any) -> None:
    status, said = audit(f"http://127.0.0.1:{free_port()}/")
    assert status == 0
    assert "NOT AUDITED" in said


@pytest.mark.parametrize(
    "ignored",
    [
        '[[ignored]]\nid = "CVE-1"\nuntil = 2027-01-01\n',
        ignoring("2027-01-01").replace("nobody leaks here", " "),
        ignoring('"soon"'),
    ],
)
def test_an_exception_needs_a_reason_and_a_day(audit: Any, ignored: str) -> None:
    status, said = audit("http://127.0.0.1:1/", ignored=ignored)
    assert status == 1
    assert "reason" in said


def test_a_uv_that_cannot_audit_is_told_to_be_replaced(audit: Any, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "uv"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho \"error: unrecognized subcommand 'audit'\" >&2\nexit 2\n")
    old.chmod(0o755)
    status, said = audit("http://127.0.0.1:1/", uv=old.parent)
    assert status == 2
    assert "newer" in said
