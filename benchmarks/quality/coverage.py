"""Whether 90 % intervals hold nine truths of ten, overall and in every slice of patients and contents."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.pages import text_of
from benchmarks.quality.ours import trained
from benchmarks.result import Result
from flows.cli.output import out, print_table
from flows.quiet import be_quiet
from models.predictors.predictor import Predictor
from models.predictors.rows import Rows
from models.predictors.slices import MOST, Slice
from models.targets import TARGETS, Target
from posology.simulators import simulate
from posology.therapy_file import load_therapy

THERAPIES = ("mci", "depression", "tinnitus")
PATIENTS = 600
FIRST_SEED, SEEDS = 311, 6  # chosen before anything was looked at
EVERYONE = "everyone"
LEAST_PATIENTS = 50  # of a slice, over all cohorts; of fewer nothing is told
COLUMNS = ("therapy", "target", "everyone", "±", "slices", "below 0.85", "lowest slice", "covered", "±", "patients")


@dataclass(frozen=True)
class Covered:
    """Held-out patients of all cohorts in one slice.

    Attributes:
        shares: (n,) of each patient's outcomes, the share that the interval held.
    """

    name: str
    shares: np.ndarray

    @property
    def mean(self) -> float:
        """Each patient weighs one."""
        return float(self.shares.mean())

    @property
    def half(self) -> float:
        """Half of the mean's 95 % interval, patients being independent."""
        return float(1.96 * self.shares.std(ddof=1) / np.sqrt(self.shares.size))


def run(
    therapies: Sequence[str] = THERAPIES, *, patients: int = PATIENTS, seeds: int = SEEDS, first: int = FIRST_SEED
) -> Result:
    """Each therapy and target, over cohorts of different seeds."""
    rows = []
    for name in therapies:
        for target, slices in measured(name, patients=patients, seeds=range(first, first + seeds)).items():
            rows.append(_row(name, target, slices))
    return Result(
        asks=(
            f"Share of held-out patients' outcomes that 90 % intervals hold, each patient weighing one, over {seeds} "
            f"cohorts of {patients} patients with seeds from {first}; predictors as a retraining makes them. Slices "
            f"with {LEAST_PATIENTS} patients or more."
        ),
        columns=COLUMNS,
        rows=tuple(rows),
        says=(),
    )


def measured(name: str, *, patients: int, seeds: Sequence[int]) -> Mapping[Target, list[Covered]]:
    """Target → everyone, then each slice with patients enough."""
    therapy = load_therapy(name)
    found: dict[Target, dict[str, list[np.ndarray]]] = {target: defaultdict(list) for target in TARGETS}
    for seed in seeds:
        with trained(name, simulate(therapy, patients=patients, seed=seed).tables) as candidate:
            for target, predictor in candidate.predictors.items():
                for told, shares in held(predictor, candidate.rows(target, "judge")):
                    found[target][told].append(shares)
        sys.stderr.write(f"{name}, seed {seed}\n")
    return {target: _enough(slices) for target, slices in found.items()}


def held(predictor: Predictor, judge: Rows) -> Iterator[tuple[str, np.ndarray]]:
    """Everyone and each slice of the predictor: of each patient in it, the share of outcomes that was held."""
    told = predictor.predict(judge.features)
    is_held = (told[:, 1] <= judge.target) & (judge.target <= told[:, 2])
    yield EVERYONE, _shares(is_held, judge.patient)
    for each in predictor.slices:
        inside = each.holds(judge.features, judge.names)
        if inside.any():
            yield _name(each, predictor.slices), _shares(is_held[inside], judge.patient[inside])


def _shares(is_held: np.ndarray, patient: np.ndarray) -> np.ndarray:
    codes = np.unique(patient, return_inverse=True)[1]
    return np.bincount(codes, weights=is_held) / np.bincount(codes)


def _name(one: Slice, slices: Sequence[Slice]) -> str:
    """A category by its name; of a number, which of its parts: their ends differ from cohort to cohort."""
    if one.high == MOST and "=" in one.feature:
        return one.feature
    lows = sorted(each.low for each in slices if each.feature == one.feature)
    return f"{one.feature}, part {lows.index(one.low) + 1} of {len(lows)}"


def _enough(slices: Mapping[str, list[np.ndarray]]) -> list[Covered]:
    joined = [Covered(name, np.concatenate(shares)) for name, shares in slices.items()]
    return [each for each in joined if each.name == EVERYONE or each.shares.size >= LEAST_PATIENTS]


def _row(therapy: str, target: Target, slices: Sequence[Covered]) -> tuple[str | float, ...]:
    everyone, *others = slices
    lowest = min(others, key=lambda each: each.mean)
    below = sum(each.mean < 0.85 for each in others)
    told = lowest.name, round(lowest.mean, 3), round(lowest.half, 3), lowest.shares.size
    name = "F" if target == "feedback" else "Mf"
    return therapy, name, round(everyone.mean, 3), round(everyone.half, 3), len(others), below, *told


def main() -> None:
    """Run it and print the table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.quality.coverage", description=__doc__)
    asked.add_argument("therapies", nargs="*", default=THERAPIES, metavar="THERAPY")
    asked.add_argument("--patients", type=int, default=PATIENTS, help="in each cohort")
    asked.add_argument("--seeds", type=int, default=SEEDS, help="how many cohorts")
    asked.add_argument("--first", type=int, default=FIRST_SEED, help="seed of the first")
    options = asked.parse_args()
    be_quiet()
    result = run(options.therapies, patients=options.patients, seeds=options.seeds, first=options.first)
    print_table(result.asks, result.columns, [[text_of(cell) for cell in row] for row in result.rows])
    for sentence in result.says:
        out.print(sentence)


if __name__ == "__main__":
    main()
