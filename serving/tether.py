"""A process that does not outlive the one that started it, also when that is killed. On Linux; elsewhere no change.

    python tether.py PARENT COMMAND...

runs the command in its own place; with the standard library alone, so that it costs no time.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the system ask this process to end (SIGTERM) when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main(parent: int, command: list[str]) -> None:
    """Become the command, unless the parent is gone already."""
    end_with_parent()
    if os.getppid() == parent:
        os.execvp(command[0], command)  # noqa: S606 - the caller's own command, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
