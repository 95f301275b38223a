"""Off-policy evaluation with its intervals, against a loop that resamples the decisions themselves."""

import time
from functools import partial

import numpy as np

from benchmarks.cohorts import mci
from benchmarks.result import Result, race
from models.offpolicy import Asked, LoggedChoices, value_policies
from models.policies import Random
from posology.offpolicy import ESTIMATORS, LoggedDecisions, evaluate
from posology.simulators import simulate

PATIENTS, SESSIONS, CONTENTS, RESAMPLES = 4_000, 25, 40, 500
LIMIT = 60  # seconds on two cores, for 100,000 decisions and 500 resamples
OF_SIMULATOR = 2_700  # mci patients with 100,000 sessions together


def run(
    patients: int = PATIENTS, resamples: int = RESAMPLES, rounds: int = 1, *, simulated: int = OF_SIMULATOR
) -> Result:
    """Seconds for all estimators of single decisions with their intervals on one log."""
    log, looped = logged(patients, np.random.default_rng(7)), max(resamples // 10, 1)
    runners = {
        "ours: sums per patient, resampled": partial(by_sums, log, resamples),
        f"a loop that gathers the drawn patients' decisions ({looped} resamples)": partial(by_loop, log, looped),
    }
    seconds = race(runners, rounds=rounds)
    ours, loop = seconds.values()
    decisions, whole, processor = from_tables(simulated, resamples)
    rows = zip(seconds, (ours, loop), (resamples / ours, looped / loop), strict=True)
    return Result(
        asks=(
            f"{len(ESTIMATORS)} off-policy estimators on {len(log):,} decisions of {patients:,} patients, with "
            f"intervals from {resamples:,} resamples of patients. Ours also works out each one's difference from the "
            "logged mean and whether the policies overlap."
        ),
        columns=("what", "seconds", "resamples per second"),
        rows=(*rows, (f"ours, from the four tables of {decisions:,} mci decisions on", whole, resamples / whole)),
        says=(
            f"{loop / looped / (ours / resamples):.0f} times as fast. From the tables on, most is the features of "
            f"every content and F predicted for each patient by the others: {processor:.0f} s of processor time, on a "
            f"machine that others use; wanted below {LIMIT} s.",
        ),
    )


def from_tables(patients: int, resamples: int) -> tuple[int, float, float]:
    """Decisions; wall and processor seconds from their tables to every estimator's value of the random policy."""
    made = simulate(mci(), patients=patients, seed=7).tables
    began, worked = time.perf_counter(), time.process_time()
    choices = LoggedChoices.of(mci(), made)
    value_policies(choices, {"random": Random()}, Asked(resamples=resamples))
    return len(choices), time.perf_counter() - began, time.process_time() - worked


def logged(patients: int, rng: np.random.Generator) -> LoggedDecisions:
    """Decisions of a policy that tries everything, and a target policy that is choosier."""
    n = patients * SESSIONS
    propensity = rng.uniform(0.5, 2.0, size=n) / CONTENTS
    predicted = rng.uniform(0.3, 0.8, size=n)
    return LoggedDecisions(
        patient=np.repeat(np.arange(patients), SESSIONS),
        reward=np.clip(predicted + rng.normal(0, 0.15, size=n), 0, 1),
        propensity=propensity,
        target=propensity * rng.choice([0.5, 1.0, 1.5], size=n),  # weights of mean one
        predicted_given=predicted,
        predicted_target=np.clip(predicted + 0.05, 0, 1),
        n_eligible=np.full(n, CONTENTS),
    )


def by_sums(log: LoggedDecisions, resamples: int) -> np.ndarray:
    """(n_estimators, 2) ends of the intervals, as the platform works them out."""
    found = evaluate(log, ESTIMATORS, np.random.default_rng(1), resamples=resamples)
    return np.array([[each.low, each.high] for each in found], dtype=float)


def by_loop(log: LoggedDecisions, resamples: int) -> np.ndarray:
    """The same by the definition: draw patients, take all their decisions, estimate, again and again."""
    rng, terms = np.random.default_rng(1), [each.terms(log) for each in ESTIMATORS]
    rows_of = np.split(np.arange(len(log)), np.flatnonzero(np.diff(log.patient)) + 1)
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([rows_of[patient] for patient in rng.integers(len(rows_of), size=len(rows_of))])
        drawn.append([each.value(of_all[rows].sum(axis=0)) for each, of_all in zip(ESTIMATORS, terms, strict=True)])
    return np.quantile(np.array(drawn), [0.025, 0.975], axis=0).T
