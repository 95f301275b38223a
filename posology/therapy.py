"""What a therapy is: instrument, columns, safety rules, objective, contents.

The values here check themselves when built. ``therapy_file`` reads them from
YAML and adds the line to each message.
"""

import sys
from operator import not_
from typing import Annotated, Any, Literal, Self, TypeGuard

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from posology.checked_file import Misplaced
from posology.digests import digest_of_json
from posology.expressions import check_result, parse_expression
from posology.words import Words

UTC_TIME = pl.Datetime("us", "UTC")
RESERVED_COLUMNS = frozenset(
    (
        *("user_id", "enrolled_at", "site", "consent", "consent_withdrawn_at"),
        *("measured_at", "instrument"),
        *("content_id", "active_from", "active_until"),
        *("decision_id", "decided_at", "eligible", "probability", "release", "feedback_at"),
        *("reasons", "because"),  # of rows in quarantine
        *("table", "part", "target", "content", "remaining"),  # of rows handed to models
        *("days_enrolled", "given", "given_per_week", "days_since_given", "minutes_last_24h"),  # what a course tells
        *("feedbacks", "feedback_last", "feedback_mean", "feedback_recent", "feedback_trend"),
        *("scores", "score_first", "score_last", "score_change", "days_since_score"),
        *("answered_share", "answered_mean", "minutes_faded", "expected_answer", "expected_answer_sd"),
        *("group_answered_mean", "group_faded_1d", "group_faded_4d"),
        *("content_given", "content_in_a_row", "content_days_since", "content_feedback"),
        *("group_given", "group_of_last_9", "group_days_since", "group_feedback_last", "group_feedback_recent"),
    )
)
LARGEST = sys.float_info.max
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ContentId = Annotated[str, Field(min_length=1, max_length=100)]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Column(_Checked):
    """One declared column of U, C, F or the context.

    ``protected`` marks a column whose groups are compared for fairness. A text,
    embedding, image or series becomes a feature where ``encode`` is true.
    """

    kind: Literal["number", "category", "boolean", "text", "embedding", "image", "series"]
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    values: tuple[str, ...] | None = None
    protected: bool = False
    encode: bool = Field(default=False, exclude_if=not_)  # not in the digest of a therapy that says nothing of it

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind != "number" and (self.minimum, self.maximum, self.unit) != (None, None, None):
            raise ValueError(f"minimum, maximum and unit belong to kind number, not {self.kind}")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        if (self.kind == "category") != (self.values is not None):
            raise ValueError("values belong to kind category, and a category needs them")
        if self.values is not None and (not self.values or len(set(self.values)) < len(self.values)):
            raise ValueError("values must be one or more different names")
        if self.encode and self.kind in {"number", "category", "boolean"}:
            raise ValueError(f"encode belongs to kinds text, embedding, image and series, not {self.kind}")
        return self

    @property
    def dtype(self) -> pl.DataType:
        """How the column is stored."""
        return {
            "number": pl.Float64(),
            "boolean": pl.Boolean(),
            "embedding": pl.List(pl.Float64()),
            "series": pl.List(pl.Float64()),
        }.get(self.kind, pl.String())

    def holds(self, value: object) -> bool:
        """Whether a single value is allowed (None is a missing value and always is)."""
        if value is None:
            return True
        if self.kind == "number":
            low = -LARGEST if self.minimum is None else self.minimum
            high = LARGEST if self.maximum is None else self.maximum
            return _is_number(value) and low <= value <= high
        if self.kind == "boolean":
            return isinstance(value, bool)
        if self.kind == "embedding":
            return isinstance(value, list) and all(_is_number(item) for item in value)
        if self.kind == "series":
            return isinstance(value, list) and all(item is None or _is_number(item) for item in value)
        return isinstance(value, str) and (self.values is None or value in self.values)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


Columns = dict[Name, Column]


