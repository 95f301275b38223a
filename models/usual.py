"""The usual F of what one user answered to, kept with the course: no answer has a part in it, so it stays as it is."""

import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from models.fold_one import Past, carried_on
from models.prior import Prior


class _Kept(NamedTuple):
    prior: weakref.ref[Prior]
    user: Mapping[str, Any]
    past: Past
    usual: np.ndarray


class Usual:
    """What was worked out last, for one course and those that continue it.

    What is kept is replaced as a whole: two threads at a time do not disturb each other.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def of(self, prior: Prior, user: Mapping[str, Any], past: Past) -> np.ndarray:
        """(n_sessions,) the usual F of those that came after the same past then as now; NaN of others."""
        kept = self._kept
        if kept is None or kept.prior() is not prior or kept.user != user:
            return np.full(past.decided.size, np.nan)
        return carried_on(kept.usual, kept.past, past)

    def keep(self, prior: Prior, user: Mapping[str, Any], past: Past, usual: np.ndarray) -> None:
        """Keep it; NaN where it was not worked out."""
        self._kept = _Kept(weakref.ref(prior), user, past, usual)
