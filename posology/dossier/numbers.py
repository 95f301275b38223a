"""Numbers, times and sentences as people read them, the same everywhere in a dossier."""

import math
from datetime import UTC, datetime
from typing import Any

MINUS, THIN_SPACE = "\u2212", "\u2009"


def number(value: Any) -> str:
    """Three or so significant digits; counts with thin spaces between thousands; a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return _signed(f"{value:,}")
    if not math.isfinite(value):
        return "not finite" if math.isnan(value) else f"{MINUS if value < 0 else ''}∞"
    return _signed(f"{value:.1e}" if _is_tiny(abs(value)) else f"{value:,.{_decimals(abs(value))}f}")


def declared(value: float) -> str:
    """A number as the therapy file gives it: no digit added, none lost."""
    return _signed(f"{value:.12g}")


def interval(estimate: Any) -> str:
    """``0.412 (0.391 to 0.433)``: the number and its 95 % interval."""
    if estimate is None:
        return "–"
    if estimate.low is None:
        return number(float(estimate.mean))
    three = [float(part) for part in (estimate.mean, estimate.low, estimate.high)]
    largest = max(map(abs, three))
    if not math.isfinite(largest) or _is_tiny(largest):
        mean, low, high = map(number, three)
    else:
        mean, low, high = (_signed(f"{part:,.{_decimals(largest)}f}") for part in three)
    return f"{mean} ({low} to {high})"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{share * 100:.0f}{THIN_SPACE}%" if share >= 0.0995 or share == 0 else f"{share * 100:.1f}{THIN_SPACE}%"


def sentence(text: str) -> str:
    """With a capital at the start and a full stop at the end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…", ":")) else f"{text}."


def moment(time: datetime | None) -> str:
    """A time in UTC, to the minute."""
    if time is None:
        return "no data yet"
    time = time.astimezone(UTC)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def _is_tiny(size: float) -> bool:
    return 0 < size < 0.00095


def _decimals(size: float) -> int:
    if size == 0 or size >= 100:
        return 0
    return 3 if size < 1 else 2 if size < 10 else 1


def _signed(text: str) -> str:
    return text.replace("-", MINUS).replace(",", THIN_SPACE)
