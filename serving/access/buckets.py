"""Token buckets: how many calls each caller may make, on average and at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

BURST_SECONDS = 2.0  # a caller that was quiet may make the calls of two seconds at once


@dataclass
class Bucket:
    """Fills with ``per_second`` calls up to those of ``BURST_SECONDS``, at least one; each call takes one out."""

    per_second: float
    clock: Callable[[], float] = time.monotonic
    _level: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._at = self._size, self.clock()

    def take(self) -> float:
        """Take a call out and give 0, or leave the bucket and give the seconds until there is one."""
        now = self.clock()
        self._level = min(self._size, self._level + (now - self._at) * self.per_second)
        self._at = now
        if self._level < 1:
            return (1 - self._level) / self.per_second
        self._level -= 1
        return 0.0

    @property
    def _size(self) -> float:
        return max(1.0, self.per_second * BURST_SECONDS)
