"""What a benchmark measured, and how things are timed against each other."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Row = tuple[str | float, ...]


@dataclass(frozen=True)
class Result:
    """A table of measurements.

    Attributes:
        asks: what is measured, in a sentence.
        columns: names, units included.
        rows: names first, then numbers.
        says: what follows, in sentences.
    """

    asks: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    says: tuple[str, ...]

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"expected {len(self.columns)} cells in a row, got {wrong[0]}")

    def as_json(self) -> dict[str, Any]:
        """The fields, with full precision."""
        return asdict(self)


def race(runners: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Each runner's best wall time in seconds.

    They take turns, so that whatever else the machine does slows all of them
    alike; a round to warm up (compiling, caches) is not counted.
    """
    best = dict.fromkeys(runners, float("inf"))
    for lap in range(rounds + 1):
        for name, run in runners.items():
            began = time.perf_counter()
            run()
            if lap:
                best[name] = min(best[name], time.perf_counter() - began)
    return best
