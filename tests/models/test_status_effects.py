"""Effects on Mf: a small log leaves nothing out by chance, a large one what it shows to be worse."""

from dataclasses import replace

import numpy as np
import pytest

from models.policies.fit_status_effects import GivenSessions, fit_status_effects
from models.policies.status_effects import StatusEffects
from posology.errors import TooSmall

CONTENTS, DECISIONS = 12, 40
USUAL = np.linspace(0.3, 0.8, CONTENTS)  # mean F of each
IMPORTANT = 1.4


def log_of(seed: int, *, patients: int, slope: float = 0.0, errors: float = 0.0) -> GivenSessions:
    """Any content alike in every decision; one session of it does ``slope`` × its mean F to Mf, beside much else.

    What else there is makes the slope seem so many standard ``errors`` larger than it is.
    """
    rng = np.random.default_rng(seed)
    content = rng.integers(0, CONTENTS, (patients, DECISIONS))
    had = USUAL[content].sum(axis=1)
    away = (had - had.mean()) / np.sqrt(((had - had.mean()) ** 2).sum())
    noise = rng.normal(0, 1.5, patients)
    gained = slope * had + noise + away * (1.5 * errors - away @ noise)
    n = content.size
    return GivenSessions(
        course=rng.normal(size=(n, 2)),
        patient=np.repeat(np.arange(patients), DECISIONS),
        content=content.ravel(),
        n_contents=CONTENTS,
        chance=np.full(n, 1 / CONTENTS),
        n_eligible=np.full(n, float(CONTENTS)),
        feedback=USUAL[content.ravel()] + rng.normal(0, 0.05, n),
        gained=np.repeat(gained, DECISIONS),
        important=IMPORTANT,
    )


def is_surely_worse(effects: StatusEffects) -> np.ndarray:
    """(n_contents,) in a decision in which each promises what it usually does."""
    loss = effects.loss(effects.usual[None], np.ones((1, CONTENTS), dtype=bool))
    return (loss.mean - loss.error > 1e-9)[0]


def test_a_small_log_in_which_chance_lets_mf_fall_with_f_leaves_nothing_out():
    sessions = log_of(0, patients=30, errors=-2.1)
    by_the_log_alone = replace(sessions, important=100.0)
    assert is_surely_worse(fit_status_effects(by_the_log_alone))[-1]
    assert not is_surely_worse(fit_status_effects(sessions)).any()


@pytest.mark.parametrize("slope", [0.25, -0.25])
def test_a_large_log_leaves_out_what_is_worse_at_either_end_of_f(slope):
    effects = fit_status_effects(log_of(1, patients=1_000, slope=slope))
    worse = is_surely_worse(effects)
    assert worse[0 if slope > 0 else -1]
    assert not worse[-1 if slope > 0 else 0]
    assert effects.content[-1] - effects.content[0] == pytest.approx(slope * np.ptp(USUAL), abs=0.05)


def test_what_is_believed_grows_with_the_log_and_with_what_is_important():
    small, large = log_of(2, patients=30, slope=0.3), log_of(2, patients=500, slope=0.3)
    of_little, of_more, of_many = (
        fit_status_effects(sessions).content for sessions in (replace(small, important=0.2), small, large)
    )
    assert of_little[-1] - of_little[0] < of_more[-1] - of_more[0] < of_many[-1] - of_many[0]


def test_a_therapy_without_f_has_effects_about_their_mean_and_a_content_never_given_is_the_least_known():
    sessions = log_of(3, patients=200)
    kept = sessions.content != 4
    some = {name: getattr(sessions, name)[kept] for name in ("course", "patient", "content", "chance", "n_eligible")}
    effects = fit_status_effects(replace(sessions, **some, feedback=None, gained=sessions.gained[kept]))
    assert effects.slope == 0
    assert effects.content[4] == pytest.approx(np.delete(effects.content, 4).mean(), abs=0.02)


def test_nine_patients_are_too_few():
    with pytest.raises(TooSmall, match="10 or more patients"):
        fit_status_effects(log_of(4, patients=9))
