"""The status of the simulated patients: how it moves, and who comes to have it read."""

import numpy as np

from models.simulators.log import MICROSECONDS_PER_DAY
from models.simulators.patients import DrawnPatients
from models.simulators.readings import Readings
from posology.therapy import Status


class LivedStatus:
    """What the instrument would read of n patients.

    Attributes:
        visits_on: (n, n_visits) days since 1970 of the measurements; before 1970 for none.
    """

    def __init__(
        self, rng: np.random.Generator, status: Status, readings: Readings, traits: DrawnPatients, groups: np.ndarray
    ) -> None:
        self._rng, self._status, self._readings, self._groups = rng, status, readings, groups
        self.visits_on = traits.visits // MICROSECONDS_PER_DAY
        self._now = readings.start(traits.donor)
        self._slope = readings.per_day + rng.normal(0, readings.slope_sd, traits.donor.size)
        self._readable = rng.random(traits.donor.size) < readings.attend_left  # comes even after leaving

    def pass_day(self, date: int) -> None:
        """The trend, a patient's own and chance move who was measured once."""
        walk = self._rng.normal(0, np.sqrt(self._readings.walk_variance), self._now.size)
        self._now += (self.visits_on[:, 0] < date) * (self._slope + walk)

    def take(self, patients: np.ndarray, contents: np.ndarray, value: np.ndarray) -> None:
        """Each content, and the F that came back, move a patient; NaN stands for an ordinary F."""
        readings = self._readings
        value = np.where(np.isnan(value), readings.typical_feedback, value)
        gain = readings.per_content[contents] + readings.per_feedback[self._groups[contents]] * value
        np.add.at(self._now, patients, gain)

    def to_measure(self, date: int, has_left: np.ndarray) -> np.ndarray:
        """(n,) whether each patient comes that day; to the first visit all do."""
        today = self.visits_on == date
        stays = self._rng.random(self._now.size) < self._readings.attend
        return today.any(axis=1) & (today[:, 0] | np.where(has_left, self._readable, stays))

    def true(self, patients: np.ndarray) -> np.ndarray:
        """(n,) without noise."""
        return np.clip(self._now[patients], self._status.minimum, self._status.maximum)

    def read(self, patients: np.ndarray) -> np.ndarray:
        """(n,) with the noise of the instrument, on its grid, in its range."""
        low, grid = self._status.minimum, self._readings.grid
        score = self._now[patients] + self._rng.normal(0, self._readings.noise_sd, patients.size)
        on_grid = low + np.round((score - low) / grid) * grid if grid else score
        return np.clip(on_grid, low, self._status.maximum)
