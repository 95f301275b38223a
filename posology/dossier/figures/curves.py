"""How feedback goes over a course, and how far decisions must be reweighted."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from posology.dossier.evidence import Estimate, Figure
from posology.dossier.figures.canvas import CANDIDATE, INK, draw
from posology.dossier.figures.spread import mean_over_patients
from posology.dossier.numbers import number

Point = tuple[float, Estimate]  # session number, mean feedback


def learning_curve_plot(
    session_numbers: np.ndarray, feedback: np.ndarray, users: np.ndarray, *, fewest_patients: int = 3
) -> Figure:
    """Mean feedback over the course.

    Args:
        session_numbers: (n,) 1 for a patient's first session.
        feedback: (n,) in [0, 1]; NaN where none came.
        users: (n,) whose each is; used for the intervals only.
        fewest_patients: the curve ends where fewer remain.
    """
    points = _points(np.asarray(session_numbers), np.asarray(feedback, float), np.asarray(users), fewest_patients)

    def paint(axes: Axes) -> None:
        x = [number for number, _ in points]
        low = [estimate.mean if estimate.low is None else estimate.low for _, estimate in points]
        high = [estimate.mean if estimate.high is None else estimate.high for _, estimate in points]
        axes.fill_between(x, np.clip(low, 0, 1), np.clip(high, 0, 1), color=CANDIDATE, alpha=0.16, linewidth=0)
        middle = [estimate.mean for _, estimate in points]
        axes.plot(x, middle, color=CANDIDATE, linewidth=1.8, marker="o", markersize=3)
        axes.set(xlabel="session of the patient", ylabel="feedback")
        axes.grid(visible=True)

    ends = [f"{number(estimate.mean)} at session {number(round(x))}" for x, estimate in (points[:1] + points[-1:])]
    return Figure(
        title="Feedback over the course",
        svg=draw(paint),
        reading=(
            "Mean feedback of the logged sessions, by how many the patient had had; the band is a 95 % interval over "
            "patients. Those who stop early are missing on the right, so a rise may be who stays, not who improves."
        ),
        alternative=f"Mean feedback: {' and '.join(ends) or 'no session with feedback'}.",
    )


def weight_plot(weights: np.ndarray, *, policy: str) -> Figure:
    """Importance weights of one policy: its probability of what was logged, over the logged probability.

    Args:
        weights: (n_decisions,) at least zero.
        policy: whose weights.
    """
    weights = np.asarray(weights, float)
    squared = float(np.sum(weights**2))
    effective = float(np.sum(weights)) ** 2 / squared if squared else 0.0
    largest, zeros = float(weights.max(initial=0.0)), float(np.mean(weights == 0)) if len(weights) else 0.0

    def paint(axes: Axes) -> None:
        axes.hist(weights, bins=np.linspace(0, max(largest, 2.0), 41).tolist(), color=CANDIDATE)
        axes.axvline(1, color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label="as logged")
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: number(round(count))))
        axes.set(xlabel="weight of a logged decision", ylabel="decisions (log scale)")
        axes.legend(loc="upper right")

    return Figure(
        title=f"Weights of {policy}",
        svg=draw(paint),
        reading=(
            f"A logged decision counts this often when {policy} is judged on it. {number(len(weights))} decisions "
            f"carry as much as {number(effective)} unweighted ones would. A long tail to the right, or a tall bar at "
            "zero, means the log says little about this policy."
        ),
        alternative=(
            f"{number(len(weights))} weights: largest {number(largest)}, {number(zeros * 100)} % zero, "
            f"effective number {number(effective)}."
        ),
    )


def _points(numbers: np.ndarray, feedback: np.ndarray, users: np.ndarray, fewest: int) -> list[Point]:
    known = ~np.isnan(feedback)
    numbers, feedback, users = numbers[known], feedback[known], users[known]
    width = max(1, math.ceil(numbers.max(initial=0) / 40))  # at most forty points
    place = (numbers - 1) // width
    groups = [place == p for p in np.unique(place)]
    kept = [group for group in groups if len(np.unique(users[group])) >= fewest]
    return [(float(numbers[group].mean()), mean_over_patients(feedback[group], users[group])) for group in kept]
