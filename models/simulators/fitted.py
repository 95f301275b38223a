"""A simulator fitted to a log: everything that was learned from it."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.simulators.answers import Answers
from models.simulators.choosing import Choosing
from models.simulators.log import Log
from models.simulators.moments import Moments
from models.simulators.presence import Presence
from models.simulators.readings import Readings
from posology.tables import Tables
from posology.therapy import Therapy

MOST_PATIENTS = 2000  # of the log that are looked at; more make it slow and hardly better


@dataclass(frozen=True)
class Fitted:
    """What a log tells of how its patients come, choose, answer, change and leave.

    Attributes:
        log: what it was fitted to.
        presence: when patients open the app, and when they leave.
        moments: context and clock.
        answers: what comes back; None where the therapy has no feedback.
        readings: how the status moves and is read; None where the therapy has no status.
        choosing: how the log's contents were chosen.
    """

    log: Log
    presence: Presence
    moments: Moments
    answers: Answers | None
    readings: Readings | None
    choosing: Choosing

    @classmethod
    def fit(cls, therapy: Therapy, tables: Tables, *, seed: int = 0) -> Self:
        """Fit to the four tables of any therapy; the same tables and seed give the same simulator.

        Args:
            seed: of which rows are looked at where a log is large.

        Raises:
            TooSmall: the log holds too little to fit anything.
            TableError: rows of somebody who is not in the users table.
        """
        rng = np.random.default_rng(seed)
        log = Log.of(therapy, some_patients(tables, MOST_PATIENTS, rng))
        presence = Presence.fit(log)
        answers = Answers.fit(log)
        return cls(
            log=log,
            presence=presence,
            moments=Moments.fit(log, rng),
            answers=answers,
            readings=Readings.fit(log, presence.left),
            choosing=Choosing.fit(log, answers, rng),
        )

    @property
    def unsupported(self) -> tuple[str, ...]:
        """Contents given too seldom to be simulated; they are not among the simulator's contents."""
        return self.log.unsupported


def some_patients(tables: Tables, most: int, rng: np.random.Generator) -> Tables:
    """The tables of that many users at most, drawn at random."""
    users = tables.users["user_id"]
    return tables if users.len() <= most else tables.of_users(users.gather(rng.permutation(users.len())[:most]))
