"""An expression answers each row by itself, or is refused."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from posology.expressions import FUNCTIONS, check_result, parse_expression

COLUMNS = {"level": pl.Float64(), "age": pl.Float64(), "style": pl.String(), "standing": pl.Boolean()}
GOOD = [
    "level > 7 AND age > 85",
    "NOT standing OR level IN (1, 2)",
    "style = 'select from' AND age BETWEEN 18 AND 30",
    "style LIKE 'sl%' AND (level > 2 OR (age > 3))",
    "CASE WHEN standing THEN level > 1 ELSE age > 30 END",
    "COALESCE(level, 0) > 2",
    "ROUND(level) = FLOOR(level) AND LENGTH(style) < 5",
    "CAST(standing AS DOUBLE) + level::DOUBLE > 3",
    "style IS NULL OR LEAST(level, age) > 2",
    "style = 'it''s (quick'",
    "level" + " + 1" * 248 + " > 3",
    "LPAD(LEFT(style, 2), 4, '0') = CONCAT('00', SUBSTR(style, 1, 2)) OR REPLACE(style, 'a', 'o') = RIGHT(style, 4)",
]
REFUSED = {
    "a query": "level > (SELECT MAX(level) FROM users)",
    "a file": "level IN (SELECT x FROM read_csv('x.csv'))",
    "a comment": "level > 7 -- AND age > 85",
    "a comment inside a call": "SUM/* */(level) > 3",
    "an aggregate": "SUM(level) > 3",
    "an aggregate in small letters": "level > avg (age)",
    "an aggregate in quotes": '"sum"(level) > 3',
    "all of a list": "level > ALL(1, 2)",
    "a count": "COUNT(*) > 3",
    "a window": "ROW_NUMBER() OVER (ORDER BY age) > 1",
    "a row before": "LAG(level) OVER (ORDER BY age) > 3",
    "more rows": "UNNEST(style) = 'a'",
    "columns by pattern": "COLUMNS('.*') > 1",
    "the clock": "NOW() > level",
    "the day": "CURRENT_DATE > level",
    "two expressions": "level > 7, age > 3",
    "two statements": "level > 7; DROP TABLE users",
    "an open bracket": "(level > 7",
    "nothing": "",
    "a star": "*",
    "a constant": "TRUE",
    "a comparison of constants": "1 = 1",
    "an unknown column": "levell > 7",
    "too many characters": f"style = '{'x' * 10_000}'",
    "too many terms": "level" + " + 1" * 250 + " > 3",
    "brackets without end": "(" * 600 + "level" + ")" * 600 + " > 1",
    "a word as long as memory": "LPAD(style, 2000000000, 'x') = 'a'",
    "a word as long as a patient says": "\"lpad\" (CONCAT(style, style), level, 'x') = 'a'",
    "a parameter": "level > $1",
}
rows = st.lists(
    st.fixed_dictionaries(
        {
            "level": st.none() | st.floats(-1, 11),
            "age": st.none() | st.integers(0, 120).map(float),
            "style": st.none() | st.sampled_from(["slow", "fast"]),
            "standing": st.none() | st.booleans(),
        }
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("text", GOOD)
@given(rows=rows)
def test_a_row_is_answered_alike_alone_and_among_others(text, rows):
    expression = parse_expression(text, COLUMNS).alias("answer")
    check_result(expression, COLUMNS, is_condition=True)
    frame = pl.DataFrame(rows, schema=COLUMNS)
    together = frame.select(expression)["answer"]
    alone = pl.concat([frame[place : place + 1].select(expression)["answer"] for place in range(frame.height)])
    assert_series_equal(together, alone)


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_expression_of_one_row_is_refused(text):
    with pytest.raises(ValueError, match=r"expected|unknown"):
        parse_expression(text, COLUMNS)


def test_a_word_inside_a_literal_or_a_name_is_no_query():
    parse_expression("style = 'select' OR with_others > 1", {*COLUMNS, "with_others"})


def test_the_columns_there_are_and_the_functions_there_are_are_told():
    with pytest.raises(ValueError, match="declared are age, level, standing, style"):
        parse_expression("levell > 7", COLUMNS)
    with pytest.raises(ValueError, match=f"expected {', '.join(sorted(FUNCTIONS))}"):
        parse_expression("SUM(level) > 7", COLUMNS)


@pytest.mark.parametrize(("text", "is_condition"), [("level", True), ("style", True), ("style", False)])
def test_an_answer_of_the_wrong_kind_is_refused(text, is_condition):
    with pytest.raises(ValueError, match=r"expected a (condition|number)"):
        check_result(parse_expression(text, COLUMNS), COLUMNS, is_condition=is_condition)


def test_a_comparison_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="does not fit its columns"):
        check_result(parse_expression("style > 3", COLUMNS), COLUMNS, is_condition=True)
