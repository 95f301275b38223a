"""Whether a snapshot may be learned from, and which of its rows may not."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from expectations.findings import Validation
from expectations.thresholds import Thresholds
from posology.files import whole_folder
from posology.therapy import Therapy

PATIENTS_PER_BLOCK = 2_000  # some 200,000 sessions: what Great Expectations does once a block is little beside them


def validate(
    therapy: Therapy,
    folder: Path,
    *,
    docs: Path | None = None,
    accepted: Path | None = None,
    quarantine: Path | None = None,
    against: Path | None = None,
    thresholds: Thresholds | None = None,
    taken_at: datetime | None = None,
    patients_per_block: int = PATIENTS_PER_BLOCK,
    tell: Callable[[int], None] | None = None,
) -> Validation:
    """Hold the four tables of a folder to every rule, so many users at a time, so that any number fits in memory.

    Args:
        therapy: what the tables must fit.
        folder: where the four Parquet files are.
        docs: folder for the Data Docs. None writes none, which takes half the time.
        accepted: folder for the rows that may be learned from, as four Parquet
            files; not there afterwards when a table rule broke.
        quarantine: folder for the other rows, one Parquet file per table.
        against: folder of the four tables last accepted, which the new ones are held against as well.
        thresholds: the numbers no therapy declares.
        taken_at: when the data were taken; now when None.
        patients_per_block: users judged at a time; it changes no verdict.
        tell: called after each block with the sessions judged so far.

    Each folder is replaced as a whole.

    Raises:
        TableError: a file is missing or unreadable, or a rule could not be evaluated.
    """
    # Great Expectations takes seconds to import; who only needs the types does not wait.
    from expectations.judge import Judge
    from expectations.pages import finish_pages
    from expectations.rounds import Asked, Places, judge_folder

    judge = Judge()
    asked = Asked(
        therapy,
        thresholds or Thresholds(),
        taken_at or datetime.now(UTC),
        against,
        patients_per_block=patients_per_block,
    )
    with _whole(docs) as pages, _whole(quarantine) as gone, _whole(accepted) as kept:
        found = judge_folder(judge, asked, folder, Places(kept, gone), tell or (lambda _: None))
        result = dataclasses.replace(
            found,
            accepted=accepted if found.valid else None,
            quarantined=quarantine,
            docs=docs / "index.html" if docs else None,
        )
        if pages:
            finish_pages(pages, judge.write_pages(pages, therapy.name), therapy, result)
    if accepted is not None and not result.valid:
        shutil.rmtree(accepted)
    return result


@contextmanager
def _whole(folder: Path | None) -> Iterator[Path | None]:
    if folder is None:
        yield None
        return
    with whole_folder(folder) as partial:
        yield partial
