"""Effects and the test of F as a stand-in for Mf, as the dossier shows them."""

from collections.abc import Iterator

import numpy as np

from flows.evaluation.effects import EffectsFound
from models.effects import EffectsOf
from posology.bootstrap import Interval
from posology.dossier import EffectRow, EffectTable, Estimate, Figure, StandInRow
from posology.dossier.figures import effect_plot
from posology.errors import TooSmall
from posology.surrogate import Surrogate, surrogate

OUTCOME = {"feedback": "feedback F (0 to 1)", "status": "gain of the final status (points) by one decision"}


def effect_tables(found: EffectsFound) -> tuple[EffectTable, ...]:
    """Groups of contents where there are groups, else contents."""
    has_groups = {table.target for table in found.tables if table.by == "group"}
    return tuple(_table(each) for each in found.tables if (each.by == "group") == (each.target in has_groups))


def effect_figures(found: EffectsFound) -> tuple[Figure, ...]:
    """Effects of contents one by one."""
    return tuple(
        effect_plot(_table(each), title=f"Effects of contents on {'F' if each.target == 'feedback' else 'Mf'}")
        for each in found.tables
        if each.by == "content"
    )


def stand_in_rows(found: EffectsFound, seed: int) -> tuple[StandInRow, ...]:
    """What was found of F as a stand-in for Mf; none where it was not tested."""
    if found.surrogate is None:
        return ()
    try:
        return tuple(_stand_in(surrogate(found.surrogate, np.random.default_rng(seed))))
    except TooSmall:
        return ()


def _table(found: EffectsOf) -> EffectTable:
    return EffectTable(
        outcome=OUTCOME[found.target],
        reference=found.reference,
        rows=tuple(
            EffectRow(
                each.arm,
                Estimate(each.value, each.low_of_all, each.high_of_all),
                each.predicted,
                each.naive,
                each.patients,
                each.decisions,
            )
            for each in found.effects
        ),
        note=_note(found),
    )


def _note(found: EffectsOf) -> str:
    basis = "Propensities are estimated" if found.is_estimated else "Propensities were logged"
    text = f"{basis}; {found.decisions:,} decisions of {found.patients:,} patients"
    closest = found.closest
    if closest is None:
        return text
    return (
        f"{text}. {closest.leader} against {closest.other}, the closest behind: {closest.difference:.3f} "
        f"({closest.low:.3f} to {closest.high:.3f}); something unobserved that shifts the odds of the choice by a "
        f"factor of {closest.odds:.2f} could turn the order, {closest.odds_sure:.2f} could bring the interval to 0 "
        f"(robustness value {closest.robustness:.3f}, E-value {closest.e_value:.2f}): {closest.strength}"
    )


def _stand_in(found: Surrogate) -> Iterator[StandInRow]:
    yield StandInRow(
        "Gain by choosing by F",
        _estimate(found.gain),
        "change of Mf over a course, in smallest important changes, by giving one of the better quarter by "
        "predicted F every time instead of any content",
    )
    yield StandInRow("Slope through the choice", _estimate(found.slope), "points of Mf by one decision per unit of F")
    yield StandInRow(
        "Lost by choosing by F",
        _estimate(found.lost),
        "smallest important changes over a course that the best by predicted Mf has over the best by predicted F",
    )
    yield StandInRow("Order of contents", _estimate(found.ranks), "rank correlation of effects on F and on Mf")
    yield StandInRow("Same sign", _estimate(found.signs), "share of contents above, or below, the average on both")
    for each in found.associations:
        yield StandInRow(
            f"Correlation: {each.whom}",
            _estimate(each.correlation),
            f"of mean F with the change of the status, {each.patients} patients"
            + (f"; slope {each.slope} points per unit of F" if each.slope else "; too few to tell"),
        )


def _estimate(interval: Interval | None) -> Estimate | None:
    return None if interval is None else Estimate(interval.value, interval.low, interval.high)
