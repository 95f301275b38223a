"""A patient is removed from the store whole, once, and does not come back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from posology.errors import Conflict, NotFound
from posology.tables import Tables
from posology.therapy import Therapy
from serving.database import reading
from serving.erasure import complete, erase_rows, note_erasure, overwrite_removed, pending_erasures
from serving.records import Decision, Feedback, Measurement, User
from serving.schema import erasures, metadata, tokens
from serving.store import Store

from .conftest import NOW

SECRET = "sleeps badly since March"


@pytest.fixture
def filled(store: Store) -> Store:
    """Two patients; the id of one is a part of the other's."""
    declared = {"age": 50.0, "sex": None, "history": SECRET, "voice": None}
    for user_id in ("patient-0001", "patient-00012"):
        store.add_user(User(user_id, NOW, None, consent=True, declared=declared))
        store.add_measurement(Measurement(user_id, NOW, "PHQ9", 9.0))
        decision = f"decision-{user_id}"
        store.add_decision(Decision(decision, user_id, NOW, "slow", None, 0.5, None, {"sleep_hours": None}))
        store.add_feedback(Feedback(decision, NOW, {"score": 1.0, "completed": True, "comment": SECRET}))
        store.activate(decision, NOW)
    return store


def test_no_row_of_the_patient_is_left_and_all_of_the_other_are(filled: Store) -> None:
    before = filled.course("patient-00012")
    erasure = erase_rows(filled.engine, "patient-0001", NOW)
    counted = {
        name: erasure.removed[name] for name in ("users", "measurements", "decisions", "feedback", "activations")
    }
    assert set(counted.values()) == {1}
    with pytest.raises(NotFound):
        filled.course("patient-0001")
    with pytest.raises(NotFound):
        filled.decision("decision-patient-0001")
    assert filled.course("patient-00012").sessions.equals(before.sessions)


def test_every_table_with_patients_is_known_to_erasure() -> None:
    """A table without either id would be passed over."""
    without = {
        name
        for name, table in metadata.tables.items()
        if table not in (erasures, tokens) and not {"user_id", "decision_id"} & {*table.c.keys()}
    }
    assert without == set()


def test_once_erased_stays_erased(filled: Store, therapy: Therapy) -> None:
    first = erase_rows(filled.engine, "patient-0001", NOW)
    assert erase_rows(filled.engine, "patient-0001", NOW + timedelta(days=1)) == first
    with pytest.raises(Conflict, match="was erased"):
        filled.add_user(User("patient-0001", NOW, None, consent=True, declared={}))
    row = {"user_id": "patient-0001", "enrolled_at": NOW, "site": None, "consent": True}
    nothing = dict.fromkeys(therapy.user)
    history = Tables.from_rows(therapy, users=[{**row, **nothing, "consent_withdrawn_at": None}])
    with pytest.raises(Conflict, match="1 were erased and stay so"):
        filled.load(history)
    with pytest.raises(NotFound):
        erase_rows(filled.engine, "nobody", NOW)


def test_whom_to_look_for_is_known_until_files_are_clean(filled: Store) -> None:
    erasure = erase_rows(filled.engine, "patient-0001", NOW)
    (waiting,) = pending_erasures(filled.engine)
    assert waiting == erasure
    assert erasure.pending == {"user_id": "patient-0001", "decision_ids": ["decision-patient-0001"]}
    assert not erasure.receipt()["complete"]
    assert "patient-0001" not in str(erasure.receipt())
    complete(filled.engine, erasure)
    assert pending_erasures(filled.engine) == []
    with reading(filled.engine) as connection:
        assert "patient-0001" not in str(connection.execute(sa.select(erasures)).all())


def test_nothing_of_the_patient_is_left_in_the_databases_files(filled: Store, tmp_path: Path) -> None:
    """Also not in the room that removed rows leave behind."""
    for user_id in ("patient-0001", "patient-00012"):
        complete(filled.engine, erase_rows(filled.engine, user_id, NOW))
    overwrite_removed(filled.engine)
    filled.close()
    for file in tmp_path.glob("store.db*"):
        assert SECRET.encode() not in file.read_bytes()
        assert b"patient-0001" not in file.read_bytes()


def test_somebody_whom_only_files_know_can_be_noted(filled: Store) -> None:
    first = note_erasure(filled.engine, "of-a-file", NOW)
    assert note_erasure(filled.engine, "of-a-file", NOW) == first
    assert first.removed == {}


def test_over_http_a_patient_is_gone_before_the_answer(client: Any, enrol: Callable[..., None]) -> None:
    enrol("ada")
    ask = {"user_id": "ada", "context": {"sleep_hours": 7}}
    assert client.post("/v1/recommend", json=ask).status_code == 200
    receipt = client.post("/v1/erase", json={"user_id": "ada"}).json()
    assert receipt["removed"]["decisions"] == 1
    assert client.post("/v1/recommend", json=ask).status_code == 404
    assert client.post("/v1/erase", json={"user_id": "ada"}).json() == receipt
    assert client.post("/v1/erase", json={"user_id": "nobody"}).status_code == 404
    assert client.post("/v1/erase", json={"user_id": "ada", "why": "x"}).status_code == 422
