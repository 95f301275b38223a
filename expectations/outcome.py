"""The rules of the tables as a whole, once every row has been judged."""

from collections.abc import Iterator

import great_expectations.expectations as gxe
import polars as pl

from expectations.propensities import Propensities
from expectations.rule import Rule, holds, native
from expectations.tally import Tally
from expectations.thresholds import Thresholds
from posology.tables import NAMES
from posology.therapy import Therapy


def outcome_rules(therapy: Therapy, limits: Thresholds) -> Iterator[Rule]:
    """What is asked of the frame that ``outcome`` gives."""
    came = pl.col("came")
    may_be_empty = pl.lit(therapy.status is None) & (pl.col("table") == "measurements")
    yield holds("V104", None, "the table has rows", (came > 0) | may_be_empty)
    if therapy.status is None:
        says = "there are no readings, for the therapy declares no status"
        yield holds("V105", None, says, (came == 0) | ~may_be_empty)
    default, most = therapy.safety.safe_default, limits.quarantined_share
    yield holds("V107", "content_id", f"{default}, the safe default, is among the contents", pl.col("has_default"))
    why = "Past it, what is left is a selection and no longer the cohort."
    between = gxe.ExpectColumnValuesToBeBetween
    yield native(between, "V108", "share in quarantine", f"is at most {most:g}", max_value=most, why=why)
    says = "says how often the contents were given: 1/probability is on average no more than those eligible"
    why = (
        f"The mean exceeds by more than {limits.probability_excess:.0%} and {limits.probability_z:g} "
        "standard errors over users only when probabilities are too small."
    )
    yield holds("V605", "probability", says, pl.col("propensities fit"), why=why)


def outcome(therapy: Therapy, tally: Tally, contents: pl.Series, propensities: Propensities) -> pl.DataFrame:
    """One row per table.

    Args:
        contents: ids of the accepted contents.
        propensities: of the accepted sessions.
    """
    counts = [tally.count(name) for name in NAMES]
    has_default = therapy.safety.safe_default in contents
    shares = [count.quarantined / count.rows if count.rows else 0.0 for count in counts]
    return pl.DataFrame(
        {
            "table": NAMES,
            "came": [count.rows for count in counts],
            "rows V108": [count.quarantined for count in counts],
            "rows V605": [propensities.sessions if name == "sessions" else 0 for name in NAMES],
            "share in quarantine": shares,
            "more V108": [f", it is {share:.3g}" for share in shares],
            "has_default": [has_default if name == "contents" else None for name in NAMES],
            "propensities fit": [propensities.fit if name == "sessions" else None for name in NAMES],
        },
        schema_overrides={"has_default": pl.Boolean, "propensities fit": pl.Boolean},
    )
