"""Does a prediction mean what it says?"""

import numpy as np
from matplotlib.axes import Axes

from posology.dossier.evidence import Estimate, Figure
from posology.dossier.figures.canvas import CANDIDATE, QUIET, draw
from posology.dossier.figures.spread import mean_over_patients, reach
from posology.dossier.numbers import number

Point = tuple[float, Estimate]  # mean prediction, mean of what came


def calibration_plot(
    predicted: np.ndarray, observed: np.ndarray, users: np.ndarray, *, quantity: str, bins: int = 10
) -> Figure:
    """Predicted against observed, by tenths of the predictions.

    Args:
        predicted: (n,) predictions for patients not learned from.
        observed: (n,) what came.
        users: (n,) whose each is; used for the intervals only.
        quantity: what is predicted, for example "feedback".
        bins: how many groups of equal size.
    """
    points = _points(np.asarray(predicted, float), np.asarray(observed, float), np.asarray(users), bins)
    told = "; ".join(f"{number(x)} predicted, {number(y.mean)} observed" for x, y in points)
    return Figure(
        title=f"Calibration of predicted {quantity}",
        svg=draw(lambda axes: _paint(axes, points, quantity)),
        reading=(
            f"Each dot is one of {len(points)} equal groups of predictions, from lowest to highest; bars are 95 % "
            "intervals over patients. Dots on the dashed line: predictions mean what they say. Above it: they promise "
            "too little; below it: too much."
        ),
        alternative=f"Mean {quantity}, predicted and observed, by group: {told}.",
    )


def _points(predicted: np.ndarray, observed: np.ndarray, users: np.ndarray, bins: int) -> list[Point]:
    order = np.argsort(predicted, kind="stable")
    groups = [group for group in np.array_split(order, bins) if len(group)]
    return [(float(predicted[g].mean()), mean_over_patients(observed[g], users[g])) for g in groups]


def _paint(axes: Axes, points: list[Point], quantity: str) -> None:
    axes.set(xlabel=f"predicted {quantity}", ylabel=f"observed {quantity}")
    axes.grid(visible=True)
    if not points:
        return
    x = np.array([point for point, _ in points])
    y = np.array([estimate.mean for _, estimate in points])
    bars = np.array([reach(estimate) for _, estimate in points]).T
    ends = np.concatenate([x, y - bars[0], y + bars[1]])
    margin = 0.05 * (np.ptp(ends) or 1.0)
    low, high = ends.min() - margin, ends.max() + margin
    axes.plot([low, high], [low, high], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(x, y, yerr=bars, fmt="o", color=CANDIDATE, markersize=5, linewidth=1.4)
    axes.set(xlim=(low, high), ylim=(low, high))
