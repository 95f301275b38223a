"""Whether a snapshot may be learned from, and which of its rows may not."""

import dataclasses
from pathlib import Path

from expectations.codes import Thresholds
from expectations.findings import Validation
from posology.files import whole_folder
from posology.tables import read_raw
from posology.therapy import Therapy


def validate(
    therapy: Therapy,
    folder: Path,
    *,
    docs: Path | None,
    quarantine: Path | None = None,
    thresholds: Thresholds | None = None,
) -> Validation:
    """Hold the four tables of a folder to every rule.

    Args:
        therapy: what the tables must fit.
        folder: where the four Parquet files are.
        docs: folder for the Data Docs; it is replaced as a whole. None writes
            none, which takes half the time.
        quarantine: folder for the quarantined rows, one Parquet file per
            table; it is replaced as a whole. None keeps them in memory only.
        thresholds: the numbers no therapy declares.

    Raises:
        TableError: a file is missing or unreadable, or a rule could not be evaluated.
    """
    # Great Expectations takes seconds to import; who only needs the types does not wait.
    from expectations.pages import finish_pages
    from expectations.rounds import judge_tables

    raw, limits = read_raw(folder, therapy), thresholds or Thresholds()
    if docs is None:
        result = judge_tables(therapy, raw, None, limits)
    else:
        with whole_folder(docs) as partial:
            result = dataclasses.replace(judge_tables(therapy, raw, partial, limits), docs=docs / "index.html")
            finish_pages(partial, therapy, result)
    if quarantine is not None:
        with whole_folder(quarantine) as partial:
            for name, rows in result.quarantined.items():
                rows.write_parquet(partial / f"{name}.parquet", compression="zstd")
    return result
