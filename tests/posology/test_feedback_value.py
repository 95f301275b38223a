"""F of a row is the same number, to the last bit, alone, among others, and asked for again."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posology.feedback_value import value_of, values_of
from posology.therapy import Feedback

COLUMNS: dict[str, Any] = {
    "score": {"kind": "number", "minimum": 0, "maximum": 100},
    "pages": {"kind": "number", "minimum": 0, "maximum": 9},
    "completed": {"kind": "boolean"},
    "comment": {"kind": "text"},
    "voice": {"kind": "embedding"},
}
FORMULAS = (
    "0.7 * score / 100 + 0.3 * CAST(completed AS DOUBLE)",
    "score / (1 + pages) / 7",
    "COALESCE(score, 3 * pages) / 300",
    "CASE WHEN voice IS NULL THEN 0.1 ELSE LENGTH(comment) / 9 END",
)
NUMBERS = st.none() | st.floats(0, 100)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "score": NUMBERS,
            "pages": st.none() | st.integers(0, 9),
            "completed": st.none() | st.booleans(),
            "comment": st.none() | st.text(max_size=3),
            "voice": st.none() | st.just([0.1, 0.2]),
        }
    ),
    min_size=1,
    max_size=6,
)


def feedback(formula: str) -> Feedback:
    return Feedback.model_validate({"columns": COLUMNS, "value": formula, "due_hours": 24, "missing": 0.0})


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in feedback(FORMULAS[0]).columns.items()}
    return pl.DataFrame(rows, schema=schema)


@pytest.mark.parametrize("formula", FORMULAS)
@given(rows=ROWS)
def test_a_row_alone_has_the_value_it_has_among_others(formula: str, rows: list[dict[str, Any]]) -> None:
    together = values_of(feedback(formula), frame_of(rows))
    alone = [values_of(feedback(formula), frame_of([row])) for row in rows]
    told = [value_of(feedback(formula), row) for row in rows + rows][: len(rows)]
    np.testing.assert_array_equal(np.concatenate(alone), together)
    np.testing.assert_array_equal(told, together)


def test_rows_that_came_piece_by_piece_have_the_same_values() -> None:
    rows = [{"score": score} for score in np.random.default_rng(1).uniform(0, 100, 50)]
    pieces = pl.concat([frame_of([row]) for row in rows], rechunk=False)
    for formula in FORMULAS[1:3]:
        np.testing.assert_array_equal(
            values_of(feedback(formula), pieces), values_of(feedback(formula), frame_of(rows))
        )


def test_no_rows_have_no_values() -> None:
    assert values_of(feedback(FORMULAS[0]), frame_of([])).shape == (0,)
