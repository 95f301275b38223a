"""Simulated patients to measure on, made once a run."""

from functools import cache

from posology.simulators import Cohort, simulate
from posology.tables import Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

PATIENTS = 5_360  # with some 37 sessions each: 200,000
SEED = 7


@cache
def mci() -> Therapy:
    """The therapy that is measured."""
    return load_therapy("mci")


@cache
def cohort(patients: int = PATIENTS) -> Cohort:
    """Patients of the mci simulator, with their truth."""
    return simulate(mci(), patients=patients, seed=SEED)


def tables(patients: int = PATIENTS) -> Tables:
    """The four tables of a cohort."""
    return cohort(patients).tables
