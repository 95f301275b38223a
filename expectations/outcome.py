"""The rules of what is left once quarantine has taken its rows."""

from collections.abc import Iterator, Mapping

import great_expectations.expectations as gxe
import polars as pl

from expectations.codes import Thresholds
from expectations.rule import Rule, holds, native
from posology.tables import NAMES
from posology.therapy import Therapy


def outcome_rules(therapy: Therapy, thresholds: Thresholds) -> Iterator[Rule]:
    """V107 and V108 over the frame that ``outcome`` gives."""
    default, most = therapy.safety.safe_default, thresholds.quarantined_share
    yield holds("V107", "content_id", f"{default}, the safe default, is among the contents", pl.col("has_default"))
    says = f"is at most {most:g}"
    yield native(gxe.ExpectColumnValuesToBeBetween, "V108", "share in quarantine", says, max_value=most)


def outcome(therapy: Therapy, frames: Mapping[str, pl.DataFrame], accepted: Mapping[str, pl.Series]) -> pl.DataFrame:
    """One row per table: the share of its rows in quarantine and, for contents, whether the safe default stays."""
    contents = frames["contents"].filter(accepted["contents"])
    has_default = therapy.safety.safe_default in contents["content_id"]
    return pl.DataFrame(
        {
            "share in quarantine": [_share(accepted[table]) for table in NAMES],
            "has_default": [has_default if table == "contents" else None for table in NAMES],
        }
    )


def _share(accepted: pl.Series) -> float:
    return 1 - int(accepted.sum()) / accepted.len() if accepted.len() else 0.0
