"""Tuning one kind of predictor, nested inside the fitting patients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.predictors.predictor import Fitter
from models.predictors.rows import Rows
from models.targets import Target
from models.tuning.budget import Budget, Range
from models.tuning.gain import Gain
from models.tuning.held_out import Question, at_most, dealt, losses_on, subset
from models.tuning.search import Found, search
from posology.bootstrap import MINIMUM_PATIENTS

CONFIRMING = 3  # every third fitting patient takes no part in the search and says what it was worth


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    Attributes:
        options: the search's best where it earned its keep, else none: the defaults stay.
        found: every trial.
        defaults_loss: of the defaults, in the search's own folds.
        gain: of the best over the defaults, on the confirming patients; None where there is no best.
    """

    options: Mapping[str, Any]
    found: Found
    defaults_loss: float
    gain: Gain | None

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial with its duration."""
        return [trial.as_json() for trial in self.found.trials]

    def as_json(self) -> dict[str, Any]:
        """What does not depend on the clock; the trials are told apart."""
        states = [trial.state for trial in self.found.trials]
        best = self.found.best
        return {
            "trials": len(states),
            **{state: states.count(state) for state in ("complete", "pruned", "failed")},
            "was_cut": self.found.was_cut,
            "defaults_loss": self.defaults_loss,
            "best": dict(best.options) if best else None,
            "best_loss": best.loss if best else None,
            "gain": self.gain.as_json() if self.gain else None,
            "taken": dict(self.options),
        }


def can_tune(fit: Rows, folds: int) -> bool:
    """Whether there are patients enough to search and to confirm."""
    confirming = fit.patients // CONFIRMING
    return confirming >= MINIMUM_PATIENTS and fit.patients - confirming >= folds


def tune(
    kind: Fitter,
    target: Target,
    fit: Rows,
    *,
    options: Mapping[str, Any],
    bounds: tuple[float, float],
    budget: Budget,
    space: Mapping[str, Range],
    told: Callable[[int], None] = lambda _number: None,
) -> Tuned:
    """Options for one kind, better than the defaults on fitting patients that the search did not see.

    Two thirds of the fitting patients are searched on by cross-validation. On
    the other third the best option set and the defaults, both fitted on the
    two thirds, are compared: the smallest of many losses is too good to be
    true (Cawley & Talbot 2010), its gain on new patients is not. It is taken
    when that gain is above one standard error, the rule by which kinds are
    chosen too.

    Args:
        kind: what is fitted.
        target: what it predicts.
        fit: rows of the fitting patients; of nobody else.
        options: the defaults, with ``seed``.
        bounds: the range of the target.
        budget: trials, seconds, patients and folds.
        space: option → range.
        told: hears the number of each trial as it begins.
    """
    seed = int(options["seed"])
    hand = dealt(fit, CONFIRMING, np.random.default_rng(seed))
    searched, confirming = at_most(subset(fit, hand > 0), budget.patients, seed), subset(fit, hand == 0)
    question = Question.of(target, searched, bounds=bounds, folds=budget.folds, seed=seed)
    found = search(
        lambda tried: question.fold_losses(kind, {**options, **tried}),
        space,
        trials=budget.trials,
        seconds=budget.seconds,
        begin_with=options,
        seed=seed,
        told=told,
    )
    defaults_loss = float(question.losses(kind, options).mean())
    if found.best is None:
        return Tuned({}, found, defaults_loss, None)
    by_defaults, by_best = (
        losses_on(confirming, kind, target, searched, options={**options, **tried}, bounds=bounds)
        for tried in ({}, found.best.options)
    )
    gain = Gain.of(by_defaults - by_best, seed)
    return Tuned(found.best.options if gain.is_beyond_chance else {}, found, defaults_loss, gain)
