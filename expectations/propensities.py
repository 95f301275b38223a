"""Whether logged probabilities can have made the choices logged."""

from dataclasses import dataclass
from math import sqrt
from typing import Self

import polars as pl

from expectations.thresholds import Thresholds

MOST = 100


@dataclass(frozen=True)
class Propensities:
    """Sums over sessions that tell whether 1/p is on average what it must be.

    Of a content drawn with probability p from n eligible ones, E[1/p] is the number of contents that
    can be drawn at all, so at most n, whatever the policy. The mean of 1/p - n is held against its
    standard error over users, whose sessions are not independent. 1/p counts as ``MOST`` n at most, which
    only lowers its mean: else a single p of next to nothing would hide all others. (The mean of
    importance weights is 1: Owen 2013, Monte Carlo theory, methods and examples, ch. 9.)

    Attributes:
        sessions: with a probability and a list of eligible contents.
        excess: sum of 1/p - n.
        squares: sum over users of the square of the user's sum of it.
        eligible: sum of n.
    """

    limits: Thresholds
    sessions: int = 0
    excess: float = 0.0
    squares: float = 0.0
    eligible: int = 0

    def plus(self, sessions: pl.DataFrame) -> Self:
        """With these sessions too; all of a user's come at once."""
        known = sessions.filter(pl.col("probability").is_not_null() & pl.col("eligible").is_not_null())
        n = pl.col("eligible").list.len()
        inverse = pl.min_horizontal(1 / pl.col("probability"), MOST * n)
        of_users = known.group_by("user_id").agg(excess=(inverse - n).sum(), n=n.sum(), rows=pl.len())
        return type(self)(
            self.limits,
            self.sessions + int(of_users["rows"].sum()),
            self.excess + float(of_users["excess"].sum()),
            self.squares + float((of_users["excess"] ** 2).sum()),
            self.eligible + int(of_users["n"].sum()),
        )

    @property
    def fit(self) -> bool:
        """False when the probabilities are, beyond chance, too small for what was chosen."""
        is_large = self.excess > self.limits.probability_excess * self.eligible
        return not (is_large and self.excess > self.limits.probability_z * sqrt(self.squares))
