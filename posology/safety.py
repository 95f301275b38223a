"""Which contents must not be given now, and why.

One definition for all who ask: the simulators' logging policies, the shield
that answers patients, the guardrail's stress set and off-policy evaluation.
Vectorised over decisions; one decision is a batch of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from posology.therapy import Therapy
from posology.thresholds import side_of, thresholds_of

ANSWERS_KEPT = 10_000  # of rules, to single situations
LOOK_BACK = 9  # contents before this one; with it they make the ten of feature_share_of_last_10
INACTIVE, IN_A_ROW, MINUTES, SHARE = "INACTIVE", "CAP_ROW", "CAP_MINUTES", "CAP_SHARE"
Bools = np.ndarray  # (n_decisions, n_contents) of bool


@dataclass(frozen=True)
class RecentDoses:
    """What was given just before each of n decisions.

    Attributes:
        last_content: (n,) place in the contents table, -1 when nothing was given yet.
        times_in_a_row: (n,) how often it was given without another between.
        minutes: (n,) sum of the content column ``minutes`` over the 24 hours before.
        feature_counts: (n, n_values) how many of the last nine contents had each
            value of the cap's feature, in the order the therapy declares them.
    """

    last_content: np.ndarray
    times_in_a_row: np.ndarray
    minutes: np.ndarray
    feature_counts: np.ndarray

    @classmethod
    def none(cls, n: int, therapy: Therapy) -> "RecentDoses":
        """Nothing given yet to any of n patients."""
        return cls(np.full(n, -1), np.zeros(n, dtype=int), np.zeros(n), np.zeros((n, len(feature_values(therapy)))))


@dataclass(frozen=True)
class Blocks:
    """Why contents are blocked: reason code → (n_decisions, n_contents) of bool."""

    by_code: Mapping[str, Bools]
    eligible: Bools

    def reasons(self, decision: int, content: int) -> tuple[str, ...]:
        """The codes that block one content in one decision; empty when none does."""
        return tuple(code for code, blocked in self.by_code.items() if blocked[decision, content])


@dataclass(frozen=True)
class Shield:
    """Rules and caps of a therapy over its contents, with what can be worked out before anybody asks."""

    therapy: Therapy
    contents: pl.DataFrame

    def blocks(self, situations: pl.DataFrame, recent: RecentDoses) -> Blocks:
        """What may not be given in each situation; as ``blocks``."""
        return self._blocks(situations["decided_at"].to_numpy(), self._rules(situations), recent)

    def blocks_of_one(self, decided_at: np.datetime64, situation: Mapping[str, Any], recent: RecentDoses) -> Blocks:
        """What may not be given in one situation, given by column; as ``blocks`` of one row.

        A rule that was answered for the same values lately is not worked out again.
        """
        return self._blocks(np.array([decided_at]), self._rules_of_one(situation), recent)

    def _blocks(self, decided_at: np.ndarray, rules: dict[str, Bools], recent: RecentDoses) -> Blocks:
        by_code = {**self._inactive(decided_at), **rules, **self._caps(recent)}
        if not by_code:
            return Blocks({}, np.ones((decided_at.size, self._is_other.size), dtype=bool))
        blocked = np.array(list(by_code.values()))
        blocked &= self._is_other
        codes, eligible = tuple(by_code), ~np.logical_or.reduce(blocked)
        blocking = np.flatnonzero(np.logical_or.reduce(blocked, axis=(1, 2))).tolist()
        return Blocks({codes[place]: blocked[place] for place in blocking}, eligible)

    @cached_property
    def _is_other(self) -> Bools:
        return (self.contents["content_id"] != self.therapy.safety.safe_default).to_numpy()

    @cached_property
    def _activity(self) -> tuple[np.ndarray, np.ndarray]:
        return self.contents["active_from"].to_numpy(), self.contents["active_until"].to_numpy()

    @cached_property
    def _some_have_their_time(self) -> bool:
        return not all(np.isnat(times).all() for times in self._activity)

    def _inactive(self, decided_at: np.ndarray) -> dict[str, Bools]:
        if not self._some_have_their_time:
            return {}
        times, (begin, end) = decided_at[:, None], self._activity
        return {INACTIVE: (times < begin) | (times >= end)}  # an end that is not set is NaT: no time is before or after

    @cached_property
    def _conditions(self) -> dict[str, pl.Expr]:
        return {rule.code: self.therapy.forbid_expression(rule) for rule in self.therapy.safety.rules}

    @cached_property
    def _looked_at(self) -> set[str]:
        return {name for condition in self._conditions.values() for name in condition.meta.root_names()}

    @cached_property
    def _of_situation(self) -> list[str]:
        return ["decided_at", *sorted(self._looked_at & set(self.therapy.user | self.therapy.context))]

    @cached_property
    def _alike(self) -> tuple[pl.DataFrame, np.ndarray]:
        """The contents that rules tell apart, and for each content the row of its like."""
        looked_at = self.contents[sorted(self._looked_at & {"content_id", *self.therapy.content}) or ["content_id"]]
        rows = looked_at.rows()
        place = {row: place for place, row in enumerate(dict.fromkeys(rows))}
        which = np.array([place[row] for row in rows])
        return looked_at[np.unique(which, return_index=True)[1]], which

    def _rules(self, situations: pl.DataFrame) -> dict[str, Bools]:
        return self._of_contents(self._answers(situations)) if self._conditions else {}

    def _of_contents(self, answers: np.ndarray) -> dict[str, Bools]:
        """What each rule blocks, by what it answers of the contents it tells apart."""
        return dict(zip(self._conditions, answers[:, :, self._alike[1]], strict=True))

    def _answers(self, situations: pl.DataFrame) -> np.ndarray:
        """(n_rules, n, n_alike)."""
        situation, content = situations[self._of_situation].fill_nan(None), self._alike[0]
        crossed = situation.join(content, how="cross", maintain_order="left_right")
        answers = crossed.select(rule.fill_null(value=True).alias(code) for code, rule in self._conditions.items())
        shape = (len(self._conditions), situation.height, content.height)
        return np.array([column.to_numpy() for column in answers]).reshape(shape)

    def _rules_of_one(self, situation: Mapping[str, Any]) -> dict[str, Bools]:
        if not self._conditions:
            return {}
        told = tuple(
            _hashable(situation.get(name)) if thresholds is None else side_of(situation.get(name), thresholds)
            for name, thresholds in self._thresholds.items()
        )
        if (answers := self._answered.get(told)) is None:
            if len(self._answered) >= ANSWERS_KEPT:
                self._answered.clear()
            answers = self._answered[told] = self._answers(self._one_row(situation))
        return self._of_contents(answers)

    @cached_property
    def _answered(self) -> dict[tuple[Any, ...], np.ndarray]:
        """What a rule can tell of a situation → answers, as ``_answers`` gives them."""
        return {}

    @cached_property
    def _thresholds(self) -> dict[str, list[float] | None]:
        """The columns of the situation that rules look at; see ``thresholds_of``."""
        rules = [rule.forbid for rule in self.therapy.safety.rules]
        return {name: thresholds_of(name, rules) for name in self._of_situation[1:]}

    def _one_row(self, situation: Mapping[str, Any]) -> pl.DataFrame:
        known = self.therapy.user | self.therapy.context
        asked = {name: pl.Series([situation.get(name)], dtype=known[name].dtype) for name in self._thresholds}
        return pl.DataFrame({"decided_at": [None], **asked})

    @cached_property
    def _minutes(self) -> np.ndarray:
        return self.contents["minutes"].to_numpy()

    @cached_property
    def _codes(self) -> np.ndarray:
        return feature_codes(self.therapy, self.contents)

    def _caps(self, recent: RecentDoses) -> dict[str, Bools]:
        caps = self.therapy.safety.caps
        found: dict[str, Bools] = {}
        if caps.same_content_in_a_row is not None:
            is_last = recent.last_content[:, None] == np.arange(self.contents.height)
            found[IN_A_ROW] = is_last & (recent.times_in_a_row >= caps.same_content_in_a_row)[:, None]
        if caps.minutes_per_day is not None:
            after = recent.minutes[:, None] + self._minutes
            found[MINUTES] = ~(after <= caps.minutes_per_day)  # NaN, a dose that is not known, is not below the cap
        if caps.feature_share_of_last_10 is not None:
            counts = recent.feature_counts[:, self._codes] + 1
            found[SHARE] = (counts > caps.feature_share_of_last_10 * (LOOK_BACK + 1) + 1e-9) | (self._codes < 0)
        return found


def blocks(
    therapy: Therapy,
    contents: pl.DataFrame,
    situations: pl.DataFrame,
    recent: RecentDoses,
) -> Blocks:
    """What may not be given in each situation.

    A rule that cannot be known because a value is missing blocks. The safe
    default is never blocked.

    Args:
        therapy: rules and caps.
        contents: the contents table, n_contents rows.
        situations: n rows with ``decided_at`` and the U and context columns; what is not known is null or NaN.
        recent: what was given before, n rows.
    """
    return Shield(therapy, contents).blocks(situations, recent)


def feature_values(therapy: Therapy) -> tuple[str, ...]:
    """The values of the category that ``feature_share_of_last_10`` looks at; empty without that cap."""
    feature = therapy.safety.caps.feature
    return (therapy.content[feature].values or ()) if feature else ()


def feature_codes(therapy: Therapy, contents: pl.DataFrame) -> np.ndarray:
    """(n_contents,) each content's place in ``feature_values``; -1 without that cap."""
    feature, values = therapy.safety.caps.feature, feature_values(therapy)
    if feature is None:
        return np.full(contents.height, -1)
    places = {value: place for place, value in enumerate(values)}
    return np.array([places.get(value, -1) for value in contents[feature]], dtype=int)


def _hashable(value: Any) -> Any:
    """A single value, NaN as None."""
    return tuple(value) if isinstance(value, list) else None if value != value else value  # noqa: PLR0124
