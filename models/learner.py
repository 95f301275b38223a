"""How one kind of predictor is best fitted to these patients: with which options, and from where it begins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.predictors.predictor import Fitter
from models.predictors.rows import Rows
from models.targets import Target
from models.transfer.negative import TransferVerdict, negative_transfer_test
from models.transfer.source import Source
from models.transfer.warm import WarmStart
from models.tuning.budget import Budget
from models.tuning.held_out import Question, at_most
from models.tuning.tune import Tuned, can_tune, tune

FOLDS = 5  # of the negative-transfer test


@dataclass(frozen=True)
class Way:
    """The way to fit, and what it was decided by.

    Attributes:
        tuned: None where nothing was searched.
        tested: None where there is no source.
    """

    fitter: Fitter
    options: Mapping[str, Any]
    tuned: Tuned | None
    tested: TransferVerdict | None


@dataclass(frozen=True)
class Learner:
    """Decides the way for one target, on the fitting patients alone.

    Attributes:
        options: the defaults.
        bounds: the range of the target.
        source: what a warm start would begin with.
        told: hears the kind and the number of each trial as it begins.
    """

    target: Target
    options: Mapping[str, Any]
    bounds: tuple[float, float]
    budget: Budget
    source: Source | None = None
    told: Callable[[str, int], None] = lambda _kind, _number: None

    def way(self, name: str, kind: Fitter, fit: Rows) -> Way:
        """Tune from scratch first, then see whether the source helps what was tuned."""
        tuned = self._tuned(name, kind, fit)
        options = {**self.options, **(tuned.options if tuned else {})}
        if self.source is None:
            return Way(kind, options, tuned, None)
        seed = int(options["seed"])
        asked = at_most(fit, self.budget.patients, seed)
        question = Question.of(self.target, asked, bounds=self.bounds, folds=FOLDS, seed=seed)
        tested = negative_transfer_test(kind, self.source, question, options)
        return Way(WarmStart(kind, self.source) if tested.passed else kind, options, tuned, tested)

    def _tuned(self, name: str, kind: Fitter, fit: Rows) -> Tuned | None:
        space = self.budget.search.get(name, {})
        if not self.budget.trials or not space or not can_tune(fit, self.budget.folds):
            return None
        return tune(
            kind,
            self.target,
            fit,
            options=self.options,
            bounds=self.bounds,
            budget=self.budget,
            space=space,
            told=lambda number: self.told(name, number),
        )
