"""Deciding and answering: what ``/v1/recommend`` and ``/v1/rank`` have in common."""

import logging
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
from serving.requests import read_rank

PREDICTION_FAILED = "PREDICTION_FAILED"
DRAWN_SEEDS = 2**53  # a seed drawn here survives any JSON reader

log = logging.getLogger("posology.serving")


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
    return answer(release, choice)


def decide(
    release: Release,
    course: OneCourse | Tables,
    *,
    now: datetime,
    context: Mapping[str, Any],
    candidates: Sequence[str] | None,
    seed: int,
) -> Choice:
    """The choice for one user, or the safe default when the prediction breaks."""
    try:
        choice = choose(release, course, now=now, context=context, candidates=candidates, seed=seed)
        if _is_finite(choice):
            return choice
        log.error("release %s predicted a number that is not finite: safe default", release.name)
    except Exception as error:  # a patient is waiting: whatever broke, the safe default is the answer
        log.error("release %s: %s: safe default", release.name, where(error))  # no traceback: it may hold data
    return _safe_choice(release, seed)


def draw_seed() -> int:
    """A seed nobody can foresee."""
    return secrets.randbelow(DRAWN_SEEDS)


def answer(release: Release, choice: Choice) -> dict[str, Any]:
    """A choice as JSON."""
    return {
        "content_id": choice.content_id,
        "probability": choice.probability,
        "release": release.name,
        "source": choice.source,
        "reasons": list(choice.reasons),
        "seed": choice.seed,
        "ranking": [_ranked(item) for item in choice.ranking],
    }


def _ranked(item: Ranked) -> dict[str, Any]:
    content_id, probability, eligible, feedback, status, reasons = item
    return {
        "content_id": content_id,
        "probability": probability,
        "eligible": eligible,
        "feedback": feedback and feedback._asdict(),
        "status": status and status._asdict(),
        "reasons": list(reasons),
    }


def where(error: BaseException) -> str:
    """An error's kind and place. Its text is left out: it may hold a patient's data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def _is_finite(choice: Choice) -> bool:
    intervals = [interval for item in choice.ranking for interval in (item.feedback, item.status) if interval]
    numbers = [choice.probability, *(item.probability for item in choice.ranking)]
    return all(map(math.isfinite, chain(numbers, *intervals)))


def _safe_choice(release: Release, seed: int) -> Choice:
    default = release.therapy.safety.safe_default
    others = [content_id for content_id in release.contents["content_id"] if content_id != default]
    ranking = (
        Ranked(default, 1.0, eligible=True, feedback=None, status=None, reasons=()),
        *(
            Ranked(content_id, 0.0, eligible=False, feedback=None, status=None, reasons=(PREDICTION_FAILED,))
            for content_id in others
        ),
    )
    return Choice(default, 1.0, "safe_default", (PREDICTION_FAILED,), seed, ranking)
