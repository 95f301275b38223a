"""Runs one server for as long as anybody uses it. Started as a program of its own: only the standard library here.

Users hold a shared lock on a file; the system drops it when a user dies, even
by ``kill -9``. When the keeper gets that lock for itself nobody is left: it
stops the server and all its children and removes the server's record.

    python keeper.py LOCK RECORD COMMAND...
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.25


def main(lock: Path, record: Path, command: list[str]) -> None:
    """Run the command, in a group of its own, until it ends by itself or nobody uses it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the server would inherit
    with lock.open("a") as users:
        server = subprocess.Popen(command, process_group=0, preexec_fn=_die_with_the_keeper)  # noqa: PLW1509 no threads
        while server.poll() is None and not _nobody_uses(users.fileno()):
            time.sleep(POLL_SECONDS)
        stop_group(server)
        record.unlink(missing_ok=True)


def _nobody_uses(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop_group(server: "subprocess.Popen[bytes]", patience_seconds: float = 10.0) -> None:
    """Ask the server and its children to end; after a while make them."""
    deadline = time.monotonic() + patience_seconds
    with contextlib.suppress(ProcessLookupError):  # raised once the group is empty
        os.killpg(server.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            server.poll()
            os.killpg(server.pid, 0)
            time.sleep(POLL_SECONDS / 5)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _die_with_the_keeper() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
