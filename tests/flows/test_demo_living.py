"""Patients of the demonstration live through the API as users of an app would; what they lived is known truly."""

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from flows.demo.living import App, Lived, live, plain
from flows.demo.result import SHOWN, Result
from flows.demo.truth import Known
from flows.home import Home
from posology.errors import ServiceDown
from posology.simulators import World
from posology.therapy_file import load_therapy

START = datetime(2026, 1, 5, tzinfo=UTC)
DAYS = 10


class ScriptedApp(App):
    """An app whose service gives by the seed it is told, and keeps what it was asked."""

    def __init__(self, contents: list[str]) -> None:
        super().__init__("http://nowhere", "token")
        self._contents, self._lock = contents, threading.Lock()
        self.calls: list[tuple[str, dict[str, Any], datetime]] = []

    def post(self, call: str, body: dict[str, Any], at: datetime) -> dict[str, Any]:
        with self._lock:
            self.calls.append((call, plain(body), at))
        if call != "recommend":
            return {}
        chosen = self._contents[body["seed"] % len(self._contents)]
        decision_id = f"{body['user_id']} {at.isoformat()}"
        return {
            "decision_id": decision_id,
            "content_id": chosen,
            "source": "model" if body["seed"] % 3 else "safe_default",
        }

    def of(self, call: str) -> list[tuple[dict[str, Any], datetime]]:
        return [(body, at) for name, body, at in self.calls if name == call]


def world() -> World:
    return World(load_therapy("mci"), patients=12, seed=3, start=START, prefix="app", enrolment_days=3)


def lived(seed: int = 1) -> tuple[ScriptedApp, Lived, list[str]]:
    said: list[str] = []
    someones = world()
    app = ScriptedApp(someones.contents["content_id"].to_list())
    with app:
        return app, live(app, someones, days=DAYS, seed=seed, detail=said.append), said


@pytest.fixture(scope="module")
def one_life() -> tuple[ScriptedApp, Lived, list[str]]:
    return lived()


def test_every_patient_is_enrolled_once_before_anything_else(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    app = one_life[0]
    assert sorted(body["user_id"] for body, _ in app.of("users")) == [f"app-{number:06d}" for number in range(12)]
    assert [call for call, _, _ in app.calls[:12]] == ["users"] * 12


def test_calls_of_a_patient_come_in_the_order_of_their_time(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    app = one_life[0]
    times = defaultdict(list)
    for call, body, at in app.calls:
        user_id = body.get("user_id") or body["decision_id"].partition(" ")[0]
        times[user_id].append((at, call))
        assert START <= at < START + timedelta(days=DAYS + 1)
    for user_id, moments in times.items():
        assert moments == sorted(moments, key=lambda moment: moment[0]), user_id


def test_feedback_follows_what_was_shown_and_only_where_it_came(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    app, life, _ = one_life
    shown = {body["decision_id"]: at for body, at in app.of("activate")}
    answered = {body["decision_id"]: at for body, at in app.of("feedback")}
    assert shown.keys() == answered.keys() < set(life.truth["decision_id"])
    for decision_id, at in answered.items():
        assert shown[decision_id] < at
        assert datetime.fromisoformat(decision_id.partition(" ")[2]) < at


def test_nothing_is_sent_that_is_not_known(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    for _, body, _ in one_life[0].calls:
        assert None not in body.values()


def test_what_they_lived_is_known_truly(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    app, life, _ = one_life
    asked = [body for body, _ in app.of("recommend")]
    assert life.truth.height == len(asked) > 20
    assert life.truth["decision_id"].is_unique().all()
    expected = np.array(life.truth["expected_feedback"].to_list())
    assert expected.shape == (len(asked), 34)
    assert ((expected >= 0) & (expected <= 1)).all()
    assert life.by_model == sum(bool(body["seed"] % 3) for body in asked)
    given = {f"{body['user_id']} {at.isoformat()}": body["seed"] % 34 for body, at in app.of("recommend")}
    values = [row[given[name]] for name, row in zip(life.truth["decision_id"], expected, strict=True)]
    assert life.true_value == pytest.approx(np.mean(values))


def test_the_same_seed_gives_the_same_life(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    again, other = lived()[1], lived(seed=2)[1]
    assert again.truth.equals(one_life[1].truth)
    assert again.true_value == one_life[1].true_value
    assert other.true_value != one_life[1].true_value


def test_progress_is_told_day_by_day(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    said = one_life[2]
    assert len(said) == DAYS
    assert said[0] == f"day 1 of {DAYS}, 0 decisions served"


def test_the_app_sends_its_token_and_the_time_and_reports_a_refusal() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer secret"
        assert request.headers["Posology-Now"] == START.isoformat()
        return (
            httpx.Response(409, text="no") if request.url.path == "/v1/feedback" else httpx.Response(200, json={"a": 1})
        )

    app = App("http://service", "secret")
    app._client = httpx.Client(
        base_url="http://service", headers=app._client.headers, transport=httpx.MockTransport(answer)
    )
    with app:
        assert app.post("activate", {"decision_id": "d"}, START) == {"a": 1}
        with pytest.raises(ServiceDown, match="/v1/feedback answered 409: no"):
            app.post("feedback", {"decision_id": "d"}, START)


def test_a_row_becomes_json_without_what_is_missing() -> None:
    assert plain({"at": START, "age": 7.0, "site": None}) == {"at": "2026-01-05T00:00:00+00:00", "age": 7.0}


def test_what_is_known_grows_with_what_was_lived(one_life: tuple[ScriptedApp, Lived, list[str]]) -> None:
    life = one_life[1]
    known = Known(life.truth.head(3), pl.DataFrame({"user_id": ["a"], "status_at_end": [20.0]}))
    assert known.with_decisions(life.truth.tail(2)).decisions.height == 5
    assert known.decisions.height == 3


def test_the_result_names_both_releases_and_a_figure_that_is_missing_is_left_blank(
    one_life: tuple[ScriptedApp, Lived, list[str]], home: Home
) -> None:
    runs = [{"release": "mci-000000000001"}, {"release": "mci-000000000002"}]
    result = Result(home, runs, [{"feedback loss": 0.1}, {"feedback loss": 0.05}], one_life[1])
    rows = result.rows()
    assert len(rows) == len(SHOWN)
    assert rows[0][1:] == ["0.100", "0.050"]
    assert rows[1][1:] == ["", ""]
    content = result.as_json()
    assert content["release"] == "mci-000000000001"
    assert content["runs"] == runs
    assert {"MLflow (runs, registry, dossiers)", "Prefect (flow runs)"} <= set(content["addresses"])
