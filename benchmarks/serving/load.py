"""A load generator on raw sockets: HTTP/1.1, kept alive, one request at a time on each connection."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

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

    def ask(self, request: bytes) -> "asyncio.Future[tuple[int, bytes]]":
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer


def post(path: str, body: bytes, token: str = "") -> bytes:
    """A request as it goes over the wire."""
    headers = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{headers}{authorization}Content-Length: {len(body)}\r\n\r\n".encode() + body


def closed_loop(port: int, request: Request, *, connections: int, requests: int) -> Measured:
    """Every connection sends its next request when it has the answer to the last."""

    async def run() -> Measured:
        lines = [await _connect(port) for _ in range(connections)]
        times, statuses = np.empty(requests), np.empty(requests, dtype=int)
        turns = iter(range(requests))

        async def work(line: _Connection) -> None:
            for nth in turns:
                began = time.perf_counter()
                statuses[nth], _ = await line.ask(request(nth))
                times[nth] = time.perf_counter() - began

        return await _timed([work(line) for line in lines], times, statuses)

    return asyncio.run(run())


async def _connect(port: int) -> _Connection:
    _, line = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return line


async def _timed(work: list, times: np.ndarray, statuses: np.ndarray) -> Measured:
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*work)
    seconds, own = time.perf_counter() - began, time.process_time() - cpu
    is_fine = statuses == 200
    return Measured(1000 * times[is_fine], int((~is_fine).sum()), seconds, own)
