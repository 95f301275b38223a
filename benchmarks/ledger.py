"""Whose time it is: where the main thread stands, looked at every few milliseconds.

Library calls need no timers then, and nothing is counted twice or left out:
the time since the last look goes to whoever has the innermost frame. Time in
compiled code that holds the interpreter goes to whoever called it.
"""

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_SECONDS = 0.003
Owner = Callable[[FrameType], str]


class Ledger:
    """Wall seconds by step and owner.

    Attributes:
        seconds: (step, owner) → seconds.
    """

    def __init__(self, owner: Owner, step: str) -> None:
        """Args:
        owner: says from the innermost frame whose time it is.
        step: the first one.
        """
        self.seconds: dict[tuple[str, str], float] = defaultdict(float)
        self._owner, self._step = owner, step

    def begin(self, step: str) -> None:
        """Count what follows to another step."""
        self._step = step

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Watch the thread that enters, from now until the block ends."""
        ended = threading.Event()
        watched = threading.get_ident()
        watcher = threading.Thread(target=self._watch, args=(watched, ended), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _watch(self, watched: int, ended: threading.Event) -> None:
        before = time.perf_counter()
        while not ended.wait(LOOK_SECONDS):
            frame = sys._current_frames()[watched]
            now = time.perf_counter()
            self.seconds[self._step, self._owner(frame)] += now - before
            before = now
