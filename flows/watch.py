"""A canary watched: stopped when a guard says so, widened when its step is done."""

from contextlib import closing
from datetime import datetime, timedelta

from flows.beside import Ran
from flows.promotion import Promotion
from models.release import Release
from serving.modes.guarding import Guarded, guarded
from serving.modes.outcomes import outcomes
from serving.store import Store

GUARD = "guard"  # by whose hand


def watch_canary(promotion: Promotion, therapy: str, now: datetime) -> str:
    """Look at the canary of a therapy once and do what is due; says what was done, empty when nothing was."""
    running = promotion.beside(therapy)
    if running is None or running.plan.mode != "canary":
        return ""
    found = canary_so_far(promotion, running)
    if found.stop:
        promotion.stop_beside(therapy, reason=found.stop, by=GUARD, now=now)
        return f"The canary {running.release} was stopped: {found.stop}. Everybody is back to the champion."
    if _step_is_done(promotion, running, now):
        promotion.widen(running, now)
        return f"The canary {running.release} widens to {running.plan.steps[running.step + 1].share:.0%}."
    return ""


def canary_so_far(promotion: Promotion, running: Ran, since: datetime | None = None) -> Guarded:
    """A canary judged by all it did.

    Args:
        since: by what it did from then on.
    """
    version = promotion.registry.version(running.therapy, running.version)
    therapy = Release.load(promotion.registry.download(version)).therapy
    with closing(Store.open(promotion.settings.store_url, therapy)) as store:
        return guarded(outcomes(store.engine, therapy, since=since or running.since), running.plan.guards)


def _step_is_done(promotion: Promotion, running: Ran, now: datetime) -> bool:
    step = running.plan.steps[running.step]
    if running.step + 1 == len(running.plan.steps) or now < running.step_since + timedelta(days=step.days):
        return False
    return canary_so_far(promotion, running, running.step_since).decisions >= step.decisions
