"""Patients with chronic tinnitus, treated with sound and cognitive exercises, read with the THI."""

import numpy as np

from posology.simulators.mechanism import Answer, Columns, Mechanism


def _users(rng: np.random.Generator, capacities: np.ndarray) -> Columns:
    n, ease = len(capacities), capacities[:, 1]
    hearing_loss = np.clip(np.round(rng.normal(32, 16, n)), -5, 90)
    return {
        "age": np.clip(np.round(rng.normal(55, 12, n)), 20, 88),
        "sex": np.where(rng.random(n) < 0.4, "female", "male"),
        "hearing_loss": hearing_loss,
        "hearing_aid": rng.random(n) < 1 / (1 + np.exp(-(hearing_loss - 45) / 8)),
        "hyperacusis": rng.random(n) < 0.25,
        "gad_7": np.clip(np.round(8 - 1.6 * (ease - 4.5) + rng.normal(0, 3, n)), 0, 21),
        "months_since_onset": np.round(np.exp(rng.normal(3.6, 1.0, n))).clip(3, 600),
    }


def _feelings(rng: np.random.Generator, capacities: np.ndarray) -> Columns:
    return {"annoyance": np.clip(np.round(9.5 - capacities[:, 1] + rng.normal(0, 1.5, len(capacities))), 0, 10)}


MECHANISM = Mechanism(
    capacities=("quiet", "ease", "habituation"),  # against loudness, distress and attention to the tinnitus
    capacity_mean=4.5,
    capacity_sd=1.4,
    capacity_own_sd=0.9,
    # Mean 46 and SD 19, as in clinics; every item answers 0, 2 or 4.
    score_at_zero=100.0,
    score_per_capacity=(-2.0, -5.0, -5.0),
    measurement_sd=6.5,
    score_step=2.0,
    drift_per_week=0.01,
    feature="approach",
    trains={
        "sound": (0.6, 0.0, 0.4),
        "relaxation": (0.2, 0.8, 0.0),
        "attention": (0.1, 0.1, 0.8),
        "cognitive": (0.0, 0.7, 0.3),
        "exposure": (0.0, 0.5, 0.5),
        "none": (0.0, 0.0, 0.0),
    },
    learning_rate=0.11,
    learning_spread=0.35,
    sleep_mean=6.4,
    taste_sd=0.5,
    answers={
        "relief": Answer(-0.8, 0.9, precision=3),
        "completed": Answer(-0.7, 1.2),
        "rating": Answer(-0.7, 0.8, steps=4),
    },
    silence=Answer(-1.8, -0.4),
    complaints=(
        ("the ringing is loud today", "louder than ever", "I hear it over everything"),
        ("it drives me mad", "I cannot bear it", "I am on edge"),
        ("I listen to it all the time", "I cannot think of anything else", "it never goes to the background"),
    ),
    draw_users=_users,
    draw_feelings=_feelings,
)
