"""A log as the fits read it: its sessions as arrays, with the features the models know."""

import dataclasses
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.contents import ContentArrays, places_in
from models.course import feedback_known
from models.features import Features
from posology.errors import TooSmall
from posology.tables import Tables
from posology.therapy import Therapy

MICROSECONDS_PER_DAY = 86_400_000_000
MINIMUM_PATIENTS = 5  # with sessions; with fewer there is nobody to draw from
MINIMUM_TIMES = 5  # a content given less often is not simulated: what comes back would be an anecdote


@dataclass(frozen=True)
class Log:
    """The sessions that can be learned from, sorted by user and time; times in µs since 1970.

    Attributes:
        tables: as given, with the contents that were given often enough.
        unsupported: ids of the other contents, which the log says too little of.
        features: the feature definition over the supported contents.
        rows: (n,) rows of the sessions table, those of supported contents.
        matrix: (n, n_features) before each of them.
        user: (n,) place in the users table.
        place: (n,) of the content.
        decided_at: (n,)
        value: (n,) F, what is missing counted as the therapy says; NaN where it is left out or not known yet.
        known_after: (n,) from the decision until F was known.
        is_due: (n,) whether F, or its absence, was known when the log ends.
        enrolled_at: (n_users,)
    """

    therapy: Therapy
    tables: Tables
    unsupported: tuple[str, ...]
    features: Features
    rows: np.ndarray
    matrix: np.ndarray
    user: np.ndarray
    place: np.ndarray
    decided_at: np.ndarray
    value: np.ndarray
    known_after: np.ndarray
    is_due: np.ndarray
    enrolled_at: np.ndarray

    @classmethod
    def of(cls, therapy: Therapy, tables: Tables, *, contents: pl.DataFrame | None = None) -> Self:
        """The log of these tables.

        Args:
            contents: those to look at, however often they were given; not given, those given often enough.

        Raises:
            TooSmall: too few patients, or the safe default was hardly ever given.
            TableError: rows of somebody who is not in the users table.
        """
        kept, unsupported = _supported(therapy, tables) if contents is None else (contents, ())
        tables = dataclasses.replace(tables, contents=kept)
        features = Features(therapy, ContentArrays(therapy, tables.contents))
        place = features.contents.places(tables.sessions["content_id"])
        rows = np.flatnonzero(place >= 0)
        decided_at = micros(tables.sessions["decided_at"])
        known = feedback_known(therapy, tables.sessions)
        known_at = known.known_at.astype("datetime64[us]").astype(np.int64)
        as_of = decided_at.max() if tables.as_of is None else micros(pl.Series([tables.as_of]))[0]
        return cls(
            therapy=therapy,
            tables=tables,
            unsupported=unsupported,
            features=features,
            rows=rows,
            matrix=features.of_given(tables, rows),
            user=places_in(pl.Enum(tables.users["user_id"]), tables.sessions["user_id"])[rows],
            place=place[rows],
            decided_at=decided_at[rows],
            value=known.value[rows],
            known_after=(known_at - decided_at)[rows],
            is_due=(known_at <= as_of)[rows],
            enrolled_at=micros(tables.users["enrolled_at"]),
        )

    @property
    def as_of_day(self) -> int:
        """The last day of the log, counted from 1970."""
        as_of = self.tables.as_of
        return 0 if as_of is None else int(micros(pl.Series([as_of]))[0] // MICROSECONDS_PER_DAY)

    def feature(self, name: str) -> np.ndarray:
        """(n,) one feature."""
        return self.matrix[:, self.features.names.index(name)]


def micros(times: pl.Series) -> np.ndarray:
    """(n,) times as µs since 1970."""
    return times.dt.epoch("us").to_numpy().astype(np.int64)


def _supported(therapy: Therapy, tables: Tables) -> tuple[pl.DataFrame, tuple[str, ...]]:
    sessions, contents = tables.sessions, tables.contents
    patients = sessions["user_id"].n_unique()
    if patients < MINIMUM_PATIENTS:
        raise TooSmall(
            f"a simulator needs sessions of {MINIMUM_PATIENTS} patients or more, the log has {patients}; collect more"
        )
    times = dict(sessions.group_by("content_id").len().iter_rows())
    is_rare = [times.get(content_id, 0) < MINIMUM_TIMES for content_id in contents["content_id"]]
    unsupported = tuple(contents["content_id"].filter(pl.Series(is_rare)))
    default = therapy.safety.safe_default
    if default in unsupported:
        raise TooSmall(
            f"the safe default {default} was given {times.get(default, 0)} times; expected {MINIMUM_TIMES} or more, "
            "because a patient for whom nothing else is allowed is given it"
        )
    return contents.filter(~pl.Series(is_rare)), unsupported
