"""Whether the test of F as a stand-in for Mf passes where F tells of Mf, and fails where F misleads."""

from collections.abc import Iterator

import numpy as np

from benchmarks.pages import text_of
from benchmarks.result import Result
from flows.cli.output import out, print_table
from flows.quiet import be_quiet
from models.effects import Scores, logs_of
from models.effects.surrogate import surrogate_evidence
from posology.simulators import Conditions, simulate
from posology.surrogate import Surrogate, surrogate
from posology.therapy_file import load_therapy

THERAPIES = ("mci", "depression", "tinnitus")
PATIENTS = 2_500
SEEDS = (301, 302)  # chosen before any of them was looked at


def measured(therapy_name: str, *, patients: int, seed: int, misleading: float) -> Surrogate:
    """The test on a simulated log of its own."""
    therapy = load_therapy(therapy_name)
    cohort = simulate(therapy, patients=patients, seed=seed, conditions=Conditions(misleading=misleading))
    logs = logs_of(therapy, cohort.tables)
    scores = {target: Scores.of(choices, target) for target, choices in logs.items()}
    return surrogate(surrogate_evidence(logs, scores), np.random.default_rng(seed))


def rows() -> Iterator[tuple[str, ...]]:
    """One a cohort."""
    for therapy in THERAPIES:
        for misleading in (0.0, 1.0):
            for seed in SEEDS:
                found = measured(therapy, patients=PATIENTS, seed=seed, misleading=misleading)
                world = "F misleads" if misleading else "F tells of Mf"
                yield therapy, world, str(seed), str(found.patients), str(found.gain), str(found.slope)


def run() -> Result:
    """Gain by choosing by F, over a course, in smallest important changes; slope in points per unit of F."""
    return Result(
        asks="F as a stand-in for Mf (G105): passes above 0, fails below 0.5",
        columns=("therapy", "world", "seed", "finished courses", "gain by choosing by F", "slope"),
        rows=tuple(rows()),
        says=(f"{PATIENTS:,} patients a cohort, treated by the clinician.",),
    )


if __name__ == "__main__":
    be_quiet()
    table = run()
    print_table(table.asks, table.columns, [[text_of(cell) for cell in row] for row in table.rows])
    for sentence in table.says:
        out.print(sentence)
