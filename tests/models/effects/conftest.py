"""One small cohort, and the scores of its log."""

from collections.abc import Mapping

import numpy as np
import pytest

from models.effects import Scores, logs_of
from models.offpolicy import LoggedChoices
from models.targets import Target
from posology.simulators import Cohort, simulate
from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@pytest.fixture(scope="session")
def mci() -> Therapy:
    return load_therapy("mci")


@pytest.fixture(scope="session")
def cohort(mci: Therapy) -> Cohort:
    return simulate(mci, patients=120, seed=41)


@pytest.fixture(scope="session")
def logs(mci: Therapy, cohort: Cohort) -> Mapping[Target, LoggedChoices]:
    return logs_of(mci, cohort.tables)


@pytest.fixture(scope="session")
def scores(logs: Mapping[Target, LoggedChoices]) -> Mapping[Target, Scores]:
    return {target: Scores.of(choices, target) for target, choices in logs.items()}


def true_means(cohort: Cohort, choices: LoggedChoices, ids: tuple[str, ...]) -> np.ndarray:
    """(n, k) the simulator's mean F of these contents in the log's decisions."""
    known = cohort.truth.decisions
    place = {decision_id: row for row, decision_id in enumerate(known["decision_id"])}
    order = known["contents"][0].to_list()
    decided = choices.decisions.tables.sessions["decision_id"].gather(choices.decisions.sessions)
    expected = np.array(known["expected_feedback"].gather([place[each] for each in decided]).to_list())
    return expected[:, [order.index(content_id) for content_id in ids]]
