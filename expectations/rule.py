"""One rule: the expectation that judges it and, where it looks further than one column, the fact it judges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe
import polars as pl

from expectations.codes import CODES, Level


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
    **arguments: Any,
) -> Rule:
    """A rule that Great Expectations has an expectation for; ``arguments`` are those of the expectation."""
    subject = says if column is None else f"{column}: {says}"
    # No column can be declared under a name with a colon, so facts and columns never meet.
    where: dict[str, Any] = {} if column is None else {"column": column if fact is None else subject}
    text = f"{code} · {subject}"
    return Rule(code, column, says, kind(**where, **arguments, description=text, meta={"rule": text}), fact)


def holds(code: str, column: str, says: str, fact: pl.Expr) -> Rule:
    """A rule whose condition is worked out beforehand, because it needs more than one value."""
    return native(gxe.ExpectColumnValuesToBeInSet, code, column, says, fact=fact, value_set=[True])


def looked_at(rules: Sequence[Rule], rows: pl.DataFrame) -> pl.DataFrame:
    """The columns and facts the rules look at, and nothing else of the rows."""
    judged = [rule.judged for rule in rules if rule.judged is not None]
    return rows.select({column.meta.output_name(): column for column in judged}.values())


def has_rows() -> Rule:
    """V104."""
    return native(gxe.ExpectTableRowCountToBeBetween, "V104", None, "the table has rows", min_value=1)


def present(columns: Sequence[str]) -> list[Rule]:
    """V201 for each column."""
    return [native(gxe.ExpectColumnValuesToNotBeNull, "V201", column, "is there") for column in columns]


def not_empty(columns: Sequence[str]) -> list[Rule]:
    """V202 for each id."""
    kind = gxe.ExpectColumnValueLengthsToBeBetween
    return [native(kind, "V202", column, "is not empty", min_value=1) for column in columns]


def finite(column: str) -> Rule:
    """V203. A fact, because Great Expectations takes NaN for a missing value and infinity for a large number."""
    return holds("V203", column, "is finite", pl.col(column).is_finite())
