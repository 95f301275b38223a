"""A tiny therapy and a small valid world, as rows that a test may spoil."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from expectations import Thresholds, Validation, validate
from posology.tables import NAMES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
TAKEN_AT = datetime(2026, 6, 1, tzinfo=UTC)
World = dict[str, list[dict[str, Any]]]
THERAPY = """
name: tiny
title: A tiny therapy
version: 1
status:
  {instrument: MMSE, minimum: 0, maximum: 30, better: higher, smallest_important_change: 1.4,
   final_after_days: 84, final_window_days: 21}
user:
  age: {kind: number, minimum: 40, maximum: 110, unit: years}
  sex: {kind: category, values: [female, male], protected: true}
  voice: {kind: embedding}
context:
  sleep_hours: {kind: number, minimum: 0, maximum: 24}
content:
  level: {kind: number, minimum: 0, maximum: 10}
  label: {kind: text}
feedback:
  columns:
    points: {kind: number, minimum: 0, maximum: 100}
    stars: {kind: category, values: ["1", "2", "3"]}
    comment: {kind: text}
  value: "points / 100 * (CAST(stars AS DOUBLE) - 1)"
  due_hours: 24
  missing: 0.0
safety: {safe_default: rest}
objective: constrained
noninferiority_margin: 0.5
exploration: {floor: 0.02, temperature: 0.1}
"""


def pytest_configure(config: pytest.Config) -> None:
    # pyparsing's and others' imports under Great Expectations use modules that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:module 'sre_:DeprecationWarning")


@pytest.fixture(scope="session")
def therapy(tmp_path_factory: pytest.TempPathFactory) -> Therapy:
    file = tmp_path_factory.mktemp("therapy") / "tiny.yaml"
    file.write_text(THERAPY, encoding="utf-8")
    return load_therapy(file)


@pytest.fixture(scope="session")
def new_world() -> Callable[[], World]:
    """Forty patients with two readings and five sessions each; every row bears a mark of its own."""

    def build() -> World:
        contents = ["rest", "easy", "hard", "spare"]
        return {
            "users": [_user(n) for n in range(40)],
            "measurements": [_measurement(n, visit) for n in range(40) for visit in (0, 1)],
            "contents": [{"content_id": name, "level": 1.0, "label": name} for name in contents],
            "sessions": [_session(n, day) for n in range(40) for day in range(1, 6)],
        }

    return build


@pytest.fixture(scope="session")
def validate_frames(
    therapy: Therapy, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, pl.DataFrame]], Validation]:
    """Write the frames as they are and validate the folder."""

    def run(
        frames: dict[str, pl.DataFrame],
        *,
        of: Therapy = therapy,
        most_in_quarantine: float = 0.2,
        with_docs: bool = False,
        patients_per_block: int = 5_000,
    ) -> Validation:
        folder = tmp_path_factory.mktemp("world")
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        return validate(
            of,
            folder,
            docs=folder / "docs" if with_docs else None,
            accepted=folder / "accepted",
            quarantine=folder / "quarantine",
            thresholds=Thresholds(quarantined_share=most_in_quarantine),
            taken_at=TAKEN_AT,
            patients_per_block=patients_per_block,
        )

    return run


@pytest.fixture(scope="session")
def frames_of(therapy: Therapy) -> Callable[[World], dict[str, pl.DataFrame]]:
    """Rows as the four frames of the contract."""

    def build(world: World) -> dict[str, pl.DataFrame]:
        tables = Tables.from_rows(therapy, **world)
        return {name: getattr(tables, name) for name in NAMES}

    return build


@pytest.fixture(scope="session")
def clean(
    new_world: Callable[[], World],
    frames_of: Callable[[World], dict[str, pl.DataFrame]],
    validate_frames: Callable[[dict[str, pl.DataFrame]], Validation],
) -> Validation:
    """The valid world, validated."""
    return validate_frames(frames_of(new_world()), with_docs=True)


def _user(n: int) -> dict[str, Any]:
    return {
        "user_id": f"u{n:02d}",
        "enrolled_at": START,
        "site": f"user {n}",
        "consent": True,
        "age": 60.0 + n % 30,
        "sex": None if n == 5 else "female",
        "voice": [1.0, float(n)],
    }


def _measurement(n: int, visit: int) -> dict[str, Any]:
    when = START + timedelta(days=84 * visit - 3, seconds=n)
    return {"user_id": f"u{n:02d}", "measured_at": when, "instrument": "MMSE", "score": 20.0}


def _session(n: int, day: int) -> dict[str, Any]:
    when = START + timedelta(days=day)
    return {
        "decision_id": f"d{n:02d}-{day}",
        "user_id": f"u{n:02d}",
        "decided_at": when,
        "content_id": "easy",
        "eligible": ["rest", "easy", "hard"],
        "probability": 0.5,
        "sleep_hours": 7.0,
        "feedback_at": when + timedelta(hours=1),
        "points": 80.0,
        "stars": "2",
        "comment": f"session {n} {day}",
    }
