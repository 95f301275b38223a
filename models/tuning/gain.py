"""How much smaller the loss became, patient by patient."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from posology.bootstrap import Resamples, ratio


@dataclass(frozen=True)
class Gain:
    """A mean difference of losses with its 95 % interval over patients; above zero is better.

    Attributes:
        standard_error: of the mean, over patients.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    patients: int

    @classmethod
    def of(cls, differences: np.ndarray, seed: int) -> "Gain":
        """From each patient's difference.

        Args:
            differences: (n_patients,) loss before minus loss after.
            seed: of the resampling.

        Raises:
            TooSmall: too few patients to resample.
        """
        terms = np.stack([differences, np.ones(differences.size)], axis=1)
        resamples = Resamples.of(np.arange(differences.size), terms, np.random.default_rng(seed))
        found = resamples.interval(ratio)
        error = float(differences.std(ddof=1) / np.sqrt(differences.size))
        return cls(found.value, found.low, found.high, error, differences.size)

    @property
    def is_beyond_chance(self) -> bool:
        """Above one standard error (Breiman, Friedman, Olshen & Stone 1984, 3.4.3)."""
        return self.mean > self.standard_error

    @property
    def is_sure(self) -> bool:
        """The whole interval is above zero."""
        return self.low > 0

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)