class Status(_Checked):
    """M: the instrument that says how the patient is.

    ``smallest_important_change`` is in points of the instrument; Mf is the
    reading nearest ``final_after_days`` after the first, within
    ``final_window_days`` of it.
    """

    instrument: str
    minimum: float
    maximum: float
    better: Literal["higher", "lower"]
    smallest_important_change: float = Field(gt=0)
    final_after_days: float = Field(gt=0)
    final_window_days: float = Field(gt=0)

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is not below maximum {self.maximum:g}")
        if self.smallest_important_change > self.maximum - self.minimum:
            raise ValueError("smallest_important_change is larger than the instrument's range")
        if self.final_window_days >= self.final_after_days:
            raise ValueError("final_window_days must be shorter than final_after_days")
        return self

    @property
    def direction(self) -> float:
        """+1 when a higher score is better, else -1."""
        return 1.0 if self.better == "higher" else -1.0


class Feedback(_Checked):
    """F: what comes back after a content, and the SQL expression that makes it one number in [0, 1].

    ``missing`` is what feedback not there after ``due_hours`` is worth; None leaves it out.
    """

    columns: Columns = Field(min_length=1)
    value: str
    due_hours: float = Field(gt=0)
    missing: float | None = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _value_is_a_number(self) -> Self:
        try:
            check_result(parse_expression(self.value, self.columns), _schema(self.columns), is_condition=False)
        except ValueError as error:
            raise Misplaced(str(error), "value") from error
        return self

    @property
    def expression(self) -> pl.Expr:
        """F in [0, 1] from the feedback columns."""
        return parse_expression(self.value, self.columns).cast(pl.Float64)


class Rule(_Checked):
    """A safety rule: where ``forbid`` is true, or cannot be known, the content is not given.

    ``clinician_may_override`` lets a clinician give it all the same, with a reason.
    """

    code: Annotated[str, Field(pattern=r"^S[0-9]{3}$")]
    forbid: str
    because: str
    clinician_may_override: bool = Field(default=False, exclude_if=not_)


class Caps(_Checked):
    """Limits on repetition and dose; a cap that is not set does not bind.

    ``minutes_per_day`` sums the content column ``minutes`` over the 24 hours
    before the decision. ``feature_share_of_last_10`` is the largest share of
    the last ten contents that may have one value of the category ``feature``.
    """

    same_content_in_a_row: int | None = Field(default=None, ge=1)
    minutes_per_day: float | None = Field(default=None, gt=0)
    feature: str | None = None
    feature_share_of_last_10: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _share_has_a_feature(self) -> Self:
        if (self.feature is None) != (self.feature_share_of_last_10 is None):
            raise ValueError("feature and feature_share_of_last_10 belong together")
        return self


class Safety(_Checked):
    """What must never be given, how often at most, and what is always safe."""

    safe_default: ContentId
    rules: tuple[Rule, ...] = ()
    caps: Caps = Caps()

    @model_validator(mode="after")
    def _codes_differ(self) -> Self:
        codes = [rule.code for rule in self.rules]
        if len(set(codes)) < len(codes):
            raise ValueError("two rules have the same code")
        return self


class Exploration(_Checked):
    """``floor``: least probability of every eligible content. ``temperature``: of the softmax, in units of F."""

    floor: float = Field(ge=0, lt=1)
    temperature: float = Field(gt=0)


