"""One rule: the expectation that judges it and, where it looks further than one column, the fact it judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe
import polars as pl

from expectations.codes import CODES, Level
from expectations.holding import ExpectFactToHold


@dataclass(frozen=True)
class Rule:
    """One rule over one frame. Great Expectations alone says which rows break it.

    Attributes:
        code: its entry in ``CODES``.
        column: the column of the table it is about; None for the table as a whole.
        says: what it asks, in words.
        expectation: what judges it.
        fact: for a rule over several columns or tables, the condition as a
            Polars expression; null where the rule does not apply. The
            expectation then asks that it is true.
    """

    code: str
    column: str | None
    says: str
    expectation: gxe.Expectation
    fact: pl.Expr | None = None

    @property
    def level(self) -> Level:
        """What breaking it does."""
        return CODES[self.code].level

    @property
    def subject(self) -> str:
        """What it is about and what it asks."""
        return self.says if self.column is None else f"{self.column}: {self.says}"

    @property
    def key(self) -> str:
        """What tells it from the other rules of its suite."""
        return f"{self.code} · {self.subject}"

    @property
    def judged(self) -> pl.Expr | None:
        """The column Great Expectations looks at, under the name it knows; None when it looks at none."""
        name = getattr(self.expectation, "column", None)
        return None if name is None else (pl.col(name) if self.fact is None else self.fact.alias(name))


def native(
    kind: type[gxe.Expectation],
    code: str,
    column: str | None,
    says: str,
    *,
    fact: pl.Expr | None = None,
    why: str | None = None,
    **arguments: Any,
) -> Rule:
    """A rule that Great Expectations has an expectation for.

    Args:
        why: the reason of a threshold; it stands beside the rule in the Data Docs.
        arguments: those of the expectation.
    """
    subject = says if column is None else f"{column}: {says}"
    # No column can be declared under a name with a colon, so facts and columns never meet.
    where: dict[str, Any] = {"column": subject} if fact is not None else {} if column is None else {"column": column}
    text = f"{code} · {subject}"
    expectation = kind(**where, **arguments, description=text, notes=why, meta={"rule": text})
    return Rule(code, column, says, expectation, fact)


def holds(code: str, column: str | None, says: str, fact: pl.Expr, *, why: str | None = None) -> Rule:
    """A rule whose condition is worked out beforehand, because it needs more than one value; null where it does
    not apply."""
    return native(ExpectFactToHold, code, column, says, fact=fact.fill_null(value=True), why=why)


def looked_at(rules: Sequence[Rule], rows: pl.DataFrame) -> pl.DataFrame:
    """The columns and facts the rules look at, and nothing else of the rows."""
    judged = [rule.judged for rule in rules if rule.judged is not None]
    return rows.select({column.meta.output_name(): column for column in judged}.values())


def present(columns: Sequence[str], *, shown: Sequence[str] = ()) -> list[Rule]:
    """V201 for each column.

    Args:
        columns: of which Great Expectations see whether a value is there, not the value: it is smaller.
        shown: columns they see as they are, for a number that is NaN is not there either.
    """
    kind = gxe.ExpectColumnValuesToNotBeNull
    unseen = [native(kind, "V201", column, "is there", fact=_presence(column)) for column in columns]
    return unseen + [native(kind, "V201", column, "is there") for column in shown]


def _presence(column: str) -> pl.Expr:
    return pl.when(pl.col(column).is_not_null()).then(pl.lit(1, dtype=pl.Float32))


def fit_ids(columns: Sequence[str]) -> list[Rule]:
    """V202 and V210 for each id."""
    return [rule for column in columns for rule in _fit_id(column)]


def _fit_id(column: str) -> list[Rule]:
    has_control = pl.col(column).str.contains(r"\p{Cc}")
    return [
        holds("V202", column, "is not empty", pl.col(column).str.len_bytes() > 0),
        holds("V210", column, "holds no control characters", ~has_control),
    ]


def finite(column: str) -> Rule:
    """V203. A fact, because Great Expectations takes NaN for a missing value and infinity for a large number."""
    return holds("V203", column, "is finite", pl.col(column).is_finite())
