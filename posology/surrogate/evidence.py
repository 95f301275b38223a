"""What the test of F as a stand-in for Mf looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from posology.errors import TooSmall


@dataclass(frozen=True)
class ArmScores:
    """Doubly robust scores of k arms against one reference, in n decisions.

    Attributes:
        names: (k,) of the arms.
        feedback: (n, k) scores of the effect on F.
        status: (n, k) scores of the effect on the gain of Mf.
        could: (n, k) whether the arm could be given.
    """

    names: tuple[str, ...]
    feedback: np.ndarray
    status: np.ndarray
    could: np.ndarray


@dataclass(frozen=True)
class CourseOutcomes:
    """One row a patient with a finished course.

    Attributes:
        feedback: (p,) the patient's mean F.
        gain: (p,) Mf minus the first reading, turned so that more is better.
        groups: column → (p,) the group of each, such as a protected one.
        feedback_in: arm → (p,) the patient's mean F in the arm; nan where it was never given.
    """

    feedback: np.ndarray
    gain: np.ndarray
    groups: Mapping[str, np.ndarray]
    feedback_in: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class SurrogateEvidence:
    """n decisions of finished courses.

    Attributes:
        patient: (n,) codes.
        weight: (n,) 1 / (m p): makes the log one in which each of the m eligible contents was given alike.
        feedback: (n,) predicted F of the content given minus the mean prediction of all eligible.
        status: (n,) gain of Mf minus its prediction from the course alone.
        by_feedback: (n,) doubly robust score of what giving one of the quarter of eligible contents with the
            largest predicted F, all alike, does to the gain of Mf, against giving any eligible content alike.
        lost: (n,) doubly robust score of what giving the best content by predicted Mf does to it, against giving
            the best by predicted F.
        arms: the contents.
        courses: the patients.
        smallest_important_change: points of the instrument.
    """

    patient: np.ndarray
    weight: np.ndarray
    feedback: np.ndarray
    status: np.ndarray
    by_feedback: np.ndarray
    lost: np.ndarray
    arms: ArmScores
    courses: CourseOutcomes
    smallest_important_change: float

    def __post_init__(self) -> None:
        if not len(self.patient):
            raise TooSmall("no decision of a finished course: nothing tells whether F stands in for Mf")
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray) and (values.shape != self.patient.shape or not np.isfinite(values).all()):
                raise ValueError(f"{field.name}: expected {self.patient.shape[0]} finite numbers")

    @property
    def patients(self) -> int:
        """How many patients the decisions are of."""
        return len(np.unique(self.patient))

    @property
    def decisions_per_course(self) -> float:
        """How often content was chosen in a course, on average."""
        return len(self.patient) / self.patients
