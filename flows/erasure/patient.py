"""What to look for when a patient is to be gone: their id, and those of their decisions."""

import mmap
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

MOST_DECISIONS = 50  # looked for in files that are not tables: where one is, the others are
WORD = rb"[0-9A-Za-z_-]"
DATABASES = (".db", ".db-wal", ".db-journal", ".sqlite", ".sqlite-wal")  # where values follow one another unseparated


@dataclass(frozen=True)
class Patient:
    """Somebody to be found.

    Attributes:
        others: ids of other patients that hold this one's, such as p-10 when it is p-1.
    """

    user_id: str
    decision_ids: Collection[str]
    others: Collection[str] = ()

    def rows(self, columns: Collection[str]) -> pl.Expr | None:
        """The condition of this patient's rows in a table of those columns; None when it has no ids."""
        conditions = []
        if "user_id" in columns:
            conditions.append(pl.col("user_id").cast(pl.String) == self.user_id)
        if "decision_id" in columns:
            ids = pl.Series(sorted(self.decision_ids), dtype=pl.String).implode()
            conditions.append(pl.col("decision_id").cast(pl.String).is_in(ids))
        return pl.any_horizontal(condition.fill_null(value=False) for condition in conditions) if conditions else None

    def is_in(self, file: Path) -> bool:
        """Whether a file names the patient or one of their first decisions."""
        if file.suffix == ".parquet":
            return self._has_rows(file)
        if not file.stat().st_size:
            return False
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if not file.name.endswith(DATABASES):
                return self.pattern.search(content) is not None
            return any(not self._is_another(content, found) for found in self._anywhere.finditer(content))

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """The ids as whole words."""
        return re.compile(rb"(?<!%b)(?:%b)(?!%b)" % (WORD, self._ids, WORD))

    @property
    def _anywhere(self) -> re.Pattern[bytes]:
        return re.compile(self._ids)

    @property
    def _ids(self) -> bytes:
        wanted = [self.user_id, *sorted(self.decision_ids)[:MOST_DECISIONS]]
        return b"|".join(re.escape(one.encode()) for one in wanted)

    def _is_another(self, content: mmap.mmap, found: re.Match[bytes]) -> bool:
        """Whether what was found is a part of somebody else's id."""
        for other in map(str.encode, self.others):
            first = found.start() - other.find(self.user_id.encode())
            if first >= 0 and content[first : first + len(other)] == other:
                return True
        return False

    def _has_rows(self, file: Path) -> bool:
        table = pl.scan_parquet(file)
        mine = self.rows(table.collect_schema().names())
        return mine is not None and not table.filter(mine).head(1).collect().is_empty()
