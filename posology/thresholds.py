"""What an expression can tell of a number: between two of the thresholds it is compared with, nothing more."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import chain

_TOKEN = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|\d+(?:\.\d+)?|\w+|<=|>=|<>|!=|\S""")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_COMPARISONS = frozenset(("<", "<=", ">", ">=", "=", "<>", "!="))
_BEFORE = frozenset(("", "(", "and", "or", "when"))
_AFTER = frozenset(("", ")", "and", "or", "then"))


def thresholds_of(name: str, expressions: Iterable[str]) -> list[float] | None:
    """The numbers a column is compared with, in order; None where SQL expressions look at it in another way too.

    An expression is read no further than need be: what is not plainly ``name > 3`` counts as another way.
    """
    found = [_thresholds(name, _TOKEN.findall(text)) for text in expressions]
    known = [each for each in found if each is not None]
    return sorted(set(chain.from_iterable(known))) if len(known) == len(found) else None


def side_of(value: float | None, thresholds: list[float]) -> int | None:
    """Which threshold a number is, or between which it lies; None for one that is missing."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    return bisect_left(thresholds, value) + bisect_right(thresholds, value)


def _thresholds(name: str, tokens: list[str]) -> list[float] | None:
    found, padded = [], ["", *(token.lower() for token in tokens), "", "", ""]
    for place, token in enumerate(tokens, start=1):
        if token.strip('"').lower() != name.lower():
            continue
        before, comparison, number, after = padded[place - 1], *padded[place + 1 : place + 4]
        is_plain = token == name and before in _BEFORE and comparison in _COMPARISONS and after in _AFTER
        if not is_plain or not _NUMBER.fullmatch(number) or "between" in padded:
            return None
        found.append(float(number))
    return found
