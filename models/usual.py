"""The usual F of what one user answered to, kept with the course: no answer has a part in it, so it stays as it is."""

import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from models.fold_one import Past, Told, carried_on
from models.prior import Prior

CONTENTS_A_SESSION = 8  # courses are kept by their sessions: what is kept with one must not outgrow it


class _Kept(NamedTuple):
    prior: weakref.ref[Prior]
    user: Mapping[str, Any]
    past: Past
    told: Told


class Usual:
    """What was worked out last, for one course and those that continue it.

    What is kept is replaced as a whole: two threads at a time do not disturb each other.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def of(self, prior: Prior, user: Mapping[str, Any], past: Past) -> np.ndarray:
        """(n_sessions,) the usual F of each session that came after the same past then as now; NaN of others."""
        kept = self._kept
        if kept is None or kept.prior() is not prior or kept.user != user:
            return np.full(past.decided.size, np.nan)
        return carried_on(kept.told, kept.past, past)

    def keep(self, prior: Prior, user: Mapping[str, Any], past: Past, told: Told) -> None:
        """Keep what was worked out, also of the session that the decision made now will be, if that is not too much."""
        if told.of_content.size > CONTENTS_A_SESSION * told.of_session.size:
            told = told._replace(of_content=np.zeros(0))
        self._kept = _Kept(weakref.ref(prior), user, past, told)
