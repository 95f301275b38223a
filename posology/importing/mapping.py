"""What a mapping file says: for each table its sources, and for each of its columns where the values come from.

The values here check themselves when built. ``mapping_file`` reads them from
YAML, holds them to a therapy and adds the line to each message.
"""

import codecs
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from posology.checked_file import Misplaced
from posology.expressions import read_expression
from posology.importing.times import Clock, read_span

ORIGINS = ("column", "expression", "constant", "row_id")
CHANGES = ("map", "unit", "time_zone", "format", "epoch", "plus", "separator")
ENCODINGS = frozenset(
    (
        *("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"),
        *(f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))),
        *(f"cp{page}" for page in (437, 850, 852, 866, 932, 949, 950, *range(1250, 1259))),
        *("big5", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "koi8-r", "koi8-u", "mac-roman", "shift_jis"),
    )
)
Character = Annotated[str, Field(pattern=r"^[\x09\x20-\x7e]$")]
Word = str | int | float | bool


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Csv(_Checked):
    """A CSV file. ``missing``: cells that mean nothing is known. ``header``: the names, when no line of it has them."""

    file: str
    delimiter: Character = ","
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    quote: Character | None = '"'
    missing: tuple[str, ...] = ("",)
    header: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _encoding_exists(self) -> Self:
        try:
            name = codecs.lookup(self.encoding).name
        except (LookupError, ValueError):
            name = None
        if name not in ENCODINGS:
            raise Misplaced(f"is no encoding of text; expected one of {', '.join(sorted(ENCODINGS))}", "encoding")
        return self


class Parquet(_Checked):
    """A Parquet file."""

    file: str


class Sql(_Checked):
    """What a query finds in a DuckDB or SQLite file (``database``), or at an address (``url``).

    ``${NAME}`` in the address stands for a variable of the environment, so that no password need be written down.
    """

    query: str
    database: str | None = None
    url: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.database is None) == (self.url is None):
            raise ValueError("expected database (a DuckDB or SQLite file) or url (postgresql://…), one of them")
        return self


class Origin(_Checked):
    """Where the values of one column come from, and how they change on the way."""

    column: str | None = None
    expression: str | None = None
    constant: Word | datetime | date | tuple[Word, ...] | None = None
    row_id: tuple[str, ...] | None = Field(default=None, min_length=1)
    map: dict[str, Word | None] | None = None
    unit: str | None = None
    time_zone: str | None = None
    format: str | None = None
    epoch: Literal["seconds", "milliseconds", "microseconds"] | None = None
    plus: str | None = None
    separator: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _column_alone(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"column": given}
        if isinstance(given, dict) and isinstance(given.get("map"), dict):
            return {**given, "map": {_word(key): value for key, value in given["map"].items()}}
        return given

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ORIGINS if name in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(f"expected one of {', '.join(ORIGINS)}, got {' and '.join(given) or 'none'}")
        changes = [name for name in CHANGES if name in self.model_fields_set]
        if given[0] in ("constant", "row_id") and changes:
            raise ValueError(f"{given[0]} stands alone, without {', '.join(changes)}")
        if self.epoch and (self.format or self.time_zone):
            raise ValueError("epoch counts in UTC: it goes without format and time_zone")
        return self

    @model_validator(mode="after")
    def _parts_hold(self) -> Self:
        for name, check in (
            ("expression", read_expression),
            ("time_zone", _check_zone),
            ("format", _check_format),
            ("plus", read_span),
        ):
            text = getattr(self, name)
            try:
                if text is not None:
                    check(text)
            except ValueError as error:
                raise Misplaced(str(error), name) from error
        return self

    @property
    def clock(self) -> Clock:
        """How its times are written."""
        plus = timedelta(0) if self.plus is None else read_span(self.plus)
        return Clock(self.time_zone, self.format, self.epoch, plus)


class Entry(_Checked):
    """One source of a table: where its rows are, which of them, and what becomes of their columns."""

    csv: Csv | None = None
    parquet: Parquet | None = None
    sql: Sql | None = None
    where: str | None = None
    columns: dict[str, Origin] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            key: {"file": value} if key in ("csv", "parquet") and isinstance(value, str) else value
            for key, value in given.items()
        }

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.csv, self.parquet, self.sql)) != 1:
            raise ValueError("expected csv, parquet or sql, one of them")
        if self.where is not None:
            try:
                read_expression(self.where)
            except ValueError as error:
                raise Misplaced(str(error), "where") from error
        return self

    @property
    def source(self) -> Csv | Parquet | Sql:
        """The one source there is."""
        return next(source for source in (self.csv, self.parquet, self.sql) if source is not None)

    @property
    def name(self) -> str:
        """The source as reports call it: the file, or the database's file; never an address."""
        source = self.source
        return source.file if not isinstance(source, Sql) else f"query of {source.database or 'a database server'}"


def _listed(given: Any) -> Any:
    return [given] if isinstance(given, dict) else given


Entries = Annotated[tuple[Entry, ...], BeforeValidator(_listed)]


class Mapping(_Checked):
    """Sources of the four tables; None where the file says nothing of a table."""

    users: Entries | None = None
    measurements: Entries | None = None
    contents: Entries | None = None
    sessions: Entries | None = None


def _word(key: Any) -> Any:
    if isinstance(key, bool) or key is None:
        raise Misplaced(f"YAML reads a key as {key!r}: put it in quotes", "map")
    return str(key) if isinstance(key, int | float) else key


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
        pl.Series([datetime(2000, 1, 1)]).dt.replace_time_zone(name)  # noqa: DTZ001 - local on purpose
    except (OSError, KeyError, ValueError, pl.exceptions.PolarsError):
        raise ValueError(f"{name!r} is no time zone; expected a name as in Europe/Berlin or UTC") from None


def _check_format(text: str) -> None:
    """A format must be able to write a moment and read the same day again."""
    moment = pl.Series([datetime(2024, 12, 31, 23)]).dt.replace_time_zone("UTC")  # noqa: DTZ001
    try:
        again = moment.dt.strftime(text).str.to_datetime(text, strict=False, time_unit="us").dt.date()
    except pl.exceptions.PolarsError:
        again = pl.Series([None])
    if again[0] != moment.dt.date()[0]:
        raise ValueError("is no format of a day or a time; expected one as in %d.%m.%Y %H:%M")
