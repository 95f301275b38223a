"""``posology serve`` says how to try it, and what it says works."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from flows.champion import ServedChampion
from flows.cli import main, welcome
from flows.home import Home
from flows.promotion import Promotion
from flows.release_version import ReleaseVersion
from posology.errors import CannotDo, ServiceDown
from serving.running import Served, _listening

AT = ["--host", "127.0.0.2"]  # an address of its own
POSOLOGY = [sys.executable, "-c", "from flows.cli import main; main()"]


def test_only_an_address_of_this_machine_is_listened_on(
    home: Home, calm_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["posology", "serve", str(calm_file), "--home", str(home.root), "--host", "example.org"]
    )
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == CannotDo.exit_status
    assert "expected an IPv4 address" in capfd.readouterr().err
    with pytest.raises(ServiceDown, match="no address of this machine"), _listening("192.0.2.1", 0):
        pass


def test_a_service_on_every_address_is_told_by_one_that_can_be_asked() -> None:
    with _listening("0.0.0.0", None) as socket:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", Served(socket, Path(), None).url)
    with _listening("127.0.0.1", None) as socket:
        assert socket.getsockname()[0] == "127.0.0.1"


@pytest.fixture
def champion(
    promotion: Promotion, candidate: Callable[..., ReleaseVersion], sign: Callable[..., None], now: datetime
) -> ReleaseVersion:
    version = candidate()
    sign(version)
    return promotion.switch(version, promotion.build(version), by="Ops", now=now)


@pytest.fixture
def said(champion: ReleaseVersion, home: Home, calm_file: Path) -> Iterator[list[str]]:
    """What it says before it waits, while it serves."""
    command = [*POSOLOGY, "serve", str(calm_file), "--home", str(home.root), *AT, "--port", str(_free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        yield lines
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_curl_line_that_serve_prints_works(said: list[str], champion: ReleaseVersion, home: Home) -> None:
    (line,) = (line for line in said if line.startswith("curl"))
    answered = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    answer = json.loads(answered.stdout)
    assert answer["release"] == champion.release
    assert answer["content_id"] in {"rest", "slow"}

    address, page, metrics, token = (
        _told(said, name).partition(" ")[0] for name in ("Address", "Page", "Metrics", "Token")
    )
    assert address.startswith("http://127.0.0.2:")
    assert token == home.token()
    assert httpx.get(page).headers["content-type"].startswith("text/html")
    with_token = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{address}/v1/release", headers=with_token).json()["release"] == champion.release
    exposed = httpx.get(metrics, headers=with_token).text
    assert f'posology_release_info{{release="{champion.release}",therapy="calm"}} 1.0' in exposed
    assert 'posology_calls_total{call="rank",status="200"} 1.0' in exposed
    assert "posology_store_up 1.0" in exposed


def _told(said: list[str], name: str) -> str:
    return next(line for line in said if line.strip().startswith(f"{name}: ")).partition(": ")[2]


def test_a_token_of_the_environment_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Served(ServedChampion):
        """Of which only this is asked."""

        release = "calm-1"

        def __init__(self) -> None:
            self.url, self.token, self.token_place = "http://127.0.0.1:3000", "a secret", "POSOLOGY_TOKEN"

    monkeypatch.setattr(welcome, "_example", lambda _: {"user": {"history": "it's [bold] so"}})
    welcome.show_welcome(Served())
    said = capsys.readouterr().out
    assert "a secret" not in said
    assert 'Bearer $POSOLOGY_TOKEN"' in said
    assert "[bold]" in said
