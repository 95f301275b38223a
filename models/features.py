"""The feature matrix of decisions: course, candidate, user, context and content columns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from models.contents import ContentArrays
from models.course import DECIDED, courses_of
from models.fold import CANDIDATE, COURSE, PER_NUMBER, Catalogue, Folded, fold
from posology.safety import RecentDoses
from posology.tables import Tables
from posology.therapy import Columns, Therapy

PLACE = "content"  # the feature that says which content, by place


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
        """(n, n_features) of the contents given in these rows of the sessions table."""
        folded = self._fold(tables, sessions, all_candidates=False)
        places = self.contents.places(tables.sessions["content_id"])[sessions]
        situations = self.situations(tables, sessions)
        return self._join(folded, situations, np.arange(sessions.size), places)

    def of_candidates(self, tables: Tables, sessions: np.ndarray) -> tuple[np.ndarray, RecentDoses]:
        """Features of every content at these decisions, and what was given before each.

        Returns:
            (n * n_contents, n_features), the contents of a decision together, in table order.
        """
        n_contents = self.contents.table.height
        folded = self._fold(tables, sessions, all_candidates=True)
        decisions = np.repeat(np.arange(sessions.size), n_contents)
        places = np.tile(np.arange(n_contents), sessions.size)
        matrix = self._join(folded, self.situations(tables, sessions), decisions, places)
        return matrix, RecentDoses(folded.last_content, folded.in_a_row, folded.minutes, self._share_counts(folded))

    def situations(self, tables: Tables, sessions: np.ndarray) -> pl.DataFrame:
        """``decided_at``, U and context columns of these rows of the sessions table."""
        rows = tables.sessions[sessions].select("user_id", "decided_at", *self.therapy.context)
        users = tables.users.select("user_id", *self.therapy.user)
        return rows.join(users, on="user_id", how="left", maintain_order="left")

    def _fold(self, tables: Tables, sessions: np.ndarray, *, all_candidates: bool) -> Folded:
        courses = courses_of(self.therapy, tables, self.contents)
        place = np.full(tables.sessions.height, -1)
        place[sessions] = np.arange(sessions.size)
        is_decision = courses.kind == DECIDED
        wanted = np.where(is_decision, place[np.where(is_decision, courses.session, 0)] if place.size else -1, -1)
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

    def _join(self, folded: Folded, situations: pl.DataFrame, decisions: np.ndarray, places: np.ndarray) -> np.ndarray:
        contents = self.contents.table
        return np.column_stack(
            [
                folded.features,
                places.astype(float),
                _encode(situations, self.therapy.user)[decisions],
                _encode(situations, self.therapy.context)[decisions],
                _encode(contents, self.therapy.content)[places],
            ]
        )


def _names(columns: Columns) -> list[str]:
    names: list[str] = []
    for name, column in columns.items():
        if column.kind == "category":
            names += [f"{name}={value}" for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            names.append(name)
    return names


def _encode(frame: pl.DataFrame, columns: Columns) -> np.ndarray:
    encoded: list[np.ndarray] = []
    for name, column in columns.items():
        if column.kind == "category":
            encoded += [frame[name].eq(value).cast(pl.Float64).to_numpy() for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            encoded.append(frame[name].cast(pl.Float64).to_numpy())
    return np.column_stack(encoded) if encoded else np.zeros((frame.height, 0))
