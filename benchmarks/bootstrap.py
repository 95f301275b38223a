"""Off-policy evaluation with its intervals, against a loop that resamples the decisions themselves."""

from functools import partial

import numpy as np

from benchmarks.result import Result, race
from posology.offpolicy import ESTIMATORS, LoggedDecisions, evaluate

PATIENTS, SESSIONS, CONTENTS, RESAMPLES = 4_000, 25, 40, 500


def run(patients: int = PATIENTS, resamples: int = RESAMPLES, rounds: int = 2) -> Result:
    """Seconds for all estimators with their intervals on one log."""
    log = logged(patients, np.random.default_rng(7))
    runners = {
        "ours: sums per patient, resampled": partial(by_sums, log, resamples),
        "a loop that gathers the drawn patients' decisions": partial(by_loop, log, resamples),
    }
    seconds = race(runners, rounds=rounds)
    ours, loop = seconds.values()
    apart = np.abs(by_sums(log, resamples) - by_loop(log, resamples)).max()
    return Result(
        asks=(
            f"{len(ESTIMATORS)} off-policy estimators on {len(log):,} decisions of {patients:,} patients, with "
            f"intervals from {resamples:,} resamples of patients. Ours also works out each one's difference from the "
            "logged mean and whether the policies overlap."
        ),
        columns=("what", "seconds", "resamples per second"),
        rows=tuple((name, spent, resamples / spent) for name, spent in seconds.items()),
        says=(f"{loop / ours:.0f} times as fast; the ends of the intervals differ by {apart:.1g} at most (drawing).",),
    )


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
