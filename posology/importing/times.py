"""Times as they came into UTC: local times of a named zone, with an offset of their own, or counted since 1970."""

import re
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from posology.importing.conversion import Converted, refused, to_number
from posology.tables import LAST_MILLISECOND, in_milliseconds
from posology.therapy import UTC_TIME

LOCAL = pl.Datetime("us")
PER_SECOND = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
LATEST = 253_402_300_800_000_000  # microseconds: the year 10,000
EARLIEST = -62_135_596_800_000_000  # microseconds: the year 1
LONGEST = timedelta(days=3_652_059)
LAST_DAY = (2**63 - 1) // 86_400_000_000  # since 1970 that fits into microseconds
FARTHEST = 14 * 60  # minutes of any zone from UTC
_ISO = (
    r"^(?<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?<time>\d{2}:\d{2})(?<seconds>:\d{2}(?:[.,]\d+)?)?\s*(?<offset>Z|z|[+-]\d{2}(?::?\d{2})?)?)?$"
)
_NO_ZONE = "is a time without a zone (name time_zone)"


@dataclass(frozen=True)
class Clock:
    """How the times of a column are written.

    Attributes:
        time_zone: of times that carry no offset of their own; None when every time carries one.
        format: as in ``strftime``; ISO 8601 when None.
        epoch: the times are numbers, so many since 1970 in UTC.
        plus: added on the clock on the wall, before the zone is looked at.
    """

    time_zone: str | None = None
    format: str | None = None
    epoch: str | None = None
    plus: timedelta = timedelta(0)


def to_time(came: pl.Series, clock: Clock) -> Converted:
    """UTC times; a local time that does not exist or comes twice, as clocks change, is not guessed.

    Raises:
        ValueError: the column is of a type that holds no times, or its times carry no zone and none is named.
    """
    if came.dtype == pl.Null:
        return Converted(came.cast(UTC_TIME))
    return _near(came).then(lambda near: _converted(near, clock)).then(_within_years)


def _near(came: pl.Series) -> Converted:
    """The times without those that microseconds cannot hold; a cast of them would wrap around or fail."""
    last = LAST_DAY if came.dtype == pl.Date else LAST_MILLISECOND if in_milliseconds(came.dtype) else None
    if last is None:
        return Converted(came)
    return refused(came, "is a time beyond the years 1 to 9999", came.to_physical().is_between(-last, last).not_())


def _within_years(times: pl.Series) -> Converted:
    """Beyond the years of a calendar a sum of times has wrapped around, and nothing reads it any more."""
    beyond = times.cast(pl.Int64)
    return refused(times, "is a time beyond the years 1 to 9999", (beyond >= LATEST) | (beyond < EARLIEST))


def _converted(came: pl.Series, clock: Clock) -> Converted:
    if clock.epoch:
        return to_number(came).then(lambda number: _since_1970(number, clock))
    if came.dtype == pl.String:
        return _by_format(came, clock) if clock.format else _by_iso(came, clock)
    if came.dtype == pl.Date or isinstance(came.dtype, pl.Datetime):
        return _as_typed(came, clock)
    raise ValueError(f"is {came.dtype}, expected times; for numbers say epoch: {' or '.join(PER_SECOND)}")


def _since_1970(number: pl.Series, clock: Clock) -> Converted:
    microseconds = (number * (1_000_000 // PER_SECOND[clock.epoch or "seconds"])).round()
    inside = refused(microseconds, "is a time beyond the year 9999", microseconds.abs() >= LATEST)
    return inside.then(lambda values: Converted(values.cast(pl.Int64).cast(UTC_TIME) + clock.plus))


def _as_typed(came: pl.Series, clock: Clock) -> Converted:
    if isinstance(came.dtype, pl.Datetime) and came.dtype.time_zone:
        return Converted(came.dt.convert_time_zone("UTC").cast(UTC_TIME) + clock.plus)
    if clock.time_zone is None:
        raise ValueError(f"is {came.dtype} without a zone; name time_zone")
    return _in_zone(came.cast(LOCAL) + clock.plus, clock.time_zone)


def _by_format(came: pl.Series, clock: Clock) -> Converted:
    text = came.str.strip_chars()
    times = text.str.to_datetime(clock.format, time_unit="us", strict=False)
    read = refused(times, f"is not a time of the format {clock.format}", times.is_null() & came.is_not_null())
    return read.then(lambda values: _as_typed(values, clock))


def _by_iso(came: pl.Series, clock: Clock) -> Converted:
    """Each row by itself: with the offset it carries, else in the named zone."""
    part = came.str.strip_chars().str.extract_groups(_ISO).struct.unnest()
    written = part.select(
        pl.format(
            "{} {}{}",
            "date",
            pl.col("time").fill_null("00:00"),
            pl.col("seconds").str.replace(",", ".", literal=True).fill_null(":00"),
        )
    ).to_series()
    local = written.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    minutes = _offset_minutes(part["offset"])
    wrong = came.is_not_null() & (local.is_null() | (minutes.abs() > FARTHEST).fill_null(value=False))
    read = refused(local + clock.plus, "is not a time as ISO 8601 writes it (give its format)", wrong)
    carried = _minus_minutes(read.values, minutes)
    floating = read.values.set(part["offset"].is_not_null(), None)
    if clock.time_zone is None:
        return Converted(carried, {**read.faults, _NO_ZONE: floating.is_not_null()})
    zoned = _in_zone(floating, clock.time_zone)
    return Converted(carried.fill_null(zoned.values), {**read.faults, **zoned.faults})


def _offset_minutes(offset: pl.Series) -> pl.Series:
    """Minutes east of UTC; null where no offset is written."""
    digits = offset.str.replace_all(r"[^0-9]", "").str.pad_end(4, "0").cast(pl.Int64, strict=False)
    sign = offset.str.starts_with("-").replace_strict({True: -1, False: 1}, default=None, return_dtype=pl.Int64)
    return sign * (digits // 100 * 60 + digits % 100)


def _minus_minutes(local: pl.Series, minutes: pl.Series) -> pl.Series:
    return (local - (minutes * 60_000_000).cast(pl.Duration("us"))).dt.replace_time_zone("UTC")


def _in_zone(local: pl.Series, zone: str) -> Converted:
    """Local times of a zone in UTC; null where clocks go forward over them or back to them."""
    once = local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    if once.null_count() == local.null_count():
        return Converted(once.dt.convert_time_zone("UTC"))
    either = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return Converted(
        once.dt.convert_time_zone("UTC"),
        {
            f"is a time that {zone} skips (clocks go forward)": either.is_null() & local.is_not_null(),
            f"is a time that comes twice in {zone} (clocks go back)": once.is_null() & either.is_not_null(),
        },
    )


def read_span(text: str) -> timedelta:
    """A span as in ``28 days`` or ``-1 minute``; months and years have no fixed length.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?) *(week|day|hour|minute|second)s?\s*", text)
    if found is None:
        raise ValueError("expected a number of weeks, days, hours, minutes or seconds, as in '28 days'")
    try:
        span = timedelta(**{f"{found[2]}s": float(found[1])})
    except OverflowError:
        span = LONGEST * 2
    if abs(span) > LONGEST:
        raise ValueError(f"is longer than the {LONGEST.days:,} days of the years 1 to 9999")
    return span
