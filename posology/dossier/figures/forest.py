"""Estimates with intervals, one row each, against a line that means something."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from posology.bootstrap import mean_per_patient
from posology.dossier.effects import EffectTable
from posology.dossier.evidence import Estimate, Figure, SkillTable, ValueRow
from posology.dossier.figures.canvas import CANDIDATE, INK, OTHER, TRUTH, draw, height_of, name_rows
from posology.dossier.figures.spread import mean_over_patients, reach
from posology.dossier.numbers import interval, number, percent

Row = tuple[str, Estimate, bool]  # name, estimate, whether it is the candidate


def skill_plot(table: SkillTable) -> Figure:
    """A predictor's loss beside its baselines'."""
    rows = [(row.name, row.loss, row.is_candidate) for row in table.rows]
    return Figure(
        title=f"{table.predicted}: against baselines",
        svg=draw(lambda axes: _paint(axes, rows, f"{table.loss_name}, lower is better"), height=height_of(len(rows))),
        reading=(
            "Each row is one way to predict patients it has not seen; bars are 95 % intervals over patients. "
            "Further left is better. A release that is not clearly left of every baseline has learned little."
        ),
        alternative=f"{table.loss_name}: {_told(rows)}.",
    )


def value_plot(rows: Sequence[ValueRow], *, unit: str, logged_value: float | None = None) -> Figure:
    """What policies are worth off-policy; a line for what was logged, diamonds for the truth where it is known."""
    estimates = [(f"{row.policy} · {row.estimator}", row.estimate, row.is_candidate) for row in rows]
    truths = [row.truth for row in rows]
    truth_told = " Diamonds are the simulator’s truth." if any(t is not None for t in truths) else ""
    line_told = " The vertical line is what the logged decisions gave." if logged_value is not None else ""

    def paint(axes: Axes) -> None:
        _paint(axes, estimates, unit, line=logged_value, line_name="logged")
        known = [(truth, place) for place, truth in enumerate(truths) if truth is not None]
        if known:
            x, y = zip(*known, strict=True)
            axes.scatter(x, y, marker="D", s=34, color=TRUTH, zorder=4, label="truth")
        if known or logged_value is not None:
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    return Figure(
        title="Value of policies",
        svg=draw(paint, height=height_of(len(rows)) + 0.25),
        reading=(
            "Each row is one policy and one estimator; bars are 95 % intervals over patients; further right is "
            f"better.{line_told}{truth_told} A policy whose bar crosses the line is not shown to differ from it."
        ),
        alternative=f"{unit or 'Value'}: {_told(estimates)}; logged {number(logged_value)}.",
    )


def effect_plot(table: EffectTable, *, title: str, top: int = 20) -> Figure:
    """Effects of contents against the reference, the largest first; the line is no effect."""
    rows = [(row.arm, row.effect, row is table.rows[0]) for row in table.rows[:top]]
    return Figure(
        title=title,
        svg=draw(
            lambda axes: _paint(axes, rows, table.outcome, line=0.0, line_name=table.reference),
            height=height_of(len(rows)),
        ),
        reading=(
            f"The {len(rows)} largest of {len(table.rows)} effects, doubly robust, against {table.reference} (the "
            "line); bars are 95 % intervals that hold for all contents at once. Two that overlap are not told apart."
        ),
        alternative=f"{table.outcome}: {_told(rows)}.",
    )


def coverage_plot(
    covered: np.ndarray, groups: np.ndarray, users: np.ndarray, *, nominal: float, fewest_patients: int = 5
) -> Figure:
    """How often intervals held the truth, by group.

    Args:
        covered: (n,) of bool: the outcome lay in its predicted interval; each patient counts the same.
        groups: (n,) the group of each, for example "sex: female".
        users: (n,) whose each is; used for the intervals only.
        nominal: how often they promise to, for example 0.9.
        fewest_patients: smaller groups are not shown: nothing could be said of
            them, and much about each patient in them.
    """
    covered, groups, users = np.asarray(covered, float), np.asarray(groups).astype(str), np.asarray(users)
    rows: list[Row] = [("all", _each_patient_once(covered, users), True)]
    left_out: list[str] = []
    for group in np.unique(groups):
        chosen = groups == group
        patients = len(np.unique(users[chosen]))
        if patients < fewest_patients:
            left_out.append(str(group))
            continue
        rows.append((f"{group} ({patients} patients)", _each_patient_once(covered[chosen], users[chosen]), False))

    def paint(axes: Axes) -> None:
        _paint(axes, rows, "share of outcomes inside their interval", line=nominal, line_name="promised")
        left, right = axes.get_xlim()
        axes.set_xlim(max(0.0, left), min(1.02, right))
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))

    return Figure(
        title="Coverage of the predicted intervals",
        svg=draw(paint, height=height_of(len(rows)) + 0.25),
        reading=(
            f"Predicted intervals promise to hold {percent(nominal)} of outcomes. A group left of the line gets "
            "intervals that are too sure of themselves; bars are 95 % intervals over patients."
            + (f" Not shown, with fewer than {fewest_patients} patients: {', '.join(left_out)}." if left_out else "")
        ),
        alternative=f"Share of outcomes inside their interval, promised {number(nominal)}: {_told(rows)}.",
    )


def _each_patient_once(values: np.ndarray, users: np.ndarray) -> Estimate:
    """Mean over patients of each patient's mean, as guardrails G103 and G104 count."""
    return mean_over_patients(mean_per_patient(users, values), np.unique(users))


def _told(rows: Sequence[Row]) -> str:
    return "; ".join(f"{name} {interval(estimate)}" for name, estimate, _ in rows)


def _paint(axes: Axes, rows: Sequence[Row], label: str, *, line: float | None = None, line_name: str = "") -> None:
    name_rows(axes, [name for name, _, _ in rows])
    if line is not None:
        axes.axvline(line, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label=line_name)
    for place, (_, estimate, is_candidate) in enumerate(rows):
        below, above = reach(estimate)
        axes.errorbar(
            estimate.mean,
            place,
            xerr=[[below], [above]],
            fmt="o" if is_candidate else "s",
            color=CANDIDATE if is_candidate else OTHER,
            markersize=6 if is_candidate else 4.5,
            linewidth=2.2 if is_candidate else 1.4,
        )
    axes.set_xlabel(label)
