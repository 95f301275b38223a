"""Who of the simulated patients opens the app, and who has left."""

import numpy as np

from models.simulators.patients import DrawnPatients
from models.simulators.presence import Presence, leaving_columns, opening_columns


class Attendance:
    """Whether n patients are there.

    Attributes:
        has_left: (n,)
    """

    def __init__(self, rng: np.random.Generator, presence: Presence, traits: DrawnPatients) -> None:
        self._rng, self._presence, self._traits = rng, presence, traits
        self._share = presence.share[traits.donor]
        self._consented = traits.users["consent"].fill_null(value=False).to_numpy()
        self._opened_on = np.full(traits.donor.size, -1)  # day since 1970
        self._goes_on = np.zeros(traits.donor.size, dtype=bool)  # opens the app again today
        self.has_left = np.zeros(traits.donor.size, dtype=bool)

    def consented(self, patients: np.ndarray) -> np.ndarray:
        """Of these patients those of whom something may be recorded."""
        return patients[self._consented[patients]]

    def first_of(self, date: int) -> np.ndarray:
        """Who opens the app that day; to the first session of all every patient comes."""
        first, last = self._traits.first_day, self._traits.last_day
        columns = opening_columns(
            self._share, self._opened_on == date - 1, np.full(first.size, date), np.maximum(date - first, 0)
        )
        opens = self._rng.random(first.size) < self._presence.opening.chance(columns)
        comes = (date == first) | ((date > first) & (date <= last) & opens)
        return np.flatnonzero(self._consented & ~self.has_left & (first >= 0) & comes)

    def again_on(self, date: int) -> np.ndarray:
        """Who opens the app once more."""
        return np.flatnonzero(self._goes_on & (self._opened_on == date))

    def opened(self, patients: np.ndarray, date: int, goes_on: np.ndarray) -> None:
        """They opened the app, and will or will not again that day."""
        self._opened_on[patients], self._goes_on[patients] = date, goes_on

    def take(self, patients: np.ndarray, names: tuple[str, ...], matrix: np.ndarray, value: np.ndarray) -> None:
        """After the last content of a day some leave, by the course so far (features) and the F that came."""
        chance = self._presence.leaving.chance(leaving_columns(names, matrix, value))
        leaves = (self._rng.random(patients.size) < chance) & ~self._goes_on[patients]
        self.has_left[patients[leaves]] = True
