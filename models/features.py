"""The feature matrix of decisions: course, candidate, user, context and content columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from models.contents import ContentArrays
from models.course import courses_of
from models.encode import encode, encode_values, encoded_columns, names_of
from models.encoders import NO_ENCODERS, Encoders
from models.fold import CANDIDATE, COURSE, PER_NUMBER, Before, Courses, fold
from models.fold_one import Answers, Past, Told, fold_one
from models.one_course import OneCourse, microseconds
from models.prior import Prior
from models.state import Catalogue
from posology.errors import TableError
from posology.safety import RecentDoses
from posology.tables import Tables
from posology.therapy import Therapy

PLACE = "content"  # the feature that says which content, by place
EXPECTED = (*COURSE, *CANDIDATE).index("expected_answer")
NOTHING = np.zeros(0, dtype=np.int64)
LEARNT = "learnt_answer"  # what stands there under a learnt prior: another number, so another name


class Candidates(NamedTuple):
    """n decisions in which every content is a candidate.

    Attributes:
        features: (n * n_contents, n_features), the contents of a decision together, in table order.
        situations: n rows with ``decided_at``, U and context columns.
        recent: what was given before each decision.
    """

    features: np.ndarray
    situations: pl.DataFrame
    recent: RecentDoses


@dataclass(frozen=True)
class Features:
    """Makes the same features for training and for serving.

    Every feature is a number: booleans are 0 and 1, categories one column a
    value, what is missing is NaN. Text, embeddings, images and series are left
    out where no encoder was fitted for them. What a patient is expected to
    answer starts from the prior, or from the contents' likeness without one.
    """

    therapy: Therapy
    contents: ContentArrays
    encoders: Encoders = NO_ENCODERS
    prior: Prior | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        per_number = (f"{number}_{name}" for number in self.contents.number_names for name in PER_NUMBER)
        encoded = (*names_of(self.therapy.user), *names_of(self.therapy.context), *names_of(self.therapy.content))
        folded = [*COURSE, *CANDIDATE]
        folded[EXPECTED] = LEARNT if self.prior else folded[EXPECTED]
        return (*folded, *per_number, PLACE, *encoded, *self.encoders.names)

    @cached_property
    def course_names(self) -> tuple[str, ...]:
        """Names of the columns that are the same whatever is given."""
        return (*COURSE, *names_of(self.therapy.user), *names_of(self.therapy.context))

    def of_given(self, tables: Tables, sessions: np.ndarray) -> np.ndarray:
        """(n, n_features) of the contents given in these rows of the sessions table, each row once.

        Raises:
            TableError: a content is not in the contents table.
        """
        courses = self._courses(tables)
        places = courses.content[sessions]
        if (places < 0).any():
            raise TableError(
                f"sessions: {int((places < 0).sum())} contents to describe are not in the table contents",
                table="sessions",
                column="content_id",
            )
        return self._given(courses, tables, sessions)

    def of_candidates(self, tables: Tables, sessions: np.ndarray) -> Candidates:
        """Every content at the decisions in these rows of the sessions table, each row once."""
        n_contents = self.contents.table.height
        matrix = np.empty((sessions.size * n_contents, len(self.names)))
        courses = self._courses(tables)
        before, users = self._fold(courses, sessions, matrix, all_candidates=True), courses.user_of(sessions)
        places = np.tile(np.arange(n_contents), sessions.size)
        self._join(matrix, tables, np.repeat(users, n_contents), np.repeat(sessions, n_contents), places)
        rows = tables.sessions[["user_id", "decided_at", *self.therapy.context]][sessions]
        situations = rows.with_columns(tables.users[name].gather(users) for name in self.therapy.user)
        recent = RecentDoses(before.last_content, before.in_a_row, before.minutes, self._share_counts(before))
        return Candidates(matrix, situations, recent)

    @property
    def need_tables(self) -> bool:
        """Whether more of a course is looked at than ``OneCourse`` holds."""
        return bool(self.encoders.fitted)

    def _given(self, courses: Courses, tables: Tables, sessions: np.ndarray) -> np.ndarray:
        matrix = np.empty((sessions.size, len(self.names)), order="F")  # column by column, as tables are
        self._fold(courses, sessions, matrix, all_candidates=False)
        self._join(matrix, tables, courses.user_of(sessions), sessions, courses.content[sessions])
        return matrix

    def _courses(self, tables: Tables) -> Courses:
        """The courses of all users, with the F that was usual of what they answered to."""
        courses = courses_of(self.therapy, tables, self.contents)
        if (
            self.prior is not None
            and (sessions := np.flatnonzero(self._answered(courses.feedback, courses.content))).size
        ):
            courses.usual[sessions] = self.prior.expect(self._plain._given(courses, tables, sessions), self.names)
        return courses

    def _answered(self, feedback: np.ndarray, content: np.ndarray) -> np.ndarray:
        """(n_sessions,) which told something of the patient."""
        return np.isfinite(feedback) & (feedback != self._catalogue.silence) & (content >= 0)

    @cached_property
    def _plain(self) -> "Features":
        return Features(self.therapy, self.contents)

    @cached_property
    def _catalogue(self) -> Catalogue:
        plain = self.contents.catalogue
        return self.prior.of(plain, tuple(self.contents.table["content_id"])) if self.prior else plain

    def of_decision(
        self, course: OneCourse, now: datetime, context: Mapping[str, Any]
    ) -> tuple[np.ndarray, RecentDoses]:
        """(n_contents, n_features) at a decision that one user's course has come to, and what was given before.

        As ``of_candidates``, bit for bit; not where features ``need_tables``.
        """
        at, past = microseconds(now), course.past(self.contents)
        user, context_now = encode_values(course.user, self.therapy.user), encode_values(context, self.therapy.context)
        usual, plain = self._usual(course, past, at, user), self.contents.catalogue.usual
        answers = Answers(course.known, course.feedback, usual, plain)
        matrix = np.empty((self._matrix_of_contents.shape[0], len(self.names)))
        before = self._fold_one(past, answers, at, NOTHING, matrix)
        of_content = self._join_known(matrix, user + context_now, np.arange(matrix.shape[0]))
        if self.prior is not None:
            told = Told(usual, at, np.array(context_now, dtype=float), of_content)
            course.usual.keep(self.prior, course.user, past, told)
        return matrix, RecentDoses(before.last_content, before.in_a_row, before.minutes, self._share_counts(before))

    def _usual(self, course: OneCourse, past: Past, now: int, user: list[float]) -> np.ndarray:
        """(n_sessions,) the F that was usual of what the user answered to by now, as ``_courses`` has it; else NaN."""
        if self.prior is None:
            return np.full(past.decided.size, np.nan)
        known = course.usual.of(self.prior, course.user, past)
        is_new = np.isnan(known) & self._answered(course.feedback, past.content) & (past.decided <= now)
        if (new := np.flatnonzero(is_new)).size:
            matrix = np.empty((new.size, len(self.names)))
            none = np.full(known.size, np.nan)
            answers = Answers(course.known, none, none, self.contents.catalogue.usual)  # no answer has a part in it
            self._plain._fold_one(past, answers, now, new, matrix)
            told = np.column_stack([np.tile(user, (new.size, 1)), past.context[new]])
            self._plain._join_known(matrix, told, past.content[new])
            known[new] = self.prior.expect(matrix, self.names)
        return known

    def _fold_one(self, past: Past, answers: Answers, now: int, given: np.ndarray, matrix: np.ndarray) -> Before:
        """As ``_fold``, of one course; see ``fold_one``."""
        n_groups = len(self.contents.group_values)
        before = Before.room_for(0 if given.size else 1, n_groups)
        fold_one(past, answers, now, given, self._catalogue, n_groups, matrix, before)
        return before

    def _join_known(self, matrix: np.ndarray, known: np.ndarray | list[float], places: np.ndarray) -> np.ndarray:
        """Write place, U and context (known) and C into the last columns, see ``_join``; gives the usual F."""
        contents, wide = self._matrix_of_contents[places], np.shape(known)[-1]
        end = matrix.shape[1] - contents.shape[1]
        matrix[:, end - wide - 1] = places
        matrix[:, end - wide : end] = known
        matrix[:, end:] = contents
        return self._add_usual(matrix)

    @cached_property
    def _matrix_of_contents(self) -> np.ndarray:
        return encode(self.contents.table, self.therapy.content)

    def _fold(self, courses: Courses, sessions: np.ndarray, matrix: np.ndarray, *, all_candidates: bool) -> Before:
        """Write the folded features into the first columns of the matrix."""
        arrays, wanted = self.contents, np.full(courses.decided.size, -1)
        wanted[sessions] = np.arange(sessions.size)
        if np.count_nonzero(wanted >= 0) < sessions.size:
            raise ValueError("expected each row of sessions once")
        n_groups = len(arrays.group_values)
        before = Before.room_for(sessions.size if all_candidates else 0, n_groups)
        fold(courses, wanted, self._catalogue, n_groups, matrix, before)
        return before

    def _share_counts(self, before: Before) -> np.ndarray:
        has_cap = self.therapy.safety.caps.feature is not None
        return before.group_counts if has_cap else before.group_counts[:, :0]

    def _join(
        self, matrix: np.ndarray, tables: Tables, users: np.ndarray, sessions: np.ndarray, places: np.ndarray
    ) -> None:
        """Write what the fold does not tell into the last columns: the place, U, context, C, and what is encoded."""
        user, context = (
            encoded_columns(tables.users, self.therapy.user),
            encoded_columns(tables.sessions, self.therapy.context),
        )
        told = ((user, users), (context, sessions), (self._encoded_contents, places))
        columns = [places, *(column[rows] for encoded, rows in told for column in encoded)]
        columns += self.encoders.columns(tables, self.contents.table, users=users, sessions=sessions, places=places)
        for number, column in enumerate(columns, start=len(self.names) - len(columns)):
            matrix[:, number] = column
        self._add_usual(matrix)

    def _add_usual(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) the usual F, where there is a prior; it is added to what is expected above it."""
        if self.prior is None or not len(matrix):
            return np.zeros(len(matrix))
        usual = self.prior.expect(matrix, self.names)
        matrix[:, EXPECTED] += usual
        return usual

    def join(
        self, folded: np.ndarray, situations: pl.DataFrame, decisions: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        """(n, n_features) what a fold told of n rows, joined by what is known of each row's decision and content."""
        known = encode(situations, self.therapy.user | self.therapy.context)
        return np.column_stack(
            [folded, places, known[decisions], *(column[places] for column in self._encoded_contents)]
        )

    @cached_property
    def _encoded_contents(self) -> list[np.ndarray]:
        return encoded_columns(self.contents.table, self.therapy.content)
