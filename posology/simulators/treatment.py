"""A cohort from the first day to the last: who opens the app is given what a policy draws."""

from collections.abc import Callable

import numpy as np

from posology.errors import CannotDo
from posology.simulators.cohort import Cohort
from posology.simulators.conditions import NOTHING_WRONG, Conditions
from posology.simulators.policies import Clinician, Moment, Policy, draw
from posology.simulators.record import Decisions, Record
from posology.simulators.simulator import Simulator
from posology.simulators.world import World
from posology.therapy import Therapy

ENROLMENT_WEEKS = 32


def simulate(
    therapy: Therapy,
    *,
    patients: int,
    seed: int,
    weeks: int = ENROLMENT_WEEKS,
    policy: Policy | None = None,
    conditions: Conditions = NOTHING_WRONG,
    prefix: str | None = None,
) -> Cohort:
    """A cohort of mechanistic patients; the same seed gives the same tables.

    Args:
        therapy: one that has a mechanism (mci, depression, tinnitus).
        patients: how many enrol.
        seed: of everything.
        weeks: over which they enrol.
        policy: who chooses; the ordinary clinician when not given.
        conditions: what is wrong with the log or the population; nothing when not given.
        prefix: of the ids; the therapy's name when not given.
    """
    policy = policy or Clinician()
    world = World(
        therapy,
        patients=patients,
        seed=seed,
        prefix=prefix,
        enrolment_days=7 * weeks,
        conditions=conditions,
        abreast=not policy.learns,
    )
    return treat(world, policy, seed=seed)


def treat(
    simulator: Simulator,
    policy: Policy,
    *,
    seed: int,
    withhold_propensities: bool = False,
    each_day: Callable[[int], None] | None = None,
) -> Cohort:
    """The cohort of a simulator's patients, treated by a policy.

    The logged probability of a content is its chance given what is recorded.
    Where something moves the choice that is written nowhere (``unrecorded``),
    the chance given that too is known to the truth alone.

    Args:
        simulator: one in which nothing has happened yet; for a policy that learns, a
            ``World`` whose patients do not go abreast.
        policy: who chooses.
        seed: of what the policy draws.
        withhold_propensities: leave ``probability`` of the sessions table empty; the truth keeps it.
        each_day: told each day as it begins.

    Raises:
        CannotDo: the policy's probabilities are not a distribution over the eligible contents.
    """
    rng, record = np.random.default_rng([seed, 1]), Record(simulator)
    for day in range(simulator.last_day + 1):
        if each_day:
            each_day(day)
        record.measure(day)
        patients = simulator.due(day)
        if len(patients):
            record.add(_decide(rng, simulator, policy, record, patients=patients, day=day))
    return record.cohort(withhold_propensities=withhold_propensities)


def _decide(
    rng: np.random.Generator, simulator: Simulator, policy: Policy, record: Record, *, patients: np.ndarray, day: int
) -> Decisions:
    """Today's decisions, drawn and given."""
    situations = simulator.situations(patients, day)
    moment = Moment(
        day=day,
        patients=patients,
        situations=situations,
        eligible=simulator.blocks(patients, situations).eligible,
        content_feedback=record.content_feedback if policy.learns else _not_said,
        known=lambda: record.known(patients),
    )
    probabilities = policy.probabilities(rng, simulator, moment)
    _check(probabilities, moment.eligible)
    recorded, true = _chances(probabilities, simulator.unrecorded(patients))
    contents = draw(rng, true)
    rows = np.arange(len(patients))
    return Decisions(
        patients=patients,
        contents=contents,
        situations=situations,
        eligible=moment.eligible,
        recorded=recorded[rows, contents],
        true=true[rows, contents],
        expected=simulator.expected_feedback(patients),
        status=simulator.true_status(patients),
        given=simulator.give(patients, contents),
    )


def _not_said() -> np.ndarray:
    raise CannotDo("a policy that looks at what other patients brought must say that it learns")


def _check(probabilities: np.ndarray, eligible: np.ndarray) -> None:
    if probabilities.shape != eligible.shape:
        raise CannotDo(f"expected probabilities of shape {eligible.shape} from the policy, got {probabilities.shape}")
    if not (np.abs(probabilities.sum(axis=1) - 1) < 1e-6).all() or (probabilities < 0).any():
        raise CannotDo("the policy's probabilities are not a distribution: expected rows that sum to 1, none negative")
    if (probabilities[~eligible] > 0).any():
        raise CannotDo("the policy gives a chance to a content that is not eligible; expected 0 there")


def _chances(probabilities: np.ndarray, unrecorded: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Chances given what is recorded, and given all; ``unrecorded`` and its negative are equally likely."""
    if unrecorded is None:
        return probabilities, probabilities
    true, otherwise = (_tilted(probabilities, sign * unrecorded) for sign in (1, -1))
    return (true + otherwise) / 2, true


def _tilted(probabilities: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    tilted = probabilities * np.exp(log_odds)
    return tilted / tilted.sum(axis=1, keepdims=True)
