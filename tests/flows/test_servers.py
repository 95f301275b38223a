"""A server of the home lives as long as somebody uses it and not longer, whatever becomes of who started it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from flows import server_process
from flows.home import Home
from flows.keeper import stop_group
from flows.registry import Registry
from flows.release_version import REQUIRED_TAGS
from flows.server_process import ServerProcess, is_alive, is_well
from flows.servers import mlflow_server, prefect_server
from flows.settings import Settings
from posology.errors import ServiceDown

SERVE = 'mkdir -p www; exec "$0" -m http.server "$1" --directory www --bind 127.0.0.1'
TOY = f"echo $$ > pids; sleep 600 & echo $! >> pids; {SERVE}"  # notes its own pid and its child's


def toy(folder: Path, script: str = TOY, start_seconds: float = 20.0) -> ServerProcess:
    return ServerProcess(
        name="toy",
        folder=folder,
        command=lambda port: ["sh", "-c", f"cd '{folder}'; {script}", sys.executable, str(port)],
        environment=dict(os.environ),
        health_path="/",
        start_seconds=start_seconds,
    )


def pids_of(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def all_gone(folder: Path) -> bool:
    return not any(is_alive(pid) for pid in pids_of(folder)) and not (folder / "server.json").exists()


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started the toy server."""
    code = f"import importlib.util as u; s = u.spec_from_file_location('toys', {__file__!r}); " + (
        "m = u.module_from_spec(s); s.loader.exec_module(m); m.use_until_told(__import__('sys').argv[1])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def use_until_told(folder: str) -> None:
    with toy(Path(folder)).running() as address:
        print(address, flush=True)  # noqa: T201 - how the other process tells
        time.sleep(600)


def test_a_server_and_its_children_end_with_the_block(tmp_path: Path) -> None:
    with toy(tmp_path).running() as address:
        assert is_well(address)
        assert all(is_alive(pid) for pid in pids_of(tmp_path))
    assert all_gone(tmp_path)
    assert not is_well(address)


def test_a_server_ends_when_the_block_raises(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), toy(tmp_path).running():
        raise ZeroDivisionError
    assert all_gone(tmp_path)


def test_a_second_user_joins_and_the_server_stays_until_both_are_gone(tmp_path: Path) -> None:
    first, second = toy(tmp_path).running(), toy(tmp_path).running()
    address = first.__enter__()
    assert second.__enter__() == address
    first.__exit__(None, None, None)
    time.sleep(0.6)  # more than the keeper's poll
    assert is_well(address)
    second.__exit__(None, None, None)
    assert all_gone(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_when_the_starter_is_ended(
    starter: subprocess.Popen[str], tmp_path: Path, how: signal.Signals
) -> None:
    starter.send_signal(how)
    starter.wait()
    assert eventually(lambda: all_gone(tmp_path))


def test_who_joined_keeps_the_server_when_its_starter_is_killed(starter: subprocess.Popen[str], tmp_path: Path) -> None:
    with toy(tmp_path).running() as address:
        assert pids_of(tmp_path)
        starter.kill()
        starter.wait()
        time.sleep(0.6)
        assert is_well(address)
    assert eventually(lambda: all_gone(tmp_path))


def test_a_record_of_a_server_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"pid": os.getpid(), "address": "http://127.0.0.1:9"}))
    with toy(tmp_path).running() as address:
        assert is_well(address)


def test_who_answers_at_our_port_is_not_taken_for_our_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, others = toy(tmp_path / "mine"), toy(tmp_path / "others")
    with others.running() as taken:
        port = int(taken.rpartition(":")[2])
        looked = iter([port, server_process.free_port()])  # when we looked, the first was still free
        monkeypatch.setattr(server_process, "free_port", lambda *_: next(looked))
        with mine.running() as address:
            assert address != taken
            assert is_well(address)
            assert pids_of(tmp_path / "mine")


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match=r"toy server ended before it was ready(.|\n)*the disk is on fire"):
        toy(tmp_path, "echo the disk is on fire; exit 3").running().__enter__()


def test_a_server_that_does_not_get_ready_is_stopped_and_reported(tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match="not ready in 1 s"):
        toy(tmp_path, "echo $$ > pids; exec sleep 600", start_seconds=1.0).running().__enter__()
    assert eventually(lambda: all_gone(tmp_path))


def test_a_server_that_does_not_listen_to_reason_is_killed() -> None:
    command = ["sh", "-c", "trap '' TERM; echo ready; exec sleep 600"]
    with subprocess.Popen(command, process_group=0, stdout=subprocess.PIPE) as server:
        assert server.stdout
        server.stdout.readline()
        stop_group(server, patience_seconds=0.3)
        assert server.returncode == -signal.SIGKILL


def test_prefect_answers_and_is_joined(prefect_home: Home) -> None:
    settings = Settings(home=prefect_home.root)
    with prefect_server(prefect_home, settings) as api, prefect_server(prefect_home, settings) as again:
        assert again == api
        assert httpx.post(f"{api}/flows/filter", json={"flows": None}, trust_env=False).is_success
        assert (prefect_home.prefect / "prefect.db").exists()


def test_mlflow_starts_answers_and_ends(home: Home, settings: Settings, registry: Registry) -> None:
    registry.register_release(
        "calm", run_id="", release="calm-0123456789ab", artifact_uri="/", tags=dict.fromkeys(REQUIRED_TAGS, "x")
    )
    with mlflow_server(home, settings) as address:
        found = httpx.get(f"{address}/api/2.0/mlflow/registered-models/search", trust_env=False)
        assert [model["name"] for model in found.json()["registered_models"]] == ["calm-release"]
    assert not is_well(f"{address}/health")


@pytest.mark.parametrize(
    ("server", "setting"), [(prefect_server, "prefect_api_url"), (mlflow_server, "mlflow_tracking_uri")]
)
def test_a_server_that_others_run_must_answer(tmp_path: Path, server: Callable, setting: str) -> None:
    settings = Settings(home=tmp_path, **{setting: "http://127.0.0.1:9/api"})
    with pytest.raises(ServiceDown, match=f"POSOLOGY_{setting.upper()} names http://127.0.0.1:9/api"):
        server(Home.open(tmp_path), settings).__enter__()
