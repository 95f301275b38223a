"""The causal excursion effect of a micro-randomised trial."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import special

from posology.bootstrap import LEVEL
from posology.errors import TooSmall


@dataclass(frozen=True)
class Excursion:
    """Estimates with standard errors clustered by patient.

    Attributes:
        value: (m,) the effect and how moderators change it.
        error: (m,) standard errors.
        low, high: (m,) 95 % interval.
        patients: how many there are.
    """

    value: np.ndarray
    error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    patients: int

    @classmethod
    def of(
        cls,
        patient: np.ndarray,
        outcome: np.ndarray,
        treated: np.ndarray,
        probability: np.ndarray,
        *,
        controls: np.ndarray,
        moderators: np.ndarray | None = None,
        available: np.ndarray | None = None,
        numerator: float = 0.5,
    ) -> Self:
        """Weighted and centred least squares: how much better it was to treat than not, everything else as it went.

        Minimises Σ I w (y − g α − (a − p̃) s β)², w = p̃ᵃ(1 − p̃)¹⁻ᵃ / (pᵃ(1 − p)¹⁻ᵃ); β is right where p is,
        whatever g. Errors: sandwich over patients, the residuals divided by 1 − leverage (Mancl & DeRouen 2001,
        Biometrics 57:126) and Student's t with patients − columns of g and s degrees of freedom.
        Reference: Boruvka, Almirall, Witkiewitz & Murphy 2018, JASA 113:1112.

        Args:
            patient: (n,) codes.
            outcome: (n,) y, soon after each decision.
            treated: (n,) a, 0 or 1.
            probability: (n,) p, with which it was treated.
            controls: (n, q) g without the constant, known before the decision.
            moderators: (n, m − 1) s without the constant.
            available: (n,) I, whether the patient could be treated; always when not given.
            numerator: p̃, the chance of treating that the effect is about.

        Raises:
            TooSmall: not more patients than coefficients.
        """
        may = np.ones(len(outcome), dtype=bool) if available is None else available.astype(bool)
        patient, y, a, p = patient[may], outcome[may], treated[may].astype(float), probability[may]
        if ((p <= 0) | (p >= 1)).any():
            raise TooSmall("a decision that was certain tells nothing: expected probabilities between 0 and 1")
        one = np.ones((len(y), 1))
        g = np.column_stack([one, controls[may]])
        s = one if moderators is None else np.column_stack([one, moderators[may]])
        x = np.column_stack([g, (a - numerator)[:, None] * s])
        weight = np.where(a == 1, numerator / p, (1 - numerator) / (1 - p))
        codes = np.unique(patient, return_inverse=True)[1]
        patients, left = int(codes.max()) + 1, int(codes.max()) + 1 - g.shape[1] - s.shape[1]
        if left < 1:
            raise TooSmall(f"{patients} patients cannot tell {x.shape[1]} coefficients; expected more patients")
        bread = np.linalg.inv(x.T @ (x * weight[:, None]))
        coefficient = bread @ (x.T @ (weight * y))
        error = np.sqrt(np.diag(bread @ _meat(x, weight, y - x @ coefficient, codes, bread) @ bread))
        t = special.stdtrit(left, (1 + LEVEL) / 2)
        value, error = coefficient[g.shape[1] :], error[g.shape[1] :]
        return cls(value, error, value - t * error, value + t * error, patients)


def _meat(x: np.ndarray, weight: np.ndarray, residual: np.ndarray, codes: np.ndarray, bread: np.ndarray) -> np.ndarray:
    """Outer products of each patient's score, residuals corrected for the patient's own pull."""
    meat = np.zeros((x.shape[1], x.shape[1]))
    for code in range(int(codes.max()) + 1):
        mine = codes == code
        own, weighted = x[mine], x[mine] * weight[mine, None]
        leverage = own @ bread @ weighted.T
        corrected = np.linalg.solve(np.eye(len(own)) - leverage, residual[mine])
        score = weighted.T @ corrected
        meat += np.outer(score, score)
    return meat
