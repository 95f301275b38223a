"""What the load generator itself can do: a server that reads a request and sends bytes it had ready."""

import asyncio
import sys


class _Ready(asyncio.Protocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._left:
            head, _, begun = data.partition(b"\r\n\r\n")
            self._left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            data = begun
        self._left -= len(data)
        if not self._left:
            self._transport.write(self._answer)


async def main(port: int, size: int) -> None:
    """Answer on the loopback until stopped."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size
    server = await asyncio.get_running_loop().create_server(lambda: _Ready(answer), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
