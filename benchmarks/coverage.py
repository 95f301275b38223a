"""How often the 95 % intervals of off-policy evaluation hold the truth, over simulated logs."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from benchmarks.cohorts import mci
from benchmarks.result import Result
from models.offpolicy import Asked, LoggedChoices, value_policies
from models.offpolicy.honesty import expected_feedback
from models.offpolicy.probes import probes
from models.policies import Policy, Random
from posology.offpolicy import ESTIMATORS
from posology.offpolicy.sequential import SEQUENTIAL
from posology.simulators import Clinician, Cohort, simulate

LOGS, PATIENTS, HORIZON, SEED = 200, 250, 3, 10_000
LEAST, MOST = 0.90, 0.97
LOGGING, AT_RANDOM = Clinician(trying=0.6), Clinician(trying=1.0)
TRUTH_PATIENTS = 20_000
ONE_STEP, OF_RUNS = Asked(resamples=500), Asked((), SEQUENTIAL, horizon=HORIZON, resamples=500)
COLUMNS = ("random", "leaning +0.15", "runs of 3, random")


def run(logs: int = LOGS, patients: int = PATIENTS, truth_patients: int = TRUTH_PATIENTS) -> Result:
    """Coverage by estimator and policy; every log is simulated anew."""
    policies = _policies(patients)
    truths, intervals = [], []
    for cohort in _cohorts(logs, patients):
        choices = LoggedChoices.of(mci(), cohort.tables)
        expected = expected_feedback(choices, cohort)
        truths.append(
            [(each.probabilities(choices.decisions) * expected).sum(axis=1).mean() for each in policies.values()]
        )
        intervals.append(_intervals(choices, policies))
    truth = {**dict(zip(policies, np.mean(truths, axis=0), strict=True)), COLUMNS[2]: _truth_of_runs(truth_patients)}
    found = {key: _covered([one[key] for one in intervals], truth[key[1]]) for key in intervals[0]}
    names = (*(each.name for each in ESTIMATORS), *(each.name for each in SEQUENTIAL))
    outside = {name for (name, _), (share, _) in found.items() if not LEAST <= share <= MOST}
    return Result(
        asks=(
            f"Share of 95 % intervals that held the simulator's true mean F, over {logs} logs of {patients} mci "
            f"patients each, {LOGGING.trying:.0%} of whose contents were tried at random. Wanted: 90 to 97 %."
        ),
        columns=("estimator", *COLUMNS, "least share answered"),
        rows=tuple(_row(name, found) for name in names),
        says=(
            f"Outside of {LEAST:.0%} to {MOST:.0%}: {', '.join(sorted(outside)) or 'none'}. The direct method and "
            "fitted Q are diagnostics: their intervals do not know how wrong the prediction is.",
        ),
    )


def _policies(patients: int) -> dict[str, Policy]:
    learnt = probes(LoggedChoices.of(mci(), simulate(mci(), patients=patients, seed=SEED - 1, policy=LOGGING).tables))
    return {name: learnt[name] for name in COLUMNS[:2]}


def _cohorts(logs: int, patients: int) -> Iterator[Cohort]:
    for seed in range(SEED, SEED + logs):
        yield simulate(mci(), patients=patients, seed=seed, policy=LOGGING)


def _intervals(choices: LoggedChoices, policies: dict[str, Policy]) -> dict[tuple[str, str], tuple[float, float]]:
    """(estimator, column) → ends of the interval, nan where evidence was insufficient."""
    found, _ = value_policies(choices, policies, ONE_STEP)
    of_runs, _ = value_policies(_beginnings(choices), {COLUMNS[2]: Random()}, OF_RUNS)
    return {
        (each.estimate.estimator, each.policy): (each.estimate.low or np.nan, each.estimate.high or np.nan)
        for each in (*found, *of_runs)
    }


def _beginnings(choices: LoggedChoices) -> LoggedChoices:
    """The first decisions of every patient: for what follows, the truth would have to follow the log first."""
    first = np.r_[True, np.diff(choices.patient) != 0]
    begins = np.maximum.accumulate(np.where(first, np.arange(len(choices)), 0))
    keep = np.arange(len(choices)) - begins < HORIZON
    kept = {name: getattr(choices, name)[keep] for name in ("patient", "given", "reward", "logged")}
    return replace(choices, decisions=choices.decisions.where(keep), **kept)


def _truth_of_runs(patients: int) -> float:
    """Mean F of the first decisions of patients who are treated at random from the first day."""
    cohort = simulate(mci(), patients=patients, seed=SEED - 2, policy=AT_RANDOM)
    user, nth = pl.col("decision_id").str.split("-").list, pl.col("decision_id").str.slice(-4).cast(pl.Int64)
    first = cohort.truth.decisions.filter(nth < HORIZON).group_by(user.get(1))
    runs = first.agg(pl.col("given_feedback").mean(), pl.len()).filter(pl.col("len") == HORIZON)
    return float(runs["given_feedback"].to_numpy().mean())


def _covered(intervals: list[tuple[float, float]], truth: float) -> tuple[float, float]:
    """Share of the answers that held the truth, and share of logs that were answered."""
    low, high = np.array(intervals).T
    known = ~np.isnan(low)
    return (float(((low <= truth) & (truth <= high))[known].mean()) if known.any() else np.nan), float(known.mean())


def _row(name: str, found: dict[tuple[str, str], tuple[float, float]]) -> tuple[str, ...]:
    of_name = {column: found[name, column] for column in COLUMNS if (name, column) in found}
    cells = (f"{of_name[column][0]:.1%}" if column in of_name else "" for column in COLUMNS)
    return (name, *cells, f"{min(answered for _, answered in of_name.values()):.0%}")
