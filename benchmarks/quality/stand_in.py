"""Whether the test of F as a stand-in for Mf passes where F tells of Mf, and fails where F misleads."""

import argparse
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.pages import text_of
from benchmarks.result import Result
from flows.cli.output import out, print_table
from flows.params import read_params
from flows.quiet import be_quiet
from models.effects import Scores, logs_of
from models.effects.surrogate import surrogate_evidence
from posology.guardrails.stand_in import FeedbackStandsIn
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


def rows(therapies: Sequence[str], patients: int, seeds: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """One a cohort."""
    guardrail = FeedbackStandsIn(**read_params().guardrails[FeedbackStandsIn.code])
    for therapy in therapies:
        for misleading in (0.0, 1.0):
            for seed in seeds:
                found = measured(therapy, patients=patients, seed=seed, misleading=misleading)
                world = "F misleads" if misleading else "F tells of Mf"
                sys.stderr.write(f"{therapy}, {world}, seed {seed}: {found.gain}\n")
                yield (
                    therapy,
                    world,
                    str(seed),
                    str(found.patients),
                    str(found.gain),
                    guardrail.verdict(found.gain).value,
                )


def run(therapies: Sequence[str] = THERAPIES, *, patients: int = PATIENTS, seeds: Sequence[int] = SEEDS) -> Result:
    """Gain by choosing by F, over a course, in smallest important changes."""
    return Result(
        asks="F as a stand-in for Mf (G105): passes above 0, fails below 0.5",
        columns=("therapy", "world", "seed", "finished courses", "gain by choosing by F", "G105"),
        rows=tuple(rows(therapies, patients, seeds)),
        says=(f"{patients:,} patients a cohort, treated by the clinician.",),
    )


def main() -> None:
    """Run it and print the table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.quality.stand_in", description=__doc__)
    asked.add_argument("therapies", nargs="*", default=THERAPIES, metavar="THERAPY")
    asked.add_argument("--patients", type=int, default=PATIENTS, help="in each cohort")
    asked.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of cohorts")
    options = asked.parse_args()
    be_quiet()
    table = run(options.therapies, patients=options.patients, seeds=options.seeds)
    print_table(table.asks, table.columns, [[text_of(cell) for cell in row] for row in table.rows])
    for sentence in table.says:
        out.print(sentence)


if __name__ == "__main__":
    main()
