"""A load generator on raw sockets: HTTP/1.1, kept alive, one request at a time on each connection."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

Request = Callable[[int], bytes]  # the nth request, whole


@dataclass(frozen=True)
class Measured:
    """What came of many requests.

    Attributes:
        milliseconds: (n,) of each answer with status 200, from when it was to be sent.
        refused: how many were answered otherwise.
        seconds: from the first request to the last answer.
        own_cpu_seconds: processor time that the load generator itself took meanwhile.
    """

    milliseconds: np.ndarray
    refused: int
    seconds: float
    own_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers with status 200."""
        return self.milliseconds.size / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds that a share of the answers did not exceed."""
        return float(np.percentile(self.milliseconds, share))


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._came = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        head_end = self._came.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = bytes(self._came[:head_end]).lower()
        length = int(head.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
        end = head_end + 4 + length
        if len(self._came) >= end:
            answer = int(head[9:12]), bytes(self._came[head_end + 4 : end])
            self._came.clear()
            assert self._answer is not None
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def ask(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A request as it goes over the wire."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def closed_loop(port: int, request: Request, *, connections: int, requests: int) -> Measured:
    """Every connection sends its next request when it has the answer to the last."""
    asked = [request(nth) for nth in range(requests)]

    async def run() -> Measured:
        lines = [await _connect(port) for _ in range(connections)]
        times, statuses = np.empty(requests), np.empty(requests, dtype=int)
        turns = iter(range(requests))

        async def work(line: _Connection) -> None:
            for nth in turns:
                began = time.perf_counter()
                statuses[nth], _ = await line.ask(asked[nth])
                times[nth] = time.perf_counter() - began

        return await _timed([work(line) for line in lines], times, statuses, lines)

    return asyncio.run(run())


def open_loop(
    port: int, request: Request, *, per_second: float, requests: int, connections: int, seed: int
) -> Measured:
    """Requests come when they come (Poisson), whether or not earlier ones are answered.

    An answer's time counts from when its request was due, also while it waits for a free connection.
    """
    asked = [request(nth) for nth in range(requests)]

    async def run() -> Measured:
        all_lines = [await _connect(port) for _ in range(connections)]
        lines: asyncio.Queue[_Connection] = asyncio.Queue()
        for line in all_lines:
            lines.put_nowait(line)
        times, statuses = np.empty(requests), np.empty(requests, dtype=int)
        due = time.perf_counter() + np.cumsum(np.random.default_rng(seed).exponential(1 / per_second, requests))

        async def work(nth: int) -> None:
            await asyncio.sleep(due[nth] - time.perf_counter())
            line = await lines.get()
            statuses[nth], _ = await line.ask(asked[nth])
            times[nth] = time.perf_counter() - due[nth]
            lines.put_nowait(line)

        return await _timed([work(nth) for nth in range(requests)], times, statuses, all_lines)

    return asyncio.run(run())


async def _connect(port: int) -> _Connection:
    _, line = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return line


async def _timed(
    work: list[Coroutine[Any, Any, None]], times: np.ndarray, statuses: np.ndarray, lines: list[_Connection]
) -> Measured:
    began, cpu = time.perf_counter(), time.process_time()
    try:
        await asyncio.gather(*work)
    finally:
        for line in lines:
            line.close()
        await asyncio.sleep(0)  # the loop closes them when it is its turn
    seconds, own = time.perf_counter() - began, time.process_time() - cpu
    is_fine = statuses == 200
    return Measured(1000 * times[is_fine], int((~is_fine).sum()), seconds, own)
