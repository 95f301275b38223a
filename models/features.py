"""The feature matrix of decisions: course, candidate, user, context and content columns."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from models.contents import ContentArrays
from models.course import courses_of
from models.fold import CANDIDATE, COURSE, DECIDED, PER_NUMBER, Catalogue, Folded, fold
from posology.errors import TableError
from posology.safety import RecentDoses
from posology.tables import Tables
from posology.therapy import Columns, Therapy

PLACE = "content"  # the feature that says which content, by place


class Candidates(NamedTuple):
    """n decisions in which every content is a candidate.

    Attributes:
        features: (n * n_contents, n_features), the contents of a decision together, in table order.
        situations: n rows, see ``Features.situations``.
        recent: what was given before each decision.
    """

    features: np.ndarray
    situations: pl.DataFrame
    recent: RecentDoses


@dataclass(frozen=True)
class Features:
    """Makes the same features for training and for serving.

    Every feature is a number: booleans are 0 and 1, categories one column a
    value, what is missing is NaN. Text, embeddings and images are not used.
    """

    therapy: Therapy
    contents: ContentArrays

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        per_number = (f"{number}_{name}" for number in self.contents.number_names for name in PER_NUMBER)
        encoded = (*_names(self.therapy.user), *_names(self.therapy.context), *_names(self.therapy.content))
        return (*COURSE, *CANDIDATE, *per_number, PLACE, *encoded)

    def of_given(self, tables: Tables, sessions: np.ndarray) -> np.ndarray:
        """(n, n_features) of the contents given in these rows of the sessions table, each row once.

        Raises:
            TableError: a content is not in the contents table.
        """
        places = self.contents.places(tables.sessions["content_id"])[sessions]
        if (places < 0).any():
            raise TableError(
                f"sessions: {int((places < 0).sum())} contents to describe are not in the table contents",
                table="sessions",
                column="content_id",
            )
        folded = self._fold(tables, sessions, all_candidates=False)
        return self.join(folded.features, self.situations(tables, sessions), np.arange(sessions.size), places)

    def of_candidates(self, tables: Tables, sessions: np.ndarray) -> Candidates:
        """Every content at the decisions in these rows of the sessions table, each row once."""
        n_contents = self.contents.table.height
        folded = self._fold(tables, sessions, all_candidates=True)
        situations = self.situations(tables, sessions)
        decisions = np.repeat(np.arange(sessions.size), n_contents)
        places = np.tile(np.arange(n_contents), sessions.size)
        recent = RecentDoses(folded.last_content, folded.in_a_row, folded.minutes, self._share_counts(folded))
        return Candidates(self.join(folded.features, situations, decisions, places), situations, recent)

    def situations(self, tables: Tables, sessions: np.ndarray) -> pl.DataFrame:
        """``decided_at``, U and context columns of these rows of the sessions table."""
        rows = tables.sessions[["user_id", "decided_at", *self.therapy.context]][sessions]
        users = tables.users[["user_id", *self.therapy.user]]
        return rows.join(users, on="user_id", how="left", maintain_order="left")

    def _fold(self, tables: Tables, sessions: np.ndarray, *, all_candidates: bool) -> Folded:
        courses = courses_of(self.therapy, tables, self.contents)
        place = np.full(tables.sessions.height, -1)
        place[sessions] = np.arange(sessions.size)
        if np.count_nonzero(place >= 0) < sessions.size:
            raise ValueError("expected each row of sessions once")
        wanted = np.full(courses.kind.size, -1)
        is_decision = courses.kind == DECIDED
        wanted[is_decision] = place[courses.session[is_decision]]
        arrays = self.contents
        return fold(
            courses.user,
            courses.time,
            courses.kind,
            courses.content,
            courses.value,
            wanted,
            courses.enrolled,
            Catalogue(arrays.groups, arrays.numbers, arrays.minutes),
            len(arrays.group_values),
            all_candidates=all_candidates,
        )

    def _share_counts(self, folded: Folded) -> np.ndarray:
        has_cap = self.therapy.safety.caps.feature is not None
        return folded.group_counts if has_cap else folded.group_counts[:, :0]

    def join(
        self, folded: np.ndarray, situations: pl.DataFrame, decisions: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """(n, n_features) what the fold tells of n rows, joined by what is known of each row's decision and content."""
        known = encode(situations, self.therapy.user | self.therapy.context)
        return np.column_stack([folded, places, known[decisions], self._encoded_contents[places]])

    @cached_property
    def _encoded_contents(self) -> np.ndarray:
        return encode(self.contents.table, self.therapy.content)


def _names(columns: Columns) -> list[str]:
    names: list[str] = []
    for name, column in columns.items():
        if column.kind == "category":
            names += [f"{name}={value}" for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            names.append(name)
    return names


def encode(frame: pl.DataFrame, columns: Columns) -> np.ndarray:
    """(n, n_names) declared columns as numbers; what is missing is NaN, words and pictures are left out."""
    encoded: list[np.ndarray] = []
    for name, column in columns.items():
        if column.kind == "category":
            encoded += [frame[name].eq(value).cast(pl.Float64).to_numpy() for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            encoded.append(frame[name].cast(pl.Float64).to_numpy())
    return np.column_stack(encoded) if encoded else np.zeros((frame.height, 0))
