"""Patients with depression, treated with activation and cognitive exercises, read with the PHQ-9."""

import numpy as np

from posology.simulators.mechanism import Answer, Columns, Mechanism

_HISTORIES = (
    "It began after I lost my job.",
    "I have had this on and off since school.",
    "Since the baby came I hardly sleep.",
    "My mother died last winter.",
    "Nothing happened, it just came.",
)


def _users(rng: np.random.Generator, capacities: np.ndarray) -> Columns:
    n, wellness = len(capacities), capacities.mean(axis=1)
    item_9 = rng.poisson(np.exp(-1.2 - 0.5 * (wellness - 4.0))).clip(0, 3)
    return {
        "age": np.clip(np.round(rng.normal(41, 13, n)), 18, 85),
        "sex": np.where(rng.random(n) < 0.65, "female", "male"),
        "origin": np.where(rng.random(n) < 0.8, "majority", "minority"),
        "antidepressant": rng.random(n) < 0.45,
        "previous_episodes": rng.poisson(np.exp(0.6 - 0.15 * (wellness - 4.0))).clip(0, 20),
        "item_9": item_9,
        "bipolar_history": rng.random(n) < 0.06,
        "history": rng.choice(np.array(_HISTORIES), n),
    }


def _feelings(rng: np.random.Generator, capacities: np.ndarray) -> Columns:
    return {"mood": np.clip(np.round(capacities[:, 0] + 0.8 + rng.normal(0, 1.5, len(capacities))), 1, 10)}


MECHANISM = Mechanism(
    capacities=("mood", "activation", "freedom_from_rumination"),
    capacity_mean=4.0,
    capacity_sd=1.3,
    capacity_own_sd=0.9,
    # Mean 14.8 and SD 4.4: moderate depression in primary care.
    score_at_zero=26.0,
    score_per_capacity=(-1.2, -0.8, -0.8),
    measurement_sd=2.0,
    score_step=1.0,
    # Without treatment about a point of PHQ-9 goes by itself in eight weeks.
    drift_per_week=0.045,
    feature="approach",
    trains={
        "activation": (0.4, 0.6, 0.0),
        "cognitive": (0.3, 0.0, 0.7),
        "mindfulness": (0.3, 0.0, 0.7),
        "social": (0.5, 0.5, 0.0),
        "sleep": (0.5, 0.3, 0.2),
        "none": (0.0, 0.0, 0.0),
    },
    learning_rate=0.2,
    learning_spread=0.35,
    challenge=0.3,
    sleep_mean=6.3,
    taste_sd=0.5,
    answers={
        "helpful": Answer(-0.8, 0.9, precision=5),
        "completed": Answer(-0.7, 1.2),
        "rating": Answer(-0.7, 0.8, steps=4),
    },
    silence=Answer(-1.5, -0.8),
    complaints=(
        ("I feel low", "nothing gives me joy", "I cried again today", "everything is grey"),
        ("I could not get going", "I stayed in bed", "everything is an effort"),
        ("my thoughts go round and round", "I keep blaming myself", "I cannot stop worrying"),
    ),
    leaving_per_week=0.035,
    draw_users=_users,
    draw_feelings=_feelings,
)
