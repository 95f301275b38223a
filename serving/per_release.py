"""What is worked out once for a release and asked for in every call."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from models.release import Release

Value = TypeVar("Value")
MOST_RELEASES = 8  # kept at once: the one served, those beside it, and those of a replay


@dataclass(frozen=True)
class _Named:
    name: str
    release: Release = field(compare=False)


def per_release(make: Callable[[Release], Value]) -> Callable[[Release], Value]:
    """The function, which works once for each of the latest releases; they are told apart by name."""
    made = lru_cache(maxsize=MOST_RELEASES)(lambda named: make(named.release))
    return lambda release: made(_Named(release.name, release))