class Therapy(_Checked):
    """One indication's definition. See docs/therapy.md for the file."""

    name: Name
    title: str
    version: int = Field(ge=1)
    status: Status | None = None
    user: Columns = {}
    context: Columns = {}
    content: Columns = {}
    feedback: Feedback | None = None
    safety: Safety
    objective: Literal["feedback", "status", "constrained"]
    noninferiority_margin: float | None = Field(default=None, gt=0)
    exploration: Exploration
    monotony: float = Field(default=0.0, ge=0)
    dropout: float = Field(default=0.0, ge=0, exclude_if=not_)
    catalogue: tuple[dict[str, Any], ...] | None = None
    words: Words | None = Field(default=None, exclude_if=not_)

    @model_validator(mode="after")
    def _objective_exists(self) -> Self:
        if self.status is None and self.feedback is None:
            raise ValueError("a therapy needs status or feedback, or both; neither is there")
        needs = {"feedback": ("feedback",), "status": ("status",), "constrained": ("feedback", "status")}
        absent = [part for part in needs[self.objective] if getattr(self, part) is None]
        if absent:
            raise Misplaced(f"needs {' and '.join(absent)}, which is not declared", "objective")
        if (self.objective == "constrained") != (self.noninferiority_margin is not None):
            raise ValueError("noninferiority_margin belongs to objective constrained, and constrained needs it")
        if self.dropout and self.status is None:
            raise Misplaced("needs status, whose final_after_days says when a course is over", "dropout")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        parts: dict[tuple[str, ...], Columns] = {
            (part,): getattr(self, part) for part in ("user", "context", "content")
        }
        if self.feedback:
            parts["feedback", "columns"] = self.feedback.columns
        seen = set(RESERVED_COLUMNS)
        for place, columns in parts.items():
            for name in columns:
                if name in seen:
                    raise Misplaced("is declared twice or is a name of the table contract", *place, name)
                seen.add(name)
        return self

    @model_validator(mode="after")
    def _safety_fits(self) -> Self:
        schema = _schema(self.decision_columns)
        for place, rule in enumerate(self.safety.rules):
            try:
                check_result(self.forbid_expression(rule), schema, is_condition=True)
            except ValueError as error:
                raise Misplaced(str(error), "safety", "rules", place, "forbid") from error
        caps = self.safety.caps
        if caps.minutes_per_day is not None and self._kind_of("minutes") != "number":
            raise Misplaced("needs a content column minutes of kind number", "safety", "caps", "minutes_per_day")
        if caps.feature is not None and self._kind_of(caps.feature) != "category":
            raise Misplaced(f"{caps.feature!r} is not a content column of kind category", "safety", "caps", "feature")
        return self

    @model_validator(mode="after")
    def _catalogue_fits(self) -> Self:
        if self.catalogue is None:
            return self
        ids = [row.get("content_id") for row in self.catalogue]
        if not all(isinstance(content_id, str) and content_id for content_id in ids):
            raise Misplaced("every content needs a content_id", "catalogue")
        twice = sorted({str(x) for x in ids if ids.count(x) > 1})
        if twice:
            raise Misplaced(f"content_id {', '.join(twice)} stands twice", "catalogue")
        if self.safety.safe_default not in ids:
            raise Misplaced(f"{self.safety.safe_default!r} is not in the catalogue", "safety", "safe_default")
        if self.exploration.floor * len(ids) > 1:
            raise Misplaced(
                f"{self.exploration.floor:g} for each of {len(ids)} contents sums to more than 1",
                "exploration",
                "floor",
            )
        for place, row in enumerate(self.catalogue):
            self._check_content(place, row)
        return self

    @model_validator(mode="after")
    def _words_fit(self) -> Self:
        if self.words is not None:
            sayable = {name for name, column in self.content.items() if column.kind in {"number", "category", "text"}}
            ids = None if self.catalogue is None else [row["content_id"] for row in self.catalogue]
            try:
                self.words.check(sayable, ids)
            except Misplaced as error:
                raise Misplaced(str(error), "words", *error.place) from error
        return self

    def _check_content(self, place: int, row: dict[str, Any]) -> None:
        unknown = sorted(set(row) - {"content_id", *self.content})
        if unknown:
            raise Misplaced(f"content {row['content_id']}: unknown column {', '.join(unknown)}", "catalogue", place)
        for name, column in self.content.items():
            if row.get(name) is None or not column.holds(row[name]):
                raise Misplaced(
                    f"content {row['content_id']}: {name} is {row.get(name)!r}, outside its declaration",
                    "catalogue",
                    place,
                )

    def _kind_of(self, name: str) -> str | None:
        return self.content[name].kind if name in self.content else None

    @property
    def decision_columns(self) -> Columns:
        """What a safety rule may look at: U, context and C."""
        return {**self.user, **self.context, **self.content}

    def forbid_expression(self, rule: Rule) -> pl.Expr:
        """The rule as a Polars condition over U, context, C and content_id."""
        return parse_expression(rule.forbid, {*self.decision_columns, "content_id"})

    @property
    def digest(self) -> str:
        """SHA-256 of the definition, independent of how its file is laid out."""
        return digest_of_json(self.model_dump(mode="json"))


def _schema(columns: Columns) -> dict[str, pl.DataType]:
    return {"content_id": pl.String(), **{name: column.dtype for name, column in columns.items()}}
