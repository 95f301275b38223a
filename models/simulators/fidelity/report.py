"""The fidelity report of a fitted simulator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from models.simulators.fidelity.autocorrelation import QUESTION as AUTOCORRELATION
from models.simulators.fidelity.autocorrelation import autocorrelation
from models.simulators.fidelity.evidence import Evidence
from models.simulators.fidelity.marginals import COLUMN, PRESENCE, marginals, presence
from models.simulators.fidelity.one_step import CONTENTS, FEEDBACK, SPREAD, STATUS, feedback_one_step, status_one_step
from models.simulators.fidelity.question import Figure, Question, Verdict
from models.simulators.fidelity.told_apart import QUESTION as TOLD_APART
from models.simulators.fidelity.told_apart import told_apart
from models.simulators.fitted import MOST_PATIENTS, Fitted, some_patients
from models.simulators.moments import is_drawn
from models.split import part_of
from posology.errors import TooSmall, first_few
from posology.tables import Tables
from posology.therapy import Therapy

ASKED: tuple[Callable[[Evidence], list[Figure]], ...] = (
    feedback_one_step,
    status_one_step,
    marginals,
    autocorrelation,
    presence,
    told_apart,
)
Fit = Callable[[Therapy, Tables], Fitted]


@dataclass(frozen=True)
class Fidelity:
    """How far a fitted simulator may be trusted, judged on patients it was not fitted to.

    Attributes:
        therapy: name.
        fitted_patients: fitted to, with sessions; the simulator in use is fitted to the held-out ones too.
        held_out_patients: judged on, with sessions.
        figures: one a question and subject.
        contents_left_out: given too seldom to be simulated; nothing is said of them.
        columns_left_out: words, embeddings and pictures, which are a patient's own.
    """

    therapy: str
    fitted_patients: int
    held_out_patients: int
    figures: tuple[Figure, ...]
    contents_left_out: tuple[str, ...]
    columns_left_out: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {figure.verdict for figure in self.figures}
        order = (Verdict.DO_NOT_TRUST, Verdict.INSUFFICIENT, Verdict.TRUST)
        return next((verdict for verdict in order if verdict in found), Verdict.INSUFFICIENT)

    @property
    def warnings(self) -> tuple[str, ...]:
        """When not to trust it: a sentence for each question, and what it is about."""
        found = []
        for question in dict.fromkeys(figure.question for figure in self.figures):
            for verdict in (Verdict.DO_NOT_TRUST, Verdict.INSUFFICIENT):
                subjects = [f.subject for f in self.figures if (f.question, f.verdict) == (question, verdict)]
                if subjects:
                    found.append(f"{question.code} {verdict} ({first_few(subjects)}): {question.otherwise}")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "therapy": self.therapy,
            "verdict": str(self.verdict),
            "warnings": list(self.warnings),
            "fitted_patients": self.fitted_patients,
            "held_out_patients": self.held_out_patients,
            "contents_left_out": list(self.contents_left_out),
            "columns_left_out": list(self.columns_left_out),
            "figures": [figure.as_json() for figure in self.figures],
        }


def fidelity(therapy: Therapy, tables: Tables, *, seed: int = 0, fit: Fit = Fitted.fit) -> Fidelity:
    """Fit to half of the patients, simulate, and compare with the other half.

    Args:
        tables: the log.
        seed: of the simulation and the intervals.
        fit: how a simulator is fitted.
    """
    tables = some_patients(tables, 2 * MOST_PATIENTS, np.random.default_rng(seed))
    users = tables.users["user_id"]
    is_seen = pl.Series([part_of(user_id) == "fit" for user_id in users], dtype=pl.Boolean)
    known, new = tables.of_users(users.filter(is_seen)), tables.of_users(users.filter(~is_seen))
    left_out: tuple[str, ...] = ()
    try:
        fitted = fit(therapy, known)
        left_out = fitted.unsupported
        evidence = Evidence.gather(fitted, known, new, seed=seed)
        figures = tuple(figure for ask in ASKED for figure in ask(evidence))
    except TooSmall as error:
        figures = tuple(question.unanswered("all", str(error)) for question in _questions(therapy))
    return Fidelity(
        therapy=therapy.name,
        fitted_patients=known.sessions["user_id"].n_unique(),
        held_out_patients=new.sessions["user_id"].n_unique(),
        figures=figures,
        contents_left_out=left_out,
        columns_left_out=_columns_left_out(therapy),
    )


def _questions(therapy: Therapy) -> tuple[Question, ...]:
    of_feedback = (FEEDBACK, SPREAD, CONTENTS) if therapy.feedback else ()
    return (*of_feedback, *((STATUS,) if therapy.status else ()), COLUMN, AUTOCORRELATION, PRESENCE, TOLD_APART)


def _columns_left_out(therapy: Therapy) -> tuple[str, ...]:
    feedback = therapy.feedback.columns if therapy.feedback else {}
    columns = therapy.user | therapy.context | feedback
    return tuple(name for name, column in columns.items() if not is_drawn(column.kind))
