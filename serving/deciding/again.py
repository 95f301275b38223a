"""A decision asked for again: the same key of the same patient is the same decision."""

import hashlib
from collections.abc import Sequence
from uuid import uuid4

from posology.digests import canonical_json
from serving.problems import RequestError
from serving.records import Decision
from serving.requests import RecommendRequest
from serving.store import Store

KEY_HEADER = "Idempotency-Key"
LONGEST_KEY = 200


def checked_key(key: str | None) -> str | None:
    """The header's value, if it is one."""
    if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise RequestError(f"expected 1 to {LONGEST_KEY} visible ASCII letters", field=KEY_HEADER, status=400)
    return key


def id_of(user_id: str, key: str | None, *more: str) -> str:
    """The id of what a call makes: told by the key, where there is one, so that two workers come to the same.

    Args:
        user_id: a key counts within one patient.
        key: the caller's.
        more: tell several things of one call apart.
    """
    if key is None:
        return uuid4().hex
    return hashlib.sha256(canonical_json([user_id, key, *more]).encode()).hexdigest()[:32]


def made_before(store: Store, decision_ids: Sequence[str], asked: RecommendRequest) -> Decision | None:
    """The first of these decisions that is there, if one is.

    Raises:
        RequestError: it was asked for with another body.
    """
    decision = store.first_of(decision_ids)
    if decision is None:
        return None
    is_same = (
        decision.user_id == asked.user_id
        and decision.context == asked.context
        and decision.candidates == asked.candidates
        and asked.seed in {None, decision.seed}
    )
    if not is_same:
        raise RequestError("was used for another request; a new request needs a new key", field=KEY_HEADER)
    return decision
