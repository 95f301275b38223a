"""A new snapshot held against the one last accepted."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from expectations.against.history import changes
from expectations.against.joined import TIMES, Compared, compared
from expectations.against.last import Last
from expectations.rule import Rule, holds
from expectations.tally import Tally
from expectations.thresholds import Thresholds
from posology.tables import NAMES
from posology.therapy import Therapy

FACTS = {"table": pl.String, "column": pl.String, "rows": pl.Int64, "names": pl.List(pl.String), "more": pl.String}
FEW_USERS = 4  # whose rows may be gone, corrected or the only ones of a site, however few users there are

Fact = dict[str, Any]


class Against:
    """Gathers from the blocks what is compared with the data last accepted."""

    def __init__(self, therapy: Therapy, last: Last, limits: Thresholds) -> None:
        self._therapy, self._last, self._limits = therapy, last, limits
        self._now: dict[str, list[pl.DataFrame]] = {name: [] for name in NAMES}
        self._sites: set[str] = set()
        self._wanted = pl.concat([last.known, last.joined])

    def add(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Rows of a block, as the contract wants them."""
        for name, rows in frames.items():
            is_of_one = pl.col("user_id").is_in(self._wanted.implode()) if "user_id" in rows.columns else True
            self._now[name].append(rows.filter(is_of_one))
        self._sites |= set(frames["users"]["site"].drop_nulls())

    def facts(self, tally: Tally) -> pl.DataFrame:
        """One row for each thing compared: the condition of each rule, true or null for all but its own."""
        now = {name: pl.concat(parts) for name, parts in self._now.items()}
        rows = [*self._ids(), *self._drifts(now)]
        if self._last.goes_on:
            rows += [*self._counts(tally), *self._vanished(now), *self._changes(now)]
        schema: dict[str, Any] = {
            **FACTS,
            **dict.fromkeys(_CODES, pl.Boolean),
        }
        return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)

    def rules(self) -> Iterator[Rule]:
        """What is asked of the facts."""
        limits = self._limits
        asks = {
            "V801": (f"no more than {limits.lost_share:.0%} of the rows last accepted is gone", _LOST),
            "V802": ("every site last accepted is there", None),
            "V803": ("every content given in the data last accepted is there", None),
            "V804": (f"of what was known before no more than {limits.changed_share:.0%} is different now", _CHANGED),
            "V805": ("those who joined since are like those known before", _NOTED),
            "V806": ("those who joined since are not altogether unlike those known before", _UNLIKE),
            "V807": ("the users last accepted are not there under other ids", None),
        }
        for code, (says, why) in asks.items():
            yield holds(code, None, says, pl.col(code), why=why)

    def _ids(self) -> Iterator[Fact]:
        yield {"table": "users", "column": "user_id", "V807": not self._last.has_other_ids}

    def _counts(self, tally: Tally) -> Iterator[Fact]:
        few = FEW_USERS / max(self._last.rows["users"], 1)
        for name in ("users", "measurements", "sessions"):
            before, rows = self._last.rows[name], tally.count(name).rows
            lost = max(before - rows, 0)
            yield {"table": name, "rows": lost, "V801": lost <= max(self._limits.lost_share, few) * before}

    def _vanished(self, now: Mapping[str, pl.DataFrame]) -> Iterator[Fact]:
        files = self._last.files
        users = files["users"].drop_nulls("site").group_by("site").len().collect()
        sites = users.filter(pl.col("len") > FEW_USERS)["site"]
        given = files["sessions"].select(pl.col("content_id").drop_nulls().unique()).collect()["content_id"]
        for code, table, column, before, there in (
            ("V802", "users", "site", sites, self._sites),
            ("V803", "contents", "content_id", given, set(now["contents"]["content_id"])),
        ):
            gone = sorted(set(before) - there)
            yield {"table": table, "column": column, "names": gone, code: not gone}

    def _changes(self, now: Mapping[str, pl.DataFrame]) -> Iterator[Fact]:
        for name in NAMES:
            for found in changes(name, self._then(name), self._of(now, self._last.known)[name]):
                is_more = found.changed > self._limits.changed_share * found.rows
                yield {
                    "table": name,
                    "column": found.column,
                    "rows": found.changed,
                    "V804": not (is_more and found.users > FEW_USERS),
                }

    def _drifts(self, now: Mapping[str, pl.DataFrame]) -> Iterator[Fact]:
        before = {name: self._last.rows_of(name, self._last.before) for name in TIMES}
        joined = {name: rows for name, rows in self._of(now, self._last.joined).items() if name in TIMES}
        for found in compared(self._therapy, before, joined, self._limits):
            yield {**_place(found), "V805": False}
            if found.column.is_of_patients and found.drift.distance >= self._limits.drift_stops:
                yield {**_place(found), "V806": False}

    def _then(self, table: str) -> pl.DataFrame:
        last = self._last
        return last.files[table].collect() if table == "contents" else last.rows_of(table, last.known)

    def _of(self, frames: Mapping[str, pl.DataFrame], user_ids: pl.Series) -> dict[str, pl.DataFrame]:
        return {
            name: rows.filter(pl.col("user_id").is_in(user_ids.implode())) if "user_id" in rows.columns else rows
            for name, rows in frames.items()
        }


def _place(found: Compared) -> Fact:
    more = f": {found.drift.distance:.2f} apart, where 0 is alike and 1 has nothing in common"
    return {"table": found.column.table, "column": found.column.column, "more": more}


_CODES = ("V801", "V802", "V803", "V804", "V805", "V806", "V807")
_LOST = "Erasures are single users; a truncated export is more."
_CHANGED = "Corrections are single rows; a column in other units, or ids given anew, is more."
_NOTED = "A new release, season or way of recruiting does it; so does a sensor gone wrong."
_UNLIKE = "A column in another unit or with another meaning does it."
