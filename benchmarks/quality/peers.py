"""Peers that learn from the same log as we do, by the same features, each tuned by its own means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.environment import Server
from models.fold import CANDIDATE, COURSE, PER_NUMBER
from models.offpolicy import LoggedChoices
from models.policies import Decisions
from posology.therapy import Therapy

SERVED = ("vowpal-wabbit", "mabwiser-linucb", "d3rlpy-cql")


@dataclass(frozen=True)
class Served:
    """A peer in the peers' process, fitted to the log it was last given."""

    server: Server
    peer: str

    def probabilities(self, decisions: Decisions) -> np.ndarray:
        """(n, n_contents) 1 for what the peer thinks best."""
        shared, own = parted(decisions)
        arrays = {"shared": shared, "own": own, "eligible": decisions.eligible}
        _, left = self.server.ask("act", arrays, peer=self.peer)
        return np.asarray(np.load(left))


def tuned(server: Server, peer: str, choices: LoggedChoices) -> Mapping[str, Any]:
    """The peer's best options on a log that is not reported."""
    return dict(server.ask("tune", arrays_of(choices), peer=peer)[0])


def fitted(server: Server, peer: str, choices: LoggedChoices, options: Mapping[str, Any]) -> Served:
    """The peer, fitted to a log."""
    server.ask("fit", arrays_of(choices), peer=peer, options=dict(options))
    return Served(server, peer)


def arrays_of(choices: LoggedChoices) -> dict[str, np.ndarray]:
    """A log as the peers' process reads it."""
    shared, own = parted(choices.decisions)
    return {
        "shared": shared,
        "own": own,
        "eligible": choices.decisions.eligible,
        "given": choices.given,
        "reward": choices.reward,
        "propensity": choices.logged,
        "patient": choices.patient,
    }


def parted(decisions: Decisions) -> tuple[np.ndarray, np.ndarray]:
    """(n, n_shared) features that are the same for every content, and (n, n_contents, n_own) the others."""
    is_shared = np.isin(decisions.names, list(_shared(decisions.therapy)))
    return decisions.features[:, 0, is_shared], decisions.features[:, :, ~is_shared]


def _shared(therapy: Therapy) -> set[str]:
    known = therapy.user | therapy.context
    encoded = {f"{name}={value}" for name, column in known.items() for value in column.values or ()}
    return (set(COURSE) | encoded | set(known)) - set(CANDIDATE) - set(PER_NUMBER)
