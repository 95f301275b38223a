"""What holds for every simulator, whatever its patients are made of; a new kind is added to ``KINDS``."""

import copy
from collections.abc import Callable
from functools import cache

import numpy as np
import polars as pl
import pytest

from models.simulators import Fitted, FittedWorld
from posology.simulators import Clinician, Simulator, World, simulate, treat
from posology.simulators.truth import counted_feedback
from posology.tables import schema_of
from posology.therapy_file import load_therapy


@cache
def _fitted() -> Fitted:
    therapy = load_therapy("mci")
    return Fitted.fit(therapy, simulate(therapy, patients=40, seed=1, weeks=1).tables)


KINDS: dict[str, Callable[[int], Simulator]] = {
    "mci": lambda seed: World(load_therapy("mci"), patients=12, seed=seed, enrolment_days=4),
    "depression, abreast": lambda seed: World(
        load_therapy("depression"), patients=12, seed=seed, enrolment_days=4, abreast=True
    ),
    "tinnitus": lambda seed: World(load_therapy("tinnitus"), patients=12, seed=seed, enrolment_days=4),
    "fitted to a log": lambda seed: FittedWorld(_fitted(), patients=12, seed=seed, enrolment_days=4),
}


@pytest.fixture(scope="module", params=KINDS)
def make(request: pytest.FixtureRequest) -> Callable[[int], Simulator]:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def living(make: Callable[[int], Simulator]) -> tuple[Simulator, np.ndarray, pl.DataFrame]:
    """A simulator on a day when some have opened the app."""
    simulator = make(3)
    day = simulator.last_day // 2
    simulator.to_measure(day)
    patients = simulator.due(day)
    return simulator, patients, simulator.situations(patients, day)


Living = tuple[Simulator, np.ndarray, pl.DataFrame]


REQUIRED = ("user_id", "enrolled_at", "site", "consent")


def test_users_and_contents_are_tables_of_the_therapy(make: Callable[[int], Simulator]) -> None:
    simulator = make(1)
    expected = [
        name
        for name in schema_of("users", simulator.therapy)
        if name in {*simulator.users.columns, *REQUIRED, *simulator.therapy.user}
    ]
    assert list(simulator.users.columns) == expected
    assert list(simulator.contents.columns) == list(schema_of("contents", simulator.therapy))
    assert simulator.therapy.safety.safe_default in simulator.contents["content_id"]


def test_the_same_seed_gives_the_same_life(make: Callable[[int], Simulator]) -> None:
    one, same, other = (treat(make(seed), Clinician(trying=1.0), seed=1).tables.sessions for seed in (5, 5, 6))
    assert one.equals(same)
    assert not one.equals(other)


def test_a_situation_has_its_time_and_every_declared_column(living: Living) -> None:
    simulator, patients, situations = living
    assert situations.height == len(patients) > 0
    columns = ["user_id", "decided_at", *simulator.therapy.user, *simulator.therapy.context]
    assert set(situations.columns) == set(columns)
    assert situations["user_id"].to_list() == simulator.users["user_id"].gather(patients).to_list()


def test_what_is_told_of_contents_has_a_place_for_each_and_is_in_range(living: Living) -> None:
    simulator, patients, situations = living
    shape = (len(patients), simulator.contents.height)
    expected, impression = (
        simulator.expected_feedback(patients),
        simulator.impression(np.random.default_rng(0), patients),
    )
    assert expected.shape == impression.shape == shape
    for told in (expected, impression):
        assert ((told >= 0) & (told <= 1)).all()
    eligible = simulator.blocks(patients, situations).eligible
    default = simulator.contents["content_id"].to_list().index(simulator.therapy.safety.safe_default)
    assert eligible.shape == shape
    assert eligible[:, default].all()
    unrecorded = simulator.unrecorded(patients)
    assert unrecorded is None or unrecorded.shape == shape


def test_the_true_status_is_one_the_instrument_could_read(living: Living) -> None:
    simulator, patients, _ = living
    assert simulator.therapy.status
    low, high = simulator.therapy.status.minimum, simulator.therapy.status.maximum
    assert ((simulator.true_status(patients) >= low) & (simulator.true_status(patients) <= high)).all()


def test_looking_changes_nothing(living: Living) -> None:
    simulator, patients, situations = living
    contents = np.zeros(len(patients), dtype=int)
    blind, looking = copy.deepcopy(simulator), copy.deepcopy(simulator)
    looking.impression(np.random.default_rng(0), patients)
    looking.expected_feedback(patients)
    looking.true_status(patients)
    looking.unrecorded(patients)
    looking.blocks(patients, situations)
    assert looking.give(patients, contents).equals(blind.give(patients, contents))


def test_the_expected_feedback_is_the_mean_of_what_comes(living: Living) -> None:
    simulator, patients, situations = living
    decided_at = situations.select("decided_at")[np.zeros(3000, dtype=int)]
    expected = simulator.expected_feedback(patients)
    for content in (0, 7):
        given = copy.deepcopy(simulator).give(np.repeat(patients[:1], 3000), np.full(3000, content))
        found = counted_feedback(simulator.therapy, decided_at.hstack(given)).drop_nulls()
        assert found.mean() == pytest.approx(expected[0, content], abs=0.03)


def test_what_was_given_is_known_at_the_next_decision(living: Living) -> None:
    simulator, patients, _ = living
    later = copy.deepcopy(simulator)
    later.give(patients, np.full(len(patients), 4))
    assert (later.recent_doses(patients).last_content == 4).all()
