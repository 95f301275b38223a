"""What to look for when a patient is to be gone: their id, and those of their decisions."""

import mmap
import re
from collections.abc import Collection, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

MOST_DECISIONS = 50  # looked for in databases: where one is, the others are
WORD = rb"[0-9A-Za-z_\x80-\xff-]"
STYLES = rb"<style\b.*?</style>|\bclass=\"[^\"]*\""  # a class of style sheets may be called as a patient is
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
        """Whether a file names the patient or one of their decisions."""
        if is_table(file):
            return self._has_rows(file)
        if file.suffix == ".css" or not file.stat().st_size:
            return False
        search = self._anywhere if file.name.endswith(DATABASES) else self.named_in
        with (
            file.open("rb") as opened,
            mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
            closing(search(content)) as found,
        ):
            return next(found, None) is not None

    def named_in(self, content: bytes | mmap.mmap) -> Generator[tuple[int, int]]:
        """Where in a text an id stands as a whole: its begin and its end."""
        for found in self._words.finditer(content):
            if found.group() in self._ids and not self._is_another(content, found):
                yield found.span()

    @cached_property
    def _ids(self) -> frozenset[bytes]:
        return frozenset(one.encode() for one in (self.user_id, *self.decision_ids))

    @cached_property
    def _words(self) -> re.Pattern[bytes]:
        """Whatever may be an id: one that is more than a word, or any word."""
        phrases = sorted(one for one in self._ids if not re.fullmatch(WORD + b"+", one))
        whole = [rb"(?<!%b)%b(?!%b)" % (WORD, re.escape(one), WORD) for one in reversed(phrases)]
        return re.compile(b"|".join([STYLES, *whole, WORD + b"+"]), re.DOTALL)

    def _anywhere(self, content: mmap.mmap) -> Generator[tuple[int, int]]:
        wanted = [self.user_id, *sorted(self.decision_ids)[:MOST_DECISIONS]]
        for found in re.finditer(b"|".join(re.escape(one.encode()) for one in wanted), content):
            if not self._is_another(content, found):
                yield found.span()

    def _is_another(self, content: bytes | mmap.mmap, found: re.Match[bytes]) -> bool:
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


def is_table(file: Path) -> bool:
    """Whether it is a Parquet file, whatever its name: one in DVC's cache is named by its digest alone."""
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"
