"""A log's decisions with what came of them: F at once, and Mf at the end of the course."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.offpolicy import LoggedChoices
from models.targets import Target, target_rows, targets_of
from posology.bootstrap import MINIMUM_PATIENTS
from posology.errors import TooSmall
from posology.tables import Tables
from posology.therapy import Therapy


def logs_of(therapy: Therapy, tables: Tables, *, most: int | None = None) -> Mapping[Target, LoggedChoices]:
    """Target → the decisions for which it is known; Mf as gain, in points, more is better.

    Decisions are described once: those with F, and of them those of finished courses.

    Args:
        therapy: what was treated by.
        tables: of the patients.
        most: decisions to take; whole patients, in the order of their ids.

    Raises:
        TooSmall: too few patients for any target.
    """
    first, *others = targets_of(therapy)
    choices = LoggedChoices.of(therapy, tables, target=first, most=most)
    if first == "status":
        return {"status": _as_gain(choices, choices.reward)}
    if not others:
        return {"feedback": choices}
    return {"feedback": choices, **_finished(choices)}


def outcome_name(target: Target) -> str:
    """What an effect is an effect on."""
    return "F" if target == "feedback" else "Mf"


def _finished(choices: LoggedChoices) -> dict[Target, LoggedChoices]:
    """The decisions of finished courses; none where there are too few patients with one."""
    decisions = choices.decisions
    ids = decisions.tables.sessions[decisions.sessions].select("decision_id")
    known = target_rows(decisions.therapy, decisions.tables, "status").select("decision_id", "target")
    status = ids.join(known, on="decision_id", how="left", maintain_order="left")["target"].fill_null(np.nan).to_numpy()
    is_known = np.isfinite(status)
    if np.unique(choices.patient[is_known]).size < MINIMUM_PATIENTS:
        return {}
    return {"status": _as_gain(where(choices, is_known), status[is_known])}


def _as_gain(choices: LoggedChoices, status: np.ndarray) -> LoggedChoices:
    """With Mf as outcome, turned so that more is better."""
    declared = choices.decisions.therapy.status
    if declared is None:
        raise TooSmall("the therapy declares no status")
    return replace(choices, reward=declared.direction * status)


def where(choices: LoggedChoices, keep: np.ndarray) -> LoggedChoices:
    """The decisions for which ``keep`` is true; patients are numbered anew."""
    return LoggedChoices(
        decisions=choices.decisions.where(keep),
        patient=np.unique(choices.patient[keep], return_inverse=True)[1],
        given=choices.given[keep],
        reward=choices.reward[keep],
        logged=choices.logged[keep],
    )
