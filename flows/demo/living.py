"""Simulated patients who live through the HTTP API as an app's users would."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
import polars as pl

from posology.errors import ServiceDown
from posology.simulators import Simulator

CALLERS = 4  # requests under way at once
OFFLINE_HOURS = 12  # feedback that takes longer waits for a later day
Answered = tuple[dict[str, Any], dict[str, Any]]  # what was recommended, and the feedback


@dataclass(frozen=True)
class Lived:
    """What the patients' time came to.

    Attributes:
        by_model: how many decisions the model made; the others were the safe default.
        true_value: mean true E[F] of what was given.
        truth: ``decision_id`` and ``expected_feedback`` (true E[F] of every content), one row a decision.
    """

    by_model: int
    true_value: float
    truth: pl.DataFrame


class Phones:
    """Sends feedback when it arrives: mostly at once, sometimes nights later, when a phone is online again."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._waiting: list[Answered] = []

    def take(self, answered: Iterable[Answered], decided_at: datetime) -> None:
        """Send what comes today, keep what comes later."""
        came = [(answer, feedback) for answer, feedback in answered if feedback["feedback_at"] is not None]
        self._waiting += came
        self.send(before=decided_at + timedelta(hours=OFFLINE_HOURS))

    def send(self, before: datetime) -> None:
        """Send what has arrived before a moment."""
        arrived = [each for each in self._waiting if each[1]["feedback_at"] < before]
        self._waiting = [each for each in self._waiting if each[1]["feedback_at"] >= before]
        self._app.all(self._feed_back, arrived)

    def _feed_back(self, answered: Answered) -> None:
        answer, feedback = answered
        at = feedback.pop("feedback_at")
        self._app.post("activate", {"decision_id": answer["decision_id"]}, at - timedelta(seconds=1))
        self._app.post("feedback", {"decision_id": answer["decision_id"], "received_at": at, **feedback}, at)


class App:
    """The patients' app: one call after the other, each at the time the world says."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

    def __enter__(self) -> "App":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def all(self, call: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """The answers to many calls, a few at a time."""
        with ThreadPoolExecutor(CALLERS) as pool:
            return list(pool.map(call, items))

    def post(self, call: str, body: dict[str, Any], at: datetime) -> dict[str, Any]:
        """The answer to one call.

        Raises:
            ServiceDown: it was not 200.
        """
        response = self._client.post(f"/v1/{call}", json=plain(body), headers={"Posology-Now": at.isoformat()})
        if response.status_code != httpx.codes.OK:
            raise ServiceDown(f"/v1/{call} answered {response.status_code}: {response.text[:300]}")
        return dict(response.json())


def live(app: App, world: Simulator, *, days: int, seed: int, detail: Callable[[str], None]) -> Lived:
    """Enrol the world's patients and let them live: sessions, feedback, readings.

    Args:
        seed: of the service's draws, so that the same demonstration gives the same choices.
    """
    enrol(app, world)
    phones = Phones(app)
    rng = np.random.default_rng(seed)
    served: list[dict[str, Any]] = []
    for day in range(days):
        detail(f"day {day + 1} of {days}, {len(served):,} decisions served")
        _measure(app, phones, world, day)
        served += _sessions(app, phones, world, day, rng=rng)
    decided = pl.DataFrame(served)
    return Lived(
        by_model=int(decided["by_model"].sum()),
        true_value=float(decided["value"].to_numpy().mean()),
        truth=decided.select("decision_id", "expected_feedback"),
    )


def enrol(app: App, world: Simulator) -> None:
    """Make the patients known to the service."""
    app.all(lambda user: app.post("users", user, user["enrolled_at"]), world.users.to_dicts())


def _measure(app: App, phones: Phones, world: Simulator, day: int) -> None:
    patients = world.to_measure(day)
    if not patients.size:
        return
    rows = world.measurements(patients, day).to_dicts()
    phones.send(before=min(row["measured_at"] for row in rows))
    app.all(lambda row: app.post("measurements", row, row["measured_at"]), rows)


def _sessions(
    app: App, phones: Phones, world: Simulator, day: int, *, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Today's decisions, each with the true E[F] of what was given and of every other content."""
    patients = world.due(day)
    if not patients.size:
        return []
    situations = world.situations(patients, day)
    context = situations.drop("user_id", "decided_at", *world.users.columns, strict=False).to_dicts()
    moments = situations["decided_at"].to_list()
    ids = world.users["user_id"].to_list()

    seeds = rng.integers(2**53, size=patients.size).tolist()

    def recommend(place: int) -> dict[str, Any]:
        body = {"user_id": ids[patients[place]], "context": context[place], "seed": seeds[place]}
        return app.post("recommend", body, moments[place])

    phones.send(before=min(moments))
    answers = app.all(recommend, range(patients.size))
    place_of = {content_id: place for place, content_id in enumerate(world.contents["content_id"])}
    contents = np.array([place_of[answer["content_id"]] for answer in answers])
    expected = world.expected_feedback(patients)
    phones.take(zip(answers, world.give(patients, contents).to_dicts(), strict=True), max(moments))
    return [
        {
            "decision_id": answer["decision_id"],
            "by_model": answer["source"] == "model",
            "value": float(values[content]),
            "expected_feedback": values.tolist(),
        }
        for answer, content, values in zip(answers, contents, expected, strict=True)
    ]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it: times as text, what is missing left out."""
    known = {name: value for name, value in row.items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in known.items()}
