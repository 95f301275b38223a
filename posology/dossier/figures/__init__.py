"""Plots for the dossier: arrays in, a ``Figure`` with caption and alternative text out, the same bytes every time."""

from posology.dossier.figures.bars import content_mix_plot, importance_plot
from posology.dossier.figures.calibration import calibration_plot
from posology.dossier.figures.curves import learning_curve_plot, weight_plot
from posology.dossier.figures.forest import coverage_plot, effect_plot, skill_plot, value_plot
from posology.dossier.figures.trials import TrialPoint, tuning_plot

__all__ = [
    "TrialPoint",
    "calibration_plot",
    "content_mix_plot",
    "coverage_plot",
    "effect_plot",
    "importance_plot",
    "learning_curve_plot",
    "skill_plot",
    "tuning_plot",
    "value_plot",
    "weight_plot",
]
