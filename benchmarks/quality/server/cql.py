"""d3rlpy's discrete conservative Q-learning."""

from dataclasses import dataclass
from typing import Any, ClassVar

import d3rlpy
import numpy as np
from log import Flat, Log

STEPS, BATCH = 3000, 256


@dataclass(frozen=True)
class DiscreteCql:
    """Contents by their conservative value of the rest of the course."""

    GRID: ClassVar = [
        {"gamma": gamma, "alpha": alpha, "learning_rate": rate}
        for gamma, alpha, rate in ((0.0, 0.1, 1e-3), (0.0, 1.0, 1e-3), (0.5, 0.3, 1e-3), (0.9, 0.3, 3e-4))
    ]
    flat: Flat
    learner: Any

    @classmethod
    def fit(cls, log: Log, options: dict) -> "DiscreteCql":
        """A course is an episode."""
        d3rlpy.seed(7)
        flat = Flat.of(log)
        ends = np.append(np.diff(log.patient) != 0, True)
        courses = d3rlpy.dataset.MDPDataset(
            flat.rows(log.shared, log.own),
            log.given[:, None].astype(np.int64),
            log.reward[:, None].astype(np.float32),
            ends.astype(np.float32),
            action_space=d3rlpy.ActionSpace.DISCRETE,
            action_size=log.eligible.shape[1],
        )
        config = d3rlpy.algos.DiscreteCQLConfig(batch_size=BATCH, target_update_interval=100, **options)
        learner = config.create(device="cpu:0")
        learner.fit(
            courses,
            n_steps=STEPS,
            n_steps_per_epoch=STEPS,
            show_progress=False,
            logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
        )
        return cls(flat, learner)

    def scores(self, shared: np.ndarray, own: np.ndarray, eligible: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) values."""
        rows, contents = self.flat.rows(shared, own), own.shape[1]
        values = self.learner.predict_value(np.repeat(rows, contents, axis=0), np.tile(np.arange(contents), len(rows)))
        return values.reshape(-1, contents)
