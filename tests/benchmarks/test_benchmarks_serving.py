"""The benchmarks of serving, small."""

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks import replayed
from benchmarks.serving import growth
from benchmarks.serving.load import closed_loop, open_loop, post


@pytest.fixture
def server() -> Iterator[int]:
    """Answers a request with its own body, and refuses one that says so; a connection at a time in each thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection:
                while asked := connection.recv(65536):
                    body = asked.partition(b"\r\n\r\n")[2]
                    status = b"404 Not Found" if body == b"no" else b"200 OK"
                    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
                    connection.sendall(head)
                    connection.sendall(body)

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def test_every_request_is_measured_and_refusals_are_counted(server: int) -> None:
    requests = [post("/", b"yes", Authorization="Bearer t"), post("/", b"no")]
    found = closed_loop(server, lambda nth: requests[nth % 2], connections=3, requests=40)
    assert (found.milliseconds.size, found.refused) == (20, 20)
    assert 0 < found.percentile(50) <= found.percentile(99)
    assert found.per_second > 0


def test_requests_come_when_they_come(server: int) -> None:
    found = open_loop(server, lambda _: post("/", b"yes"), per_second=400, requests=40, connections=2, seed=1)
    assert found.milliseconds.size == 40
    assert np.isfinite(found.milliseconds).all()
    assert found.seconds > 0.02


@pytest.mark.thorough
def test_a_small_growth_measures_every_size() -> None:
    result = growth.run(courses=(10, 60), catalogues=(50, 70, 120), rounds=2, patients=120)
    assert len(result.rows) == 5
    assert "times as many" in result.says[-1]


@pytest.mark.thorough
def test_a_small_replay_finds_every_decision_the_same() -> None:
    result = replayed.run(users=3, sessions=5, decisions=30, patients=120)
    assert [row[1] for row in result.rows] == [29, 29, 29]
    assert "A million decisions" in result.says[0]
