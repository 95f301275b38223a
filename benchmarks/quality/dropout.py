"""What a cost of drop-out does: whom it keeps, and what it takes of F, where contents drive away and where not."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.quality.ours import released
from benchmarks.quality.policies import half
from benchmarks.result import Result
from flows.cli.output import out, print_table
from flows.quiet import be_quiet
from models.leaving import left_after
from models.policies import Dpo
from models.release import Release
from models.treating import Treating
from posology.simulators import Conditions, World, simulate, treat
from posology.therapy_file import find_therapy, load_therapy

THERAPY, PATIENTS, WORLD = "mci", 2_000, 1_200
COSTS = (0.0, 10.0, 20.0)  # in F
SEEDS = (811, 812, 813, 814, 815, 816)  # chosen before any of them was looked at
FRESH = 20_000  # a world's seed is its log's and this
LONG_AFTER = timedelta(days=100)  # all courses of a world are over by then
WHAT = ("sessions a patient", "patients who left, %", "mean F", "F of a course", "status")


class Found(NamedTuple):
    """Of one seed: ``kept`` (n_costs, 5), as ``WHAT``; how far contents' learnt log-ratios follow the true ones (NaN
    where there are none), and their SD.
    """

    kept: np.ndarray
    follows: float
    spread: float


def of_seed(name: str, seed: int, *, patients: int, world: int, deterring: float) -> Found:
    """Learnt from one log; every cost treats the same fresh patients."""
    conditions = Conditions(deterring=deterring)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.yaml")
        file.write_text(f"{find_therapy(name).read_text(encoding='utf-8')}\ndropout: 10\n", encoding="utf-8")
        log = simulate(load_therapy(file), patients=patients, seed=seed, conditions=conditions)
        release = released(str(file), log.tables).release
    policy = release.policy
    if not isinstance(policy, Dpo) or policy.leaving is None:
        raise TypeError("expected the release to choose by DPO and to know who leaves")
    worlds = [
        World(policy.therapy, patients=world, seed=seed + FRESH, enrolment_days=7, conditions=conditions, abreast=True)
        for _ in COSTS
    ]
    kept = np.array([_kept(policy, release, each, cost, seed) for each, cost in zip(worlds, COSTS, strict=True)])
    true, learnt = worlds[0].deters, policy.leaving.content
    follows = float(np.polyfit(true, learnt, 1)[0]) if deterring else float("nan")
    sys.stderr.write(f"{name}, deterring {deterring:g}, seed {seed}: follows {follows:.2f}\n{kept.round(3)}\n")
    return Found(kept, follows, float(learnt.std()))


def run(name: str = THERAPY, *, patients: int = PATIENTS, world: int = WORLD, seeds: Sequence[int] = SEEDS) -> Result:
    """Both kinds of world, every cost, over the seeds."""
    found: dict[float, list[Found]] = {0.0: [], 1.0: []}
    for seed, deterring in product(seeds, found):
        found[deterring].append(of_seed(name, seed, patients=patients, world=world, deterring=deterring))
    return Result(
        asks=(
            f"{name}: DPO with a cost of drop-out, learnt from logs of {patients} patients, treats {world} others, "
            f"over {len(seeds)} seeds (95 % intervals): what comes without the cost, and how much more with it"
        ),
        columns=("contents", "cost", *WHAT),
        rows=tuple(row for deterring, seeds_found in found.items() for row in _rows(deterring, seeds_found)),
        says=tuple(_told_apart(deterring, seeds_found) for deterring, seeds_found in found.items()),
    )


def main() -> None:
    """Run it and print the table."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.quality.dropout", description=__doc__)
    asked.add_argument("therapy", nargs="?", default=THERAPY)
    asked.add_argument("--patients", type=int, default=PATIENTS, help="in each log")
    asked.add_argument("--world", type=int, default=WORLD, help="patients to be treated")
    asked.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = asked.parse_args()
    be_quiet()
    table = run(options.therapy, patients=options.patients, world=options.world, seeds=options.seeds)
    print_table(table.asks, table.columns, [[str(cell) for cell in row] for row in table.rows])
    for sentence in table.says:
        out.print(sentence)


def _kept(policy: Dpo, release: Release, world: World, cost: float, seed: int) -> tuple[float, ...]:
    therapy = policy.therapy.model_copy(update={"dropout": cost})
    cohort = treat(world, Treating(replace(policy, therapy=therapy), release.learnt), seed=seed)
    tables, truth = cohort.tables, cohort.truth
    status, as_of, patients = therapy.status, tables.as_of, tables.users["consent"].sum()
    if status is None or as_of is None:
        raise TypeError("expected a therapy with a status, and sessions")
    left = left_after(status, tables.sessions, tables.measurements, as_of + LONG_AFTER)["left"].sum()
    ended = truth.patients.drop_nulls("status_at_end_of_all")
    change = (ended["status_at_end_of_all"] - ended["status_at_start"]).to_numpy().mean() * status.direction
    feedback = truth.decisions["given_feedback"].to_numpy()
    return tables.sessions.height / patients, 100 * left / patients, feedback.mean(), feedback.sum() / patients, change


def _rows(deterring: float, found: Sequence[Found]) -> Iterator[tuple[str, ...]]:
    kept = np.array([each.kept for each in found])  # (n_seeds, n_costs, 5)
    contents = "drive away" if deterring else "as ever"
    yield contents, "0", *(f"{values.mean():.3g}" for values in kept[:, 0].T)
    for place, cost in enumerate(COSTS[1:], start=1):
        more = (kept[:, place] - kept[:, 0]).T
        yield contents, f"{cost:g}", *(f"{values.mean():+.3f} ± {half(values):.3f}" for values in more)


def _told_apart(deterring: float, found: Sequence[Found]) -> str:
    spread = np.array([each.spread for each in found])
    if not deterring:
        return (
            f"Contents as ever: the SD of their learnt log-ratios is {spread.mean():.3f}, at most {spread.max():.3f}."
        )
    follows = np.array([each.follows for each in found])
    return (
        f"Contents that drive away: learnt log-ratios follow the true ones with slope {follows.mean():.2f} ± "
        f"{half(follows):.2f} (1 would be all, 0 nothing)."
    )


if __name__ == "__main__":
    main()
