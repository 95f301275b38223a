"""The true value of the shipped policy beside what was logged, simple rules, peers and the oracle."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from scipy import special

from benchmarks.quality import peers
from benchmarks.quality.environment import Server
from benchmarks.quality.forest import Forest
from benchmarks.quality.ours import released
from benchmarks.quality.true_value import true_value
from benchmarks.result import Result
from models.offpolicy import LoggedChoices
from models.policies import FixedSchedule, LastBest, MostPopular, Policy
from posology.simulators import Clinician, Oracle, simulate
from posology.simulators import Policy as Treats
from posology.therapy_file import load_therapy

THERAPIES = ("mci", "depression", "tinnitus")
PATIENTS, WORLD, SEEDS = 400, 300, 10
FIRST_SEED, FRESH = 500, 10_000  # chosen before anything was looked at; a world's seed is its log's and FRESH
TUNING_SEED = 499  # of a log on which peers are tuned and nothing is reported
OURS, LOGGED, ORACLE = "posology, as shipped", "logged", "oracle"
Values = dict[str, list[float]]  # policy → one true value a seed


def run(
    therapies: Sequence[str] = THERAPIES, *, patients: int = PATIENTS, world: int = WORLD, seeds: int = SEEDS
) -> Result:
    """Every policy in every therapy: trained on a log, then treating a fresh world, for each seed.

    Args:
        therapies: that have a mechanism.
        patients: in each log.
        world: patients to be treated.
        seeds: of logs and worlds.
    """
    values = {name: _of_therapy(name, patients, world, range(FIRST_SEED, FIRST_SEED + seeds)) for name in therapies}
    return result_of(values, patients=patients, world=world)


def of_seed(
    name: str, seed: int, *, patients: int, world: int, server: Server, options: Mapping[str, Mapping]
) -> dict[str, float]:
    """Policy → its true value, all in the same fresh world."""
    therapy = load_therapy(name)
    tables = simulate(therapy, patients=patients, seed=seed).tables
    choices = LoggedChoices.of(therapy, tables)
    makers: dict[str, Callable[[], Policy | Treats]] = {
        LOGGED: Clinician,
        "random": lambda: Clinician(trying=1.0),
        "most popular": lambda: MostPopular.of_log(therapy, tables),
        "fixed schedule": FixedSchedule,
        "last best": LastBest,
        **{peer: partial(peers.fitted, server, peer, choices, options[peer]) for peer in peers.SERVED},
        "econml policy forest": lambda: Forest.fit(choices),
        OURS: lambda: released(name, tables),
        ORACLE: Oracle,
    }
    found = {}
    for policy, make in makers.items():
        found[policy] = true_value(make(), therapy, patients=world, seed=seed + FRESH)
        sys.stderr.write(f"{name}, seed {seed}, {policy}: {found[policy]:.4f}\n")
    return found


def tuned(name: str, patients: int, server: Server) -> dict[str, Mapping]:
    """Peer → the options that were best on a log of its own."""
    therapy = load_therapy(name)
    choices = LoggedChoices.of(therapy, simulate(therapy, patients=patients, seed=TUNING_SEED).tables)
    return {peer: peers.tuned(server, peer, choices) for peer in peers.SERVED}


def result_of(values: Mapping[str, Values], *, patients: int, world: int) -> Result:
    """The table: mean true F and the share of the way from logged to oracle, each with its interval over seeds."""
    seeds = len(next(iter(values.values()))[LOGGED])
    policies = list(next(iter(values.values())))
    return Result(
        asks=(
            f"Mean true F when each policy treats {world} patients it has never met, trained on a log of {patients} "
            f"patients: mean over {seeds} seeds (95 % interval), and in brackets the share of the way from the logged "
            "policy to the oracle. All policies of a seed have the same log and the same world. Peers learn from all "
            "patients of the log and were tuned on another; ours leaves 30 % to be judged on."
        ),
        columns=("policy", *values),
        rows=tuple((policy, *(_cell(values[name], policy) for name in values)) for policy in policies),
        says=tuple(_beside_the_best_peer(name, of_therapy) for name, of_therapy in values.items()),
    )


def _of_therapy(name: str, patients: int, world: int, seeds: Iterable[int]) -> Values:
    with Server() as server:
        options = tuned(name, patients, server)
        found = [of_seed(name, s, patients=patients, world=world, server=server, options=options) for s in seeds]
    return {policy: [one[policy] for one in found] for policy in found[0]}


def _cell(values: Values, policy: str) -> str:
    value, logged, oracle = (np.array(values[name]) for name in (policy, LOGGED, ORACLE))
    way = (value - logged).mean() / (oracle - logged).mean()
    return f"{value.mean():.3f} ± {_half(value):.3f} ({way:.0%})"


def _beside_the_best_peer(name: str, values: Values) -> str:
    others = (*peers.SERVED, "econml policy forest")
    best = max(others, key=lambda peer: np.mean(values[peer]))
    lead = np.array(values[OURS]) - np.array(values[best])
    return f"{name}: ours minus the best peer, {best}, is {lead.mean():+.3f} ± {_half(lead):.3f}."


def _half(values: np.ndarray) -> float:
    """Half of Student's 95 % interval."""
    if values.size < 2:
        return float("nan")
    return float(special.stdtrit(values.size - 1, 0.975) * values.std(ddof=1) / np.sqrt(values.size))
