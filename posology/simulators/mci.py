"""Patients with mild cognitive impairment, trained with games, read with the MMSE."""

import numpy as np

from posology.simulators.mechanism import Answer, Columns, Mechanism


def _users(rng: np.random.Generator, capacities: np.ndarray) -> Columns:
    n, ability = len(capacities), capacities.mean(axis=1)
    age = np.clip(np.round(76 - 1.5 * (ability - 4.5) + rng.normal(0, 7, n)), 55, 95)
    return {
        "age": age,
        "sex": np.where(rng.random(n) < 0.56, "female", "male"),
        "language": np.where(rng.random(n) < 0.85, "first", "second"),
        "education": np.clip(np.round(11 + 0.8 * (ability - 4.5) + rng.normal(0, 3, n)), 4, 22),
        "lives_alone": rng.random(n) < 0.35,
        "fall_risk": rng.random(n) < 1 / (1 + np.exp(-(age - 82) / 6)),
    }


def _feelings(rng: np.random.Generator, capacities: np.ndarray) -> Columns:  # noqa: ARG001
    return {}


MECHANISM = Mechanism(
    capacities=("memory", "attention", "problem_solving"),
    capacity_mean=4.5,
    capacity_sd=1.3,
    capacity_own_sd=0.9,
    # Mean 23.7 and SD 2.5, as in trials of MCI.
    score_at_zero=16.5,
    score_per_capacity=(0.7, 0.5, 0.4),
    measurement_sd=1.0,
    score_step=1.0,
    drift_per_week=-0.016,
    feature="domain",
    trains={
        "memory": (0.8, 0.2, 0.0),
        "attention": (0.1, 0.8, 0.1),
        "problem_solving": (0.0, 0.3, 0.7),
        "none": (0.0, 0.0, 0.0),
    },
    learning_rate=0.2,
    answers={
        "score": Answer(-0.6, 0.9, precision=5),
        "completed": Answer(-0.5, 1.2),
        "rating": Answer(-0.5, 0.8, steps=4),
    },
    silence=Answer(-1.6, -0.8),
    complaints=(
        ("I keep forgetting the names", "I lost track of the words", "my memory is not what it was"),
        ("I cannot concentrate", "my thoughts wander off", "every noise distracts me"),
        ("I did not see how it works", "I got muddled", "planning it was too much"),
    ),
    draw_users=_users,
    draw_feelings=_feelings,
)
