"""What every simulator is, whatever its patients are made of."""

from typing import Protocol

import numpy as np
import polars as pl

from posology.safety import Blocks, RecentDoses
from posology.therapy import Therapy


class Simulator(Protocol):
    """n patients who enrol, are measured, open the app, are given contents and answer, and whose truth is known.

    Days count from 0 to ``last_day``; patients and contents are given by
    their row in ``users`` and ``contents``. Time only goes forward:
    ``to_measure`` and ``due`` take a day that is not before the last one and
    let the patients live up to it. A patient takes at most one content a day:
    ``situations``, then anything that only looks, then ``give``.

    Whoever chooses contents may look at all that is here: what is special to
    one kind of simulator is not.
    """

    @property
    def therapy(self) -> Therapy:
        """What the patients are treated by."""

    @property
    def users(self) -> pl.DataFrame:
        """The users table, in the order of their numbers."""

    @property
    def contents(self) -> pl.DataFrame:
        """The contents table, in the order of their numbers."""

    @property
    def last_day(self) -> int:
        """The last day on which anything can happen."""

    def to_measure(self, day: int) -> np.ndarray:
        """The patients who come to be measured that day."""

    def is_final_visit(self, patients: np.ndarray) -> np.ndarray:
        """(n,) whether today is the day of each patient's final measurement."""

    def measurements(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """Rows of the measurements table, one a patient."""

    def due(self, day: int) -> np.ndarray:
        """The patients who open the app that day."""

    def situations(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """``user_id``, ``decided_at``, U and context columns as each patient opens the app; one row each."""

    def recent_doses(self, patients: np.ndarray) -> RecentDoses:
        """What each patient was given before the last situation."""

    def blocks(self, patients: np.ndarray, situations: pl.DataFrame) -> Blocks:
        """What must not be given to each patient in the situation."""

    def impression(self, rng: np.random.Generator, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) how suitable each content looks to those who treat the patients, from 0 to 1.

        It may err, as people do; ``rng`` draws today's error. A simulator
        without a better idea gives ``expected_feedback``.
        """

    def unrecorded(self, patients: np.ndarray) -> np.ndarray | None:
        """(n, n_contents) log-odds by which what is seen today and written nowhere moves whoever chooses.

        Its negative is just as likely, day by day and independent of all that
        is written. None where everything is written: nothing confounds.
        """

    def expected_feedback(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) the true mean of F for each content, as things stand."""

    def true_status(self, patients: np.ndarray) -> np.ndarray:
        """(n,) what the instrument would read today without noise."""

    def give(self, patients: np.ndarray, contents: np.ndarray) -> pl.DataFrame:
        """``feedback_at`` and the F columns after each patient took a content; null where nothing came."""
