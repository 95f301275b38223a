"""One cohort whose truth is known, and a simulator fitted to it."""

import pytest

from models.simulators import Fitted, FittedWorld
from posology.simulators import Clinician, Cohort, simulate, treat
from posology.therapy import Therapy

PATIENTS = 240


@pytest.fixture(scope="session")
def known(mci: Therapy) -> Cohort:
    """Patients of the mechanistic simulator."""
    return simulate(mci, patients=PATIENTS, seed=5, weeks=4)


@pytest.fixture(scope="session")
def fitted(mci: Therapy, known: Cohort) -> Fitted:
    return Fitted.fit(mci, known.tables)


@pytest.fixture(scope="session")
def lived(fitted: Fitted) -> Cohort:
    """Patients of the fitted simulator, treated as those of the log."""
    return treat(FittedWorld(fitted, patients=PATIENTS, seed=2), Clinician(trying=0.0), seed=2)
