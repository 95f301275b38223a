"""``bentoml serve`` on a socket that listens already, which services hand on from one to the next.

    python -P listening.py FD serve BENTO ...

Whoever connects while one service ends and the next begins waits in the
socket's queue; nobody is refused.
"""

import os
import runpy
import socket
import sys
from typing import Any

LOOPBACK = "127.0.0.1"
BACKLOG = 2048  # connections that may wait, as BentoML has it


def listen(port: int | None, host: str = LOOPBACK) -> socket.socket:
    """A socket that listens on an IPv4 address of this machine; on a free port when None.

    Raises:
        OSError: the port is taken, or the address is none of this machine.
    """
    listening = socket.socket()
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port or 0))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def adopt(fd: int) -> None:
    """Have BentoML's supervisor take the listening socket instead of opening its own at the same address."""
    from circus.sockets import CircusSocket

    def take(self: Any) -> None:
        os.dup2(fd, self.fileno())
        self.host, self.port = self.getsockname()

    CircusSocket.bind_and_listen = take


def main(fd: int, arguments: list[str]) -> None:
    """Become BentoML's command line, on that socket."""
    adopt(fd)
    sys.argv = ["bentoml", *arguments]
    runpy.run_module("bentoml", run_name="__main__")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
