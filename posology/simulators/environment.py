"""One simulated patient as a ``gymnasium`` environment, for reinforcement learning."""

from collections.abc import Callable
from typing import Any, Literal

import gymnasium
import numpy as np
import polars as pl

from posology.errors import CannotDo
from posology.safety import feature_values
from posology.simulators.simulator import Simulator
from posology.simulators.truth import counted_feedback
from posology.therapy import Column, Columns, Status, Therapy

Reward = Literal["feedback", "status"]
MANY = 100  # contents and days are shown as shares of it
PATIENTS_TRIED = 100  # until one takes part


class CourseEnv(gymnasium.Env[np.ndarray, np.int64]):
    """A patient's course: each step is a content, the observation is what a service would know before the next.

    An action is the place of a content in the contents table; ``info["action_mask"]``
    tells which are eligible. As a shield does, a content that is not eligible
    is replaced by the safe default, and ``info["content_id"]`` tells what was
    given. An episode ends when the patient opens the app no more.

    The observation has one number from 0 to 1 for each of ``names``: U and
    context columns (numbers as their place in the declared range, categories
    and truths as 0 or 1), first and last reading of the instrument, F of the
    last content and the mean of all, contents given and days passed as shares
    of a hundred, the last content, how many of the last nine contents had each value of
    the capped feature. What is not known is 0.

    Args:
        simulator_of: makes a simulator of one patient from a seed, for example
            ``lambda seed: World(therapy, patients=1, seed=seed)``. A patient who
            never opens the app is passed over.
        reward: ``feedback``, F of each content as it counts (where missing F is left
            out, its true mean instead); or ``status``, 0 until the end, then the true
            change of status since the first decision, in smallest important changes,
            positive for better.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - as gymnasium declares it

    def __init__(self, simulator_of: Callable[[int], Simulator], *, reward: Reward = "feedback") -> None:
        self._simulator_of, self._reward = simulator_of, reward
        self._mask, self._given = np.zeros(0, dtype=np.int8), 0
        self._begin(simulator_of(0))
        self.names = _names(self._therapy, self._simulator.contents["content_id"].to_list())
        self.action_space = gymnasium.spaces.Discrete(self._simulator.contents.height)
        self.observation_space = gymnasium.spaces.Box(0, 1, (len(self.names),), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """A new patient, up to the first decision; the same seed gives the same patient and the same life."""
        super().reset(seed=seed, options=options)
        for _ in range(PATIENTS_TRIED):
            self._begin(self._simulator_of(int(self.np_random.integers(2**31))))
            if self._live():
                self._status_before = self._true_status()
                return self._observe(), self._info()
        raise CannotDo(f"none of {PATIENTS_TRIED} simulated patients opened the app; expected some to take part")

    def step(self, action: int | np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Give a content and live on to the next decision."""
        if self._situation is None:
            raise CannotDo("the course has ended; call reset for a new patient")
        content = int(action) if self._mask[action] else self._safe_default
        expected = float(self._simulator.expected_feedback(self._patient)[0, content])
        given = self._simulator.give(self._patient, np.array([content]))
        value = counted_feedback(self._therapy, self._situation.select("decided_at").hstack(given)).item()
        if value is not None:
            self._values.append(value)
        self._last, self._given = content, self._given + 1
        goes_on = self._live()
        reward = expected if value is None else float(value)
        if self._reward == "status":
            reward = 0.0 if goes_on else self._improvement()
        return self._observe(), reward, not goes_on, False, self._info(content)

    def _begin(self, simulator: Simulator) -> None:
        if simulator.users.height != 1:
            raise CannotDo(f"expected a simulator of one patient, got {simulator.users.height}")
        if simulator.therapy.status is None and self._reward == "status":
            raise CannotDo(f"therapy {simulator.therapy.name} declares no status; choose reward feedback")
        self._simulator, self._therapy, self._patient = simulator, simulator.therapy, np.array([0])
        ids = simulator.contents["content_id"].to_list()
        self._safe_default = ids.index(self._therapy.safety.safe_default)
        self._day, self._given, self._last = -1, 0, -1
        self._values: list[float] = []
        self._scores: list[float] = []
        self._situation: pl.DataFrame | None = None
        self._mask = np.zeros(len(ids), dtype=np.int8)

    def _live(self) -> bool:
        """Live up to the next decision, measured on the way; False at the end of the course."""
        simulator = self._simulator
        while self._day < simulator.last_day:
            self._day += 1
            if len(simulator.to_measure(self._day)):
                self._scores += simulator.measurements(self._patient, self._day)["score"].to_list()
            if len(simulator.due(self._day)):
                self._situation = simulator.situations(self._patient, self._day)
                self._mask = simulator.blocks(self._patient, self._situation).eligible[0].astype(np.int8)
                return True
        self._situation = None
        return False

    def _true_status(self) -> float:
        return float(self._simulator.true_status(self._patient)[0])

    def _improvement(self) -> float:
        status = self._therapy.status
        if status is None:
            return 0.0
        return status.direction * (self._true_status() - self._status_before) / status.smallest_important_change

    def _info(self, content: int | None = None) -> dict[str, Any]:
        given = {} if content is None else {"content_id": self._simulator.contents["content_id"][content]}
        return {"action_mask": self._mask.copy(), "day": self._day, **given}

    def _observe(self) -> np.ndarray:
        simulator, therapy = self._simulator, self._therapy
        if self._situation is not None:
            self._row = self._situation.row(0, named=True)
            self._recent = simulator.recent_doses(self._patient).feature_counts[0] / 9
        scores = [_share(score, therapy.status) for score in self._scores[:1] + self._scores[-1:]]
        values = [self._values[-1], float(np.mean(self._values))] if self._values else [0.0, 0.0]
        last = np.eye(simulator.contents.height)[self._last] if self._last >= 0 else np.zeros(simulator.contents.height)
        known = [
            *_encoded(self._row, therapy.user | therapy.context),
            *(scores or [0.0, 0.0]),
            *values,
            self._given / MANY,
            self._day / MANY,
            *last,
            *self._recent,
        ]
        return np.clip(np.nan_to_num(np.array(known, dtype=np.float32)), 0, 1)


def _names(therapy: Therapy, contents: list[str]) -> tuple[str, ...]:
    columns: list[str] = []
    for name, column in (therapy.user | therapy.context).items():
        if column.kind == "category":
            columns += [f"{name}={value}" for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            columns.append(name)
    course = ("score_first", "score_last", "feedback_last", "feedback_mean", "given", "days")
    last = (f"last={content_id}" for content_id in contents)
    return (*columns, *course, *last, *(f"of_last_9={value}" for value in feature_values(therapy)))


def _encoded(row: dict[str, Any], columns: Columns) -> list[float]:
    """Each column as numbers from 0 to 1."""
    found: list[float] = []
    for name, column in columns.items():
        value = row[name]
        if column.kind == "category":
            found += [float(value == known) for known in column.values or ()]
        elif column.kind == "boolean":
            found.append(float(bool(value)))
        elif column.kind == "number":
            found.append(0.0 if value is None else _place(value, column))
    return found


def _place(value: float, column: Column) -> float:
    """Where in its declared range a number lies; squashed by the logistic function where none is declared."""
    if column.minimum is None or column.maximum is None:
        return float(1 / (1 + np.exp(-value)))
    return (value - column.minimum) / (column.maximum - column.minimum)


def _share(score: float, status: Status | None) -> float:
    return 0.0 if status is None else (score - status.minimum) / (status.maximum - status.minimum)
