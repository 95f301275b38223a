"""Whether F stands in for Mf: what choosing content by F does to recovery, and how the two go together."""

from posology.surrogate.evidence import ArmScores, CourseOutcomes, SurrogateEvidence
from posology.surrogate.found import Surrogate, surrogate

__all__ = ["ArmScores", "CourseOutcomes", "Surrogate", "SurrogateEvidence", "surrogate"]
