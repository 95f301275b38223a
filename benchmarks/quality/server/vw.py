"""Vowpal Wabbit's contextual bandit with action-dependent features."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import isnan
from typing import Any

import numpy as np
from log import Log
from vowpalwabbit import Workspace

TUNED_ON, PASSES = 6000, 2


@dataclass(frozen=True)
class VowpalWabbit:
    """Contents by expected cost, the negative of F."""

    centre: tuple[np.ndarray, np.ndarray]
    scale: tuple[np.ndarray, np.ndarray]
    workspace: Any

    @classmethod
    def tune(cls, log: Log) -> dict:
        """The options with the least progressive validation loss, its own estimate of what it costs."""
        order = np.sort(np.random.default_rng(0).permutation(len(log.given))[:TUNED_ON])
        some = log.where(order)
        grid = [
            {"kind": kind, "rate": rate, "crossed": crossed}
            for kind, rate, crossed in product(("mtr", "dr"), (0.1, 0.5), ("", "-q sa"))
        ]
        return min(grid, key=lambda options: cls._learnt(some, options, passes=1)[1])

    @classmethod
    def fit(cls, log: Log, options: dict) -> "VowpalWabbit":
        """In an order drawn, twice over."""
        return cls._learnt(log, options, passes=PASSES)[0]

    @classmethod
    def _learnt(cls, log: Log, options: dict, passes: int) -> tuple["VowpalWabbit", float]:
        workspace = Workspace(
            f"--cb_explore_adf --epsilon 0 --cb_type {options['kind']} -l {options['rate']} "
            f"{options['crossed']} -b 20 --quiet --random_seed 7"
        )
        own = log.own.reshape(-1, log.own.shape[2])
        centre = np.nanmean(log.shared, axis=0), np.nanmean(own, axis=0)
        scale = tuple(
            np.where(found > 1e-6, found, 1) for found in (np.nanstd(log.shared, axis=0), np.nanstd(own, axis=0))
        )
        made = cls(centre, scale, workspace)
        order = np.random.default_rng(1).permutation(len(log.given))
        for _ in range(passes):
            for example in made._examples(log.shared[order], log.own[order], log.eligible[order], log, order):
                workspace.learn(example)
        loss = workspace.get_sum_loss() / max(workspace.get_weighted_examples(), 1)
        sys.stderr.write(f"VowpalWabbit {options}: {loss:.4f}\n")
        return made, loss

    def scores(self, shared: np.ndarray, own: np.ndarray, eligible: np.ndarray) -> np.ndarray:
        """(n, n_contents) probabilities of its greedy policy."""
        found = np.full(eligible.shape, -1.0)
        for row, example in enumerate(self._examples(shared, own, eligible)):
            found[row, eligible[row]] = self.workspace.predict(example)
        return found

    def _examples(
        self, shared: np.ndarray, own: np.ndarray, eligible: np.ndarray, log: Log | None = None, order: Any = None
    ) -> Iterator[list[str]]:
        """Lines of one decision: what is shared, then each eligible content; the one given with cost and propensity."""
        shared = (shared - self.centre[0]) / self.scale[0]
        own = (own - self.centre[1]) / self.scale[1]
        for row in range(len(shared)):
            lines = [f"shared |s {_numbers(shared[row])}"]
            for content in np.flatnonzero(eligible[row]):
                label = ""
                if log is not None and log.given[order[row]] == content:
                    label = f"0:{-log.reward[order[row]]:.4f}:{log.propensity[order[row]]:.5f} "
                lines.append(f"{label}|a c{content} {_numbers(own[row, content])}")
            yield lines


def _numbers(row: np.ndarray) -> str:
    return " ".join([f"{place}:{value:.3f}" for place, value in enumerate(row.tolist()) if not isnan(value)])
