"""A SQL expression over a source's columns that says which rows it cannot answer, instead of failing for all."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from posology.expressions import read_expression
from posology.importing.conversion import Converted, refused
from posology.importing.rows import SOURCE_ROW

Node = Any  # of the expression's tree, as Polars writes it in JSON
DIVISIONS = ("Div", "IntDiv", "Rem")
NOT_CAST, BY_ZERO = "the expression casts what cannot be cast", "the expression divides by zero"
NOT_FINITE = "the expression gives NaN or infinity"
NEVER = pl.lit(value=False)


@dataclass(frozen=True)
class CheckedExpression:
    """What an expression yields, with casts that leave out what they cannot cast, and where it goes wrong."""

    value: pl.Expr
    faults: dict[str, pl.Expr]  # reason → condition on the row

    @classmethod
    def read(cls, text: str, columns: Collection[str]) -> "CheckedExpression":
        """The expression, in the language of ``posology.expressions``.

        Raises:
            ValueError: it is no scalar expression, or uses another name. The names there are stay unsaid: the
                first line of a file may turn out to be a patient.
        """
        return _read(text, frozenset(columns))

    def of(self, frame: pl.DataFrame) -> Converted:
        """Its values on these rows.

        Raises:
            ValueError: it does not fit the types of the columns.
        """
        try:
            answers = frame.select(self.value.alias("value"), **self.faults)
        except PolarsError as error:
            # Only where there are no values can the message tell none.
            why = str(error).splitlines()[0] if _is_blank(frame) else type(error).__name__
            raise ValueError(f"does not fit the types of its columns (of a CSV file all are text): {why}") from error
        values = answers["value"]
        if len(values) != frame.height:
            values = values.extend_constant(values[0], frame.height - 1)
        faults = {reason: answers[reason] for reason in self.faults}
        wrong = faults[NOT_CAST] | faults[BY_ZERO]
        result = Converted(values.set(wrong, None) if wrong.any() else values, faults)
        if values.dtype.is_float():
            return result.then(lambda came: refused(came, NOT_FINITE, ~came.is_finite()))
        return result


def _is_blank(frame: pl.DataFrame) -> bool:
    return all(column.null_count() == frame.height for column in frame if column.name != SOURCE_ROW)


@lru_cache(maxsize=256)
def _read(text: str, columns: frozenset[str]) -> CheckedExpression:
    expression = read_expression(text)
    unknown = sorted(set(expression.meta.root_names()) - columns)
    if unknown:
        raise ValueError(f"there is no column {', '.join(unknown)} in the source")
    tree = json.loads(expression.meta.serialize(format="json"))
    lenient = _lenient(tree)
    return CheckedExpression(
        _expression(lenient),
        {
            reason: pl.any_horizontal(NEVER, *(fault for kind, fault in _faults(tree) if kind == reason)).fill_null(
                value=False
            )
            for reason in (NOT_CAST, BY_ZERO)
        },
    )


def _expression(tree: Node) -> pl.Expr:
    return pl.Expr.deserialize(StringIO(json.dumps(tree)), format="json")


def _lenient(node: Node) -> Node:
    """The tree with casts that give null for what they cannot cast."""
    if isinstance(node, list):
        return [_lenient(item) for item in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _lenient(item) for key, item in node.items()}
    if "Cast" in changed:
        if "Date" in str(changed["Cast"]["dtype"]):
            raise ValueError("times are not cast: map the column itself, with its format and time_zone")
        changed["Cast"]["options"] = "NonStrict"
    return changed


def _faults(node: Node) -> Iterator[tuple[str, pl.Expr]]:
    """Reason and condition of all that can go wrong; in a CASE only in the branch that is taken."""
    if isinstance(node, list):
        for item in node:
            yield from _faults(item)
    if not isinstance(node, dict):
        return
    if "Ternary" in node:
        yield from _faults_of_case(node["Ternary"])
        return
    for item in node.values():
        yield from _faults(item)
    if node.get("Cast", {}).get("options") == "Strict":
        inner = _expression(_lenient(node["Cast"]["expr"]))
        yield NOT_CAST, inner.is_not_null() & _expression(_lenient(node)).is_null()
    if _divides(node):
        yield BY_ZERO, _expression(_lenient(node["Function"]["input"][1])) == 0


def _faults_of_case(case: Node) -> Iterator[tuple[str, pl.Expr]]:
    taken = _expression(_lenient(case["predicate"])).fill_null(value=False)
    yield from _faults(case["predicate"])
    for reason, fault in _faults(case["truthy"]):
        yield reason, taken & fault
    for reason, fault in _faults(case["falsy"]):
        yield reason, ~taken & fault


def _divides(node: Node) -> bool:
    function = node.get("Function", {}).get("function")
    sql = function.get("Sql", {}) if isinstance(function, dict) else {}
    return isinstance(sql, dict) and sql.get("Binary") in DIVISIONS
