"""Patients of a service: their courses in its store, and what their apps send, day after day."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.serving.courses import BETWEEN_SESSIONS, courses
from benchmarks.serving.load import post
from benchmarks.serving.peers import TOKEN
from benchmarks.serving.releases import Fitted
from serving.app import NOW_HEADER
from serving.store import Store

BEGUN = datetime(2026, 6, 1, 9, tzinfo=UTC)


def stored(made: Fitted, url: str, *, users: int, sessions: int) -> list[str]:
    """Patients with courses of the same length in a store; their ids."""
    store = Store.open(url, made.release.therapy)
    until = BEGUN - timedelta(hours=1)
    tables = courses(made.release.therapy, made.tables, patients=users, sessions=sessions, until=until)
    store.load(tables)
    store.close()
    ids: list[str] = tables.users["user_id"].to_list()
    return ids


class Patients:
    """Patients who come in turns, each twice a day.

    Args:
        ids: of patients in the store.
    """

    def __init__(self, made: Fitted, ids: list[str]) -> None:
        self._candidates = list(made.release.content_ids)
        self._ids = ids
        self._asked = 0

    def recommend(self) -> bytes:
        """The next patient's request."""
        nth, self._asked = self._asked, self._asked + 1
        return post("/v1/recommend", self.body(nth), **self.headers(nth))

    def headers(self, nth: int) -> dict[str, str]:
        """Token and time of the nth request."""
        now = BEGUN + nth // len(self._ids) * BETWEEN_SESSIONS
        return {"Authorization": f"Bearer {TOKEN}", NOW_HEADER.replace("-", "_"): now.isoformat()}

    def body(self, nth: int) -> bytes:
        """The nth request: every content is a candidate; sleep to the quarter of an hour, the clock to the minute."""
        rng = np.random.default_rng(nth)
        context: dict[str, Any] = {
            "sleep_hours": round(4 * rng.uniform(3, 9)) / 4,
            "hour_of_day": round(round(60 * rng.uniform(6, 23)) / 60, 4),
        }
        asked = {"user_id": self._ids[nth % len(self._ids)], "context": context, "candidates": self._candidates}
        return json.dumps(asked).encode()
