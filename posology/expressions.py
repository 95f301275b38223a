"""SQL expressions of a therapy file: read, checked and turned into Polars.

One dialect serves training and serving: the expression is parsed once and
runs vectorised on a million rows or on one. Only scalar expressions over
declared columns are accepted: each row is answered by itself, the same today
and tomorrow; no aggregate, no window, no clock, no sub-query and no file.
"""

import re
from collections.abc import Collection
from functools import lru_cache

import polars as pl
from polars.exceptions import ColumnNotFoundError, PolarsError

FUNCTIONS = frozenset(
    (
        *("abs", "ceil", "ceiling", "div", "exp", "floor", "greatest", "least", "ln", "log", "log10", "log2"),
        *("mod", "pow", "power", "round", "sign", "sqrt"),
        *("cast", "coalesce", "if", "ifnull", "nullif", "try_cast"),
        *("concat", "ends_with", "left", "length", "lower", "lpad", "replace", "right", "starts_with", "substr"),
        *("trim", "upper"),
    )
)
LONGEST = 10_000  # characters
MOST_TERMS = 500  # names, numbers and operators: some ten thousand nested ones overflow the stack of the parser
WIDEST = 999  # characters that LPAD may fill up to
_WORDS = frozenset(("and", "between", "case", "else", "ilike", "in", "is", "like", "not", "or", "then", "when"))
_CALL = re.compile(r'(\w+)"?\s*\(')
_QUERY = re.compile(r"\b(select|from|with|union|exists|over|filter)\b", re.IGNORECASE)
_CLOCK = re.compile(r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b", re.IGNORECASE)
_COMMENT = re.compile(r"--|/\*")
_TERM = re.compile(r"\w+|[^\w\s,.()]+|\(")
_PADDED = re.compile(r'\blpad"?\s*\(', re.IGNORECASE)
_STRING_LITERAL = re.compile(r"'(?:[^']|'')*'")


def parse_expression(text: str, columns: Collection[str]) -> pl.Expr:
    """The expression as Polars.

    Args:
        text: a scalar SQL expression, for example ``"level > 7 AND age > 85"``.
        columns: the names it may use.

    Raises:
        ValueError: it does not parse, is a query, calls a function that is not in ``FUNCTIONS``, or uses another name.
    """
    return _parsed(text, frozenset(columns))


def read_expression(text: str) -> pl.Expr:
    """The expression as Polars, whatever columns it looks at.

    Raises:
        ValueError: as ``parse_expression``.
    """
    _check_words(text)
    try:
        expression = pl.sql_expr(text)
    except PolarsError as error:
        raise ValueError(f"expected a SQL expression, got {text!r}: {error}") from error
    if not expression.meta.root_names():
        raise ValueError(f"expected an expression that looks at a column, got {text!r}")
    return expression


@lru_cache(maxsize=1024)
def _parsed(text: str, columns: frozenset[str]) -> pl.Expr:
    expression = read_expression(text)
    unknown = sorted(set(expression.meta.root_names()) - columns)
    if unknown:
        raise ValueError(f"unknown column {', '.join(unknown)} in {text!r}; declared are {', '.join(sorted(columns))}")
    return expression


def _check_words(text: str) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"expected an expression of at most {LONGEST:,} characters, got {len(text):,}")
    code = _STRING_LITERAL.sub("''", text)
    terms = len(_TERM.findall(code))
    if terms > MOST_TERMS:
        raise ValueError(f"expected an expression of at most {MOST_TERMS} terms, got {terms:,}; put it into a column")
    if _QUERY.search(code) or _COMMENT.search(code):
        raise ValueError(f"expected a scalar expression, got a query or a comment: {text!r}")
    if _CLOCK.search(code):
        raise ValueError(f"expected an expression that is the same at any time, got a clock: {text!r}")
    unknown = sorted({name.lower() for name in _CALL.findall(code)} - FUNCTIONS - _WORDS)
    if unknown:
        raise ValueError(f"unknown function {', '.join(unknown)} in {text!r}; expected {', '.join(sorted(FUNCTIONS))}")
    _check_widths(code)


def _check_widths(code: str) -> None:
    """LPAD fills memory up to the width it is given, so that must be written down and small."""
    for found in _PADDED.finditer(code):
        width = _second_argument(code[found.end() :])
        if not width.isdecimal() or int(width) > WIDEST:
            raise ValueError(f"expected LPAD to a width from 0 to {WIDEST}, written as a number, got {width or 'none'}")


def _second_argument(code: str) -> str:
    depth, commas, found = 0, 0, ""
    for character in code:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            break
        commas += character == "," and depth == 0
        found += character if commas == 1 else ""
    return found.lstrip(",").strip()


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
