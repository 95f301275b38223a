"""Deciding and answering: what ``/v1/recommend`` and ``/v1/rank`` have in common."""

import math
import secrets
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from models.choice import Choice, Ranked, choose
from models.one_course import OneCourse
from models.release import Release
from posology.tables import Tables
from serving.alarms import ALARMS, Alarm
from serving.deciding.explaining import explained
from serving.fallback import safe_choice
from serving.requests import read_rank
from serving.telling import telling_of

PREDICTION_FAILED = Alarm.PREDICTION_FAILED.value
DRAWN_SEEDS = 2**53  # a seed drawn here survives any JSON reader


def answer_rank(release: Release, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``POST /v1/rank``: the same body gives the same answer.

    Args:
        body: as documented; ``decided_at`` and ``seed``, which a caller over
            HTTP may leave out, must be there.

    Raises:
        RequestError: the body is not as documented.
        NoConsent: the user has not consented.
    """
    asked = read_rank(release, body)
    choice = decide(
        release,
        asked.tables,
        now=asked.decided_at,
        context=asked.context,
        candidates=asked.candidates,
        seed=asked.seed,
    )
    answered = answer(release, choice)
    if not asked.explain:
        return answered
    content, now = choice.content_id, asked.decided_at
    return {
        **answered,
        "explanation": explained(release, asked.tables, now=now, context=asked.context, content_id=content),
    }


def decide(
    release: Release,
    course: OneCourse | Tables,
    *,
    now: datetime,
    context: Mapping[str, Any],
    candidates: Sequence[str] | None,
    seed: int,
    alarm: Alarm = Alarm.PREDICTION_FAILED,
) -> Choice:
    """The choice for one user, or the safe default when the prediction breaks, which rings the alarm."""
    try:
        choice = choose(release, course, now=now, context=context, candidates=candidates, seed=seed)
        if _is_finite(choice):
            return choice
        ALARMS.ring(alarm, f"release {release.name} predicted a number that is not finite")
    except Exception as error:  # a patient is waiting: whatever broke, the safe default is the answer
        ALARMS.ring(alarm, f"release {release.name}: {where(error)}")  # a traceback may hold data
    return safe_choice(release, seed, PREDICTION_FAILED)


def draw_seed() -> int:
    """A seed nobody can foresee."""
    return secrets.randbelow(DRAWN_SEEDS)


def answer(release: Release, choice: Choice) -> dict[str, Any]:
    """A choice as JSON."""
    ranking = [_ranked(item) for item in choice.ranking]
    return {
        "content_id": choice.content_id,
        "probability": choice.probability,
        "release": release.name,
        "source": choice.source,
        "reasons": list(choice.reasons),
        "seed": choice.seed,
        **telling_of(release).of(choice.content_id, choice.reasons, ranking),
        "ranking": ranking,
    }


def _ranked(item: Ranked) -> dict[str, Any]:
    content_id, probability, eligible, feedback, status, reasons = item
    return {
        "content_id": content_id,
        "probability": probability,
        "eligible": eligible,
        "feedback": feedback and _interval(*feedback),
        "status": status and _interval(*status),
        "reasons": list(reasons),
    }


def _interval(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high}


def where(error: BaseException) -> str:
    """An error's kind and place. Its text is left out: it may hold a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _is_finite(choice: Choice) -> bool:
    """Whether every number is: their sum is not where one is not."""
    intervals = chain.from_iterable((item.feedback, item.status) for item in choice.ranking)
    numbers = chain.from_iterable(filter(None, intervals))
    return math.isfinite(choice.probability + sum(item.probability for item in choice.ranking) + sum(numbers))
