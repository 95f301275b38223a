"""The real flow in a fresh home, and whose time it takes."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cohorts import PATIENTS, tables
from benchmarks.owners import IMPORTS, ORCHESTRATION, OWN, ROOT
from benchmarks.processes import Family, run_module
from benchmarks.result import Result, Row

OWNERS = (OWN, IMPORTS, *ORCHESTRATION)
MEMORY_LIMIT_GIB = 2


@dataclass(frozen=True)
class Retraining:
    """What one retraining took.

    Attributes:
        seconds: step → owner → wall seconds, the steps in order.
        cpu_seconds: of the process itself.
        peak_bytes: of the process itself.
    """

    seconds: Mapping[str, Mapping[str, float]]
    verdict: str
    cpu_seconds: float
    peak_bytes: int
    family: Family

    def of_owner(self, owner: str) -> float:
        """Wall seconds of one owner."""
        return sum(spent.get(owner, 0.0) for spent in self.seconds.values())

    @property
    def orchestration(self) -> float:
        """Wall seconds of the four libraries that orchestrate."""
        return sum(map(self.of_owner, ORCHESTRATION))

    @property
    def total(self) -> float:
        """Wall seconds of everything."""
        return sum(map(self.of_owner, OWNERS))


def run(patients: int = PATIENTS) -> Result:
    """How a retraining's wall time divides among our own work and the libraries that orchestrate it."""
    made = tables(patients)
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder, "data"))
        retraining = retrain(Path(folder, "home"), Path(folder, "data"))
    return Result(
        asks=(
            f"`posology retrain mci` on {made.sessions.height:,} sessions of {patients:,} patients in a fresh home, "
            "where all databases have to be made: wall seconds of each step, by whose code the main thread was in. "
            "Our code that only serves one of the four counts as theirs, waiting for the Prefect server as Prefect's."
        ),
        columns=("step", *OWNERS, "all"),
        rows=tuple(_rows(retraining)),
        says=tuple(_says(retraining)),
    )


def retrain(home: Path, data: Path) -> Retraining:
    """Retrain in a process of its own."""
    said, family = run_module("benchmarks.retrain_run", home, data, folder=ROOT)
    about = json.loads(said)
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for step, owner, spent in about.pop("seconds"):
        seconds[step][owner] = spent
    return Retraining(seconds=seconds, family=family, **about)


def _rows(retraining: Retraining) -> Iterable[Row]:
    for step, spent in retraining.seconds.items():
        yield _row(step, [*(spent.get(owner, 0.0) for owner in OWNERS), sum(spent.values())])
    totals = [*map(retraining.of_owner, OWNERS), retraining.total]
    yield _row("total", totals)
    yield "share", *(f"{spent / retraining.total:.0%}" for spent in totals)


def _row(name: str, seconds: Iterable[float]) -> Row:
    return name, *(round(spent, 2) for spent in seconds)


def _says(retraining: Retraining) -> Iterable[str]:
    spent, total, family = retraining.orchestration, retraining.total, retraining.family
    yield f"Orchestration takes {spent / total:.0%} of the wall time ({spent:.0f} of {total:.0f} s)."
    yield (
        "While the Prefect server starts, another thread imports what the stages need and makes MLflow's database; "
        "that time is Prefect's here, because the main thread waits for both."
    )
    yield (
        f"Peak memory: {retraining.peak_bytes / 2**30:.2f} GiB in the retraining process (limit: {MEMORY_LIMIT_GIB}), "
        f"{family.peak_bytes / 2**30:.2f} GiB with the Prefect server."
    )
    yield (
        f"Processor time: {retraining.cpu_seconds:.0f} s, and {family.children_seconds:.0f} s in the Prefect server. "
        f"The verdict was {retraining.verdict}."
    )
