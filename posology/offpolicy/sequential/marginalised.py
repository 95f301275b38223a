"""Importance weights of states instead of whole histories."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.offpolicy.sequential.trajectories import Trajectories


@dataclass(frozen=True)
class Marginalised:
    """How often the target policy comes by each state, and what it gets there: V = Σ_t s_t Σ_x d_t(x) r̂_t(x).

    d_0(x) = n_0(x) / n, d_t+1(x') = Σ_x d_t(x) (1/n_t(x)) Σ_i w_t 1(x_t = x, x_t+1 = x'),
    r̂_t(x) = (1/n_t(x)) Σ_i w_t r_t 1(x_t = x).

    Symbols: r_t the reward F of decision t, w_t = π(a_t|x_t) / p(a_t|x_t) of that
    decision alone, x one of few states, n_t(x) runs in it at decision t, p the
    logging and π the target policy, s_t = γ^t / Σ γ^t, i the n runs. No product
    over decisions: the variance grows with the horizon, not exponentially.
    Assumption: what comes next and what it brings depend on the state and the
    content alone; states are coarse, so this is an approximation.
    Breaks when: the states hide what matters (bias that no interval shows);
    there are so many that hardly a run is in each.
    Reference: Xie, Ma & Wang 2019, NeurIPS 32.

    Attributes:
        states: how many there are.
    """

    name: ClassVar[str] = "marginalised"
    is_diagnostic: ClassVar[bool] = False
    by_whole_run: ClassVar[bool] = False
    states: int = 5

    def terms(self, log: Trajectories) -> np.ndarray:
        """(n, n_terms) runs and weighted rewards by decision and state, then weighted transitions.

        Raises:
            ValueError: a state is beyond ``states``.
        """
        if log.state.max() >= self.states:
            raise ValueError(f"trajectories: expected states below {self.states}, got {log.state.max()}")
        is_in = np.eye(self.states)[log.state]  # (n, horizon, states)
        rewards = is_in * (log.weights * log.rewards * log.shares)[:, :, None]
        moves = is_in[:, :-1, :, None] * is_in[:, 1:, None, :] * log.weights[:, :-1, None, None]
        return np.concatenate([part.reshape(len(log), -1) for part in (is_in, rewards, moves)], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        """The recursion over decisions."""
        counts, rewards, moves = self._by_state(sums)
        reached = counts[..., 0, :] / counts[..., 0, :].sum(axis=-1, keepdims=True)  # d_t
        value = np.zeros(sums.shape[:-1])
        for t in range(counts.shape[-2]):
            per_run = np.divide(
                reached, counts[..., t, :], out=np.zeros_like(reached), where=counts[..., t, :] > 0
            )  # nobody is where nobody was
            value = value + (per_run * rewards[..., t, :]).sum(axis=-1)
            if t < moves.shape[-3]:
                reached = (per_run[..., None] * moves[..., t, :, :]).sum(axis=-2)
        return value

    def span(self, log: Trajectories) -> None:
        """None: not a mean of terms."""

    def _by_state(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(..., horizon, states) counts and rewards, (..., horizon - 1, states, states) transitions."""
        n, lead = self.states, sums.shape[:-1]
        horizon = (sums.shape[-1] + n * n) // (2 * n + n * n)
        counts, rewards, moves = np.split(sums, [horizon * n, 2 * horizon * n], axis=-1)
        shape = (*lead, horizon, n)
        return counts.reshape(shape), rewards.reshape(shape), moves.reshape((*lead, horizon - 1, n, n))
