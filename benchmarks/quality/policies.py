"""What each policy is truly worth, in F and in status: simple rules, DPO by each objective, and what could be known."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import special

from benchmarks.quality.ours import released
from benchmarks.result import Result
from models.policies import Dpo, FixedSchedule, LastBest, MostPopular, Policy
from models.treating import Treating
from posology.simulators import Clinician, Informed, Oracle, World, simulate, treat
from posology.simulators import Policy as Treats
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

THERAPIES = ("mci", "depression", "tinnitus")
PATIENTS, WORLD, SEEDS = 4_500, 200, 10  # a log has some 110,000 to 175,000 sessions
FIRST_SEED, FRESH = 700, 20_000  # chosen before anything was looked at; a world's seed is its log's and FRESH
LOGGED, ORACLE, INFORMED, SHIPPED = "logged", "oracle", "all that could be known", "DPO, as shipped"
SURE = {"floor": 0.0, "temperature": 1e-6}
MARGIN_SHARE = 0.4  # of a smallest important change, where the therapy declares no margin


class Worth(NamedTuple):
    """Mean true F, and mean true change of status until the end, positive better."""

    feedback: float
    status: float


Found = dict[str, list[Worth]]  # policy → one a seed


def run(
    therapies: Sequence[str] = THERAPIES, *, patients: int = PATIENTS, world: int = WORLD, seeds: int = SEEDS
) -> Result:
    """Every policy in every therapy: learnt from a log, then treating a fresh world, for each seed."""
    found = {name: _of_therapy(name, patients, world, range(FIRST_SEED, FIRST_SEED + seeds)) for name in therapies}
    return Result(
        asks=(
            f"True worth of policies that learnt from a log of {patients} patients and treat {world} others, over "
            f"{seeds} seeds (95 % intervals): mean F, the way from the logged policy to the oracle, which sees hidden "
            "states, and the mean change of status until the end, positive better. All policies of a seed have the "
            f"same log and world. `{INFORMED}` is the best by records alone, of a particle filter that knows the "
            "mechanism."
        ),
        columns=("policy", *(f"{name}: {what}" for name in therapies for what in ("F", "way", "status"))),
        rows=tuple((policy, *_cells(found, policy)) for policy in next(iter(found.values()))),
        says=tuple(_against_the_known(name, of_therapy) for name, of_therapy in found.items()),
    )


def of_seed(name: str, seed: int, *, patients: int, world: int) -> dict[str, Worth]:
    """Policy → its worth, all in the same fresh world."""
    therapy = load_therapy(name)
    tables = simulate(therapy, patients=patients, seed=seed).tables
    release = released(name, tables).release
    dpo = release.policy
    if not isinstance(dpo, Dpo):
        raise TypeError(f"expected the release to choose by DPO, got {dpo.kind}")
    rules: dict[str, Policy] = {
        "most popular": MostPopular.of_log(therapy, tables),
        "fixed schedule": FixedSchedule(),
        "last best": LastBest(),
        "DPO by F": by(dpo, "feedback"),
        "DPO by Mf": by(dpo, "status"),
        "DPO constrained": by(dpo, "constrained"),
        SHIPPED: dpo,
    }
    treating: dict[str, Treats] = {
        LOGGED: Clinician(),
        "random": Clinician(trying=1.0),
        **{rule: Treating(policy, release.learnt) for rule, policy in rules.items()},
        INFORMED: Informed(),
        ORACLE: Oracle(),
    }
    found = {}
    for policy, treats in treating.items():
        found[policy] = worth(treats, therapy, patients=world, seed=seed + FRESH)
        sys.stderr.write(f"{name}, seed {seed}, {policy}: {found[policy].feedback:.4f} {found[policy].status:.3f}\n")
    return found


def by(dpo: Dpo, objective: str) -> Dpo:
    """The same predictions by another objective, without exploration."""
    therapy = dpo.therapy
    important = therapy.status.smallest_important_change if therapy.status else 0.0
    asked = {
        "objective": objective,
        "exploration": therapy.exploration.model_copy(update=SURE),
        "noninferiority_margin": therapy.noninferiority_margin or MARGIN_SHARE * important,
    }
    return replace(dpo, therapy=therapy.model_copy(update=asked))


def worth(treats: Treats, therapy: Therapy, *, patients: int, seed: int) -> Worth:
    """Of all decisions and patients of a fresh world, treated from the first day."""
    abreast = not treats.learns
    fresh = World(therapy, patients=patients, seed=seed, enrolment_days=7, abreast=abreast)
    truth = treat(fresh, treats, seed=seed).truth
    ended = truth.patients.drop_nulls("status_at_end_of_all")
    change = (ended["status_at_end_of_all"] - ended["status_at_start"]).to_numpy()
    sign = therapy.status.direction if therapy.status else 1
    return Worth(float(truth.decisions["given_feedback"].to_numpy().mean()), sign * float(change.mean()))


def _of_therapy(name: str, patients: int, world: int, seeds: Iterable[int]) -> Found:
    found = [of_seed(name, seed, patients=patients, world=world) for seed in seeds]
    return {policy: [one[policy] for one in found] for policy in found[0]}


def _cells(found: Mapping[str, Found], policy: str) -> list[str]:
    cells: list[str] = []
    for of_therapy in found.values():
        feedback, status = np.array(of_therapy[policy]).T
        way = _way(of_therapy, policy, ORACLE)
        cells += [f"{feedback.mean():.3f} ± {half(feedback):.3f}", f"{way.mean():.0%} ± {half(way):.0%}"]
        cells.append(f"{status.mean():.2f} ± {half(status):.2f}")
    return cells


def _way(found: Found, policy: str, best: str) -> np.ndarray:
    """(n_seeds,) how far a policy goes from the logged one to the best."""
    value, logged, there = (np.array(found[name])[:, 0] for name in (policy, LOGGED, best))
    return np.asarray((value - logged) / (there - logged))


def _against_the_known(name: str, found: Found) -> str:
    way = _way(found, SHIPPED, INFORMED)
    return f"{name}: as shipped goes {way.mean():.0%} ± {half(way):.0%} of the way to all that could be known."


def half(values: np.ndarray) -> float:
    """Half of Student's 95 % interval."""
    if values.size < 2:
        return float("nan")
    return float(special.stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / np.sqrt(values.size))
