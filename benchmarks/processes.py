"""A program run and looked at from outside: what it says, and what it and its children hold and take."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOK_SECONDS = 0.2


@dataclass
class Family:
    """A process and all it started.

    Attributes:
        peak_bytes: the most memory all of them held at once; pages they share are counted in each.
        children: process id → processor seconds of what it started.
    """

    peak_bytes: int = 0
    children: dict[int, float] = field(default_factory=dict)

    @property
    def children_seconds(self) -> float:
        """Processor seconds of all it started."""
        return sum(self.children.values())

    def watch(self, process: psutil.Process) -> None:
        """Look at the process until it has ended."""
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            held = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    held += one.memory_info().rss
                    if one != process:
                        self.children[one.pid] = sum(one.cpu_times()[:2])
                except psutil.NoSuchProcess:
                    continue
            self.peak_bytes = max(self.peak_bytes, held)
            time.sleep(LOOK_SECONDS)


def run_module(module: str, *arguments: Path, folder: Path) -> tuple[str, Family]:
    """The last line a Python module says when it is run in a folder, and what was seen of it meanwhile.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    family = Family()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=family.watch, args=(psutil.Process(process.pid),))
        watcher.start()
        said, _ = process.communicate()
        watcher.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return said.splitlines()[-1], family
