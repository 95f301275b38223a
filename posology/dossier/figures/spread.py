"""Means with intervals that respect that a patient's sessions are alike."""

import numpy as np
from scipy.special import stdtrit

from posology.dossier.evidence import Estimate


def mean_over_patients(values: np.ndarray, users: np.ndarray) -> Estimate:
    """Mean of all values with a 95 % interval, patients being the independent units.

    The standard error is the cluster-robust one (Liang and Zeger 1986):
    sqrt(G / (G − 1) · Σ_g (Σ_{i in g} (x_i − mean))²) / n over G patients and
    n values, with the t distribution of G − 1 degrees of freedom. It is too
    narrow below some ten patients; one patient has no interval.
    """
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    _, patient = np.unique(users, return_inverse=True)
    patients = int(patient.max()) + 1
    if patients < 2:
        return Estimate(mean)
    summed = np.bincount(patient, weights=values - mean)
    error = float(np.sqrt(patients / (patients - 1) * np.sum(summed**2)) / len(values))
    reach = float(stdtrit(patients - 1, 0.975)) * error
    return Estimate(mean, mean - reach, mean + reach)


def reach(estimate: Estimate) -> tuple[float, float]:
    """How far the interval goes below and above the mean; zero where there is none."""
    if estimate.low is None or estimate.high is None:
        return 0.0, 0.0
    return max(0.0, estimate.mean - estimate.low), max(0.0, estimate.high - estimate.mean)
