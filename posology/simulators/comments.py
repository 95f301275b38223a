"""What patients write: short texts that tell, not always, how it was and why."""

from dataclasses import dataclass

import numpy as np
import polars as pl

SPOKEN_SHARE = 0.15  # of feedback that comes with words
REASON_SHARE = 0.8  # of comments that tell why
COMPLAINT_SHARE = 0.3  # of comments of patients who are badly off in some way
BADLY_OFF = 3.5  # capacity below which a patient may complain of it
LEAST_CAUSE = 1.0  # below it nothing stood in the way
POOR, GOOD = 0.4, 0.7  # F below and above which it was bad or good
SLEPT_WELL_HOURS = 6.5

OPENINGS = (
    ("Did not go well", "Not for me", "I gave up half way", "Hard to get through", "That was no good"),
    ("It was all right", "So so", "Done", "Got through it", "OK"),
    ("That went well", "I liked this one", "Really good", "Enjoyed it", "This helps me"),
)
REASONS = (
    ("too hard today", "it was over my head", "I could not keep up", "that asked too much"),
    ("too easy for me", "I was done in no time", "could be more demanding", "no challenge"),
    ("the same again", "always the same kind", "I know this one by heart", "a change would be nice"),
    ("I am worn out from the last days", "it is getting too much", "I need a break", "I was tired before I began"),
    ("I slept badly", "short night", "hardly closed an eye", "awake since four"),
    ("just right", "good level for me", "it kept me busy in a good way", "I could feel that I am learning"),
)
FITS = len(REASONS) - 1


@dataclass(frozen=True)
class Signs:
    """How it was for n patients.

    Attributes:
        came: (n,) whether there is feedback at all.
        value: (n,) F.
        gap: (n,) levels by which it was too hard; negative is too easy.
        boredom: (n,) with this kind of content, 0 to 1.
        fatigue: (n,) 0 to 1.
        sleep: (n,) hours of the last night.
        capacities: (n, n_capacities)
    """

    came: np.ndarray
    value: np.ndarray
    gap: np.ndarray
    boredom: np.ndarray
    fatigue: np.ndarray
    sleep: np.ndarray
    capacities: np.ndarray


def comments(rng: np.random.Generator, signs: Signs, complaints: tuple[tuple[str, ...], ...]) -> pl.Series:
    """(n,) what each patient writes; null where nothing.

    Args:
        rng: who writes, and in which words.
        signs: what they write about.
        complaints: phrases for each capacity that is low.
    """
    speaks = np.flatnonzero(signs.came & (rng.random(len(signs.value)) < SPOKEN_SHARE))
    openings = np.digitize(signs.value[speaks], [POOR, GOOD])
    reasons = np.where(rng.random(len(speaks)) < REASON_SHARE, _reasons(rng, signs)[speaks], -1)
    weakest = signs.capacities[speaks].argmin(axis=1)
    complains = signs.capacities[speaks].min(axis=1) < BADLY_OFF
    weakest = np.where(complains & (rng.random(len(speaks)) < COMPLAINT_SHARE), weakest, -1)
    parts = (
        _phrases(rng, OPENINGS, openings, "{}"),
        _phrases(rng, REASONS, reasons, ", {}"),
        _phrases(rng, complaints, weakest, ". {}"),
    )
    words = np.full(len(signs.value), None, dtype=object)
    words[speaks] = [opening + reason + complaint for opening, reason, complaint in zip(*parts, strict=True)]
    return pl.Series(words.tolist(), dtype=pl.String)


def _phrases(
    rng: np.random.Generator, phrases: tuple[tuple[str, ...], ...], topics: np.ndarray, pattern: str
) -> list[str]:
    """(n,) a phrase on each topic, set in the pattern; nothing where the topic is -1."""
    sizes = np.array([*(len(each) for each in phrases), 1])
    firsts = np.concatenate([[0], sizes[:-1].cumsum()])
    texts = np.array([*(pattern.format(phrase) for each in phrases for phrase in each), ""], dtype=object)
    return texts[firsts[topics] + rng.integers(0, sizes[topics])].tolist()


def _reasons(rng: np.random.Generator, signs: Signs) -> np.ndarray:
    """(n,) what stood in the way most, as the patient feels it."""
    causes = np.column_stack(
        [signs.gap, -signs.gap, 2 * signs.boredom, 2 * signs.fatigue, SLEPT_WELL_HOURS - signs.sleep]
    )
    felt = causes + rng.normal(0, 0.4, causes.shape)
    return np.where(felt.max(axis=1) > LEAST_CAUSE, felt.argmax(axis=1), FITS)
