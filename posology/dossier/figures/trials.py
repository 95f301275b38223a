"""A search for options, trial by trial."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from posology.dossier.evidence import Figure
from posology.dossier.figures.canvas import CANDIDATE, INK, OTHER, TRUTH, draw
from posology.dossier.numbers import number


class TrialPoint(NamedTuple):
    """One trial; ``state`` is complete, pruned or failed, ``loss`` None where it failed."""

    number: int
    state: str
    loss: float | None


def tuning_plot(trials: Sequence[TrialPoint], *, defaults: float, predicted: str) -> Figure:
    """The loss of each trial, the best so far, and the line of the defaults.

    Args:
        trials: in their order.
        defaults: loss of the options before tuning.
        predicted: what, and by which kind, for example "feedback, catboost".
    """
    complete = [trial for trial in trials if trial.state == "complete" and trial.loss is not None]
    pruned = [trial for trial in trials if trial.state == "pruned" and trial.loss is not None]
    failed = [trial for trial in trials if trial.state == "failed"]

    def paint(axes: Axes) -> None:
        axes.axhline(defaults, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label="defaults")
        _points(axes, pruned, marker="x", color=OTHER, label="cut short")
        _points(axes, complete, marker="o", color=CANDIDATE, label="complete")
        best = np.minimum.accumulate([trial.loss or 0.0 for trial in complete])
        axes.step([trial.number + 1 for trial in complete], best, where="post", color=CANDIDATE, linewidth=1.2)
        for trial in failed:
            axes.axvline(trial.number + 1, color=TRUTH, linewidth=0.8, alpha=0.6)
        axes.set(xlabel="trial", ylabel="mean squared error")
        axes.legend(loc="upper right")

    best = min((trial.loss or 0.0 for trial in complete), default=None)
    return Figure(
        title=f"Tuning: {predicted}",
        svg=draw(paint),
        reading=(
            "Each mark is one set of options, scored on fitting patients left out; the step is the best so far, the "
            "dashed line what the options before tuning come to. A vertical line is a trial that failed. The best of "
            "many looks better than it is: whether it was taken was decided on patients the search did not see."
        ),
        alternative=(
            f"{len(trials)} trials: {len(complete)} complete, {len(pruned)} cut short, {len(failed)} failed; "
            f"smallest loss {number(best)}, of the defaults {number(defaults)}."
        ),
    )


def _points(axes: Axes, trials: Sequence[TrialPoint], *, marker: str, color: str, label: str) -> None:
    if trials:
        numbers, losses = [trial.number + 1 for trial in trials], [trial.loss for trial in trials]
        axes.scatter(numbers, np.array(losses, dtype=float), marker=marker, s=22, color=color, label=label)
