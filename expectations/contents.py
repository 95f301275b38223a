"""The rules of contents."""

from collections.abc import Iterator

import great_expectations.expectations as gxe
import polars as pl

from expectations.columns import declared
from expectations.rule import Rule, fit_ids, holds, native, present
from expectations.whole import Whole
from posology.therapy import Therapy


def content_rules(therapy: Therapy, whole: Whole) -> Iterator[Rule]:
    """What the contents must satisfy. Nobody may be given a content with an unknown attribute, so none is missing."""
    yield native(gxe.ExpectColumnValuesToBeUnique, "V106", "content_id", "stands there once")
    yield from present(["content_id"], shown=list(therapy.content))
    yield from fit_ids(["content_id"])
    yield holds("V503", "active_until", "is after active_from", pl.col("active_from") < pl.col("active_until"))
    yield from declared(therapy.content, whole.usual_lengths)
