"""The search: Optuna proposes option sets, folds of patients score them, every trial is kept."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from models.tuning.budget import Range

State = Literal["complete", "pruned", "failed"]
Score = Callable[[Mapping[str, Any]], Iterator[np.ndarray]]  # options → losses of patients, fold by fold
WARM_UP_TRIALS = 5  # complete ones before any is pruned, as Optuna's MedianPruner has it


@dataclass(frozen=True)
class Trial:
    """One option set and what came of it.

    Attributes:
        loss: mean over the patients scored so far; None where the trial failed.
        folds: how many were scored.
        error: the kind of error a failed trial ended in, never its words: they may hold data.
    """

    number: int
    state: State
    options: Mapping[str, Any]
    loss: float | None
    folds: int
    seconds: float
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """All trials of a search, and whether the clock ended it."""

    trials: tuple[Trial, ...]
    was_cut: bool

    @property
    def best(self) -> Trial | None:
        """The complete trial with the smallest loss; of equals the first."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.loss is not None]
        return min(complete, key=lambda trial: trial.loss or 0.0, default=None)


def search(
    score: Score,
    space: Mapping[str, Range],
    *,
    trials: int,
    seconds: float,
    begin_with: Mapping[str, Any],
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    told: Callable[[int], None] = lambda _number: None,
) -> Found:
    """Try option sets by the tree-structured Parzen estimator (Bergstra et al. 2011), the worse half cut short.

    The same score, space and seed give the same trials unless the clock ends the search.
    A trial whose mean loss after a fold is above the median of the earlier
    ones at that fold goes no further. One that raises is kept as failed.

    Args:
        score: fits and scores one option set.
        space: option → range.
        trials: how many.
        seconds: after which no trial begins.
        begin_with: options of the first trial; what is not in the space is left out.
        seed: of the proposals.
        clock: seconds that go by.
        told: hears the number of each trial as it begins.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed), pruner=optuna.pruners.MedianPruner(WARM_UP_TRIALS)
    )
    study.enqueue_trial({name: value for name, value in begin_with.items() if name in space})
    distributions = {name: searched.distribution for name, searched in space.items()}
    begun, made = clock(), list[Trial]()
    while len(made) < trials and clock() - begun < seconds:
        told(len(made))
        made.append(_run(study, study.ask(distributions), score, clock))
    return Found(tuple(made), was_cut=len(made) < trials)


def _run(study: Any, asked: Any, score: Score, clock: Callable[[], float]) -> Trial:
    """One trial, told to the study."""
    from optuna.trial import TrialState

    begun, losses = clock(), list[np.ndarray]()
    state: State = "complete"
    error = None
    try:
        for fold, of_patients in enumerate(score(asked.params)):
            if not np.isfinite(of_patients).all():
                raise ArithmeticError
            losses.append(of_patients)
            asked.report(_mean(losses), fold)
            if asked.should_prune():
                state = "pruned"
                break
    except Exception as raised:  # whatever an option set makes a library do, the next one may do better
        state, error = "failed", type(raised).__name__
    loss = _mean(losses) if losses and state != "failed" else None
    told = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[state]
    study.tell(asked, loss if state == "complete" else None, state=told)
    return Trial(asked.number, state, dict(asked.params), loss, len(losses), clock() - begun, error)


def _mean(losses: list[np.ndarray]) -> float:
    return float(np.concatenate(losses).mean())
