"""SQL expressions of a therapy file: read, checked and turned into Polars.

One dialect serves training and serving: the expression is parsed once and
runs vectorised on a million rows or on one. Only scalar expressions over
declared columns are accepted; no sub-query and no file can be named.
"""

import re
from collections.abc import Collection

import polars as pl
from polars.exceptions import ColumnNotFoundError, PolarsError

_QUERY_WORDS = re.compile(r"\b(select|from|with|union|exists)\b", re.IGNORECASE)
_STRING_LITERAL = re.compile(r"'(?:[^']|'')*'")


def parse_expression(text: str, columns: Collection[str]) -> pl.Expr:
    """The expression as Polars.

    Args:
        text: a scalar SQL expression, for example ``"level > 7 AND age > 85"``.
        columns: the names it may use.

    Raises:
        ValueError: it does not parse, is a query, or uses another name.
    """
    if _QUERY_WORDS.search(_STRING_LITERAL.sub("''", text)):
        raise ValueError(f"expected a scalar expression, got a query: {text!r}")
    try:
        expression = pl.sql_expr(text)
    except PolarsError as error:
        raise ValueError(f"expected a SQL expression, got {text!r}: {error}") from error
    unknown = sorted(set(expression.meta.root_names()) - set(columns))
    if unknown:
        raise ValueError(f"unknown column {', '.join(unknown)} in {text!r}; declared are {', '.join(sorted(columns))}")
    return expression


def check_result(expression: pl.Expr, schema: dict[str, pl.DataType], *, is_condition: bool) -> None:
    """Raise ValueError unless the expression yields a condition (or a number) on this schema."""
    try:
        kind = pl.DataFrame(schema=schema).select(expression.alias("result")).schema["result"]
    except (PolarsError, ColumnNotFoundError) as error:
        raise ValueError(f"the expression does not fit its columns: {error}") from error
    if is_condition and kind != pl.Boolean:
        raise ValueError(f"expected a condition (true or false), got a {kind}")
    if not is_condition and not (kind.is_numeric() or kind == pl.Boolean):
        raise ValueError(f"expected a number, got a {kind}")
