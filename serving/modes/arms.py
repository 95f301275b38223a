"""Which arm a patient is in: always the same one, drawn by a hash of the user_id."""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

from models.policies.fixed_schedule import FixedSchedule
from models.release import Release
from posology.digests import canonical_json
from posology.tables import ON_SCHEDULE
from serving.modes.standing import Standing

ArmName = Literal["policy", "comparison", "canary", "apprentice"]


@dataclass(frozen=True)
class Arm:
    """How one patient's decisions are made.

    Attributes:
        probability: with which a patient is in this arm, when the decision is made.
        decider: the release that decides; on the standard schedule with that as its policy.
    """

    name: ArmName
    probability: float
    decider: Release

    @property
    def logged_as(self) -> str:
        """The decision's ``release``: ``mci-3fa4c1d2e5b6``, or ``mci-3fa4c1d2e5b6/schedule``."""
        return self.decider.name + ON_SCHEDULE * (self.name in {"comparison", "apprentice"})


@dataclass(frozen=True)
class Deciders:
    """The releases that may decide.

    Attributes:
        champion: by its policy.
        schedule: the champion with the standard schedule as its policy.
        beside: the other release, if one runs beside.
    """

    champion: Release
    schedule: Release
    beside: Release | None

    def named(self, name: str) -> Release | None:
        """The release of a name, if it is one of these."""
        return next((each for each in (self.champion, self.beside) if each and each.name == name), None)

    def arm(self, user_id: str, standing: Standing) -> Arm:
        """The arm of a patient. Shares that widen leave everybody in who was in."""
        plan = standing.plan
        if plan.mode == "apprentice":
            return Arm("apprentice", 1.0, self.schedule)
        compared = plan.comparison_share
        if compared and drawn("comparison", self.champion.therapy.name, plan.salt, user_id) < compared:
            return Arm("comparison", compared, self.schedule)
        others, share = 1 - compared, self._canary_share(standing)
        if self.beside and drawn("canary", self.beside.name, user_id) < share:
            return Arm("canary", others * share, self.beside)
        return Arm("policy", others * (1 - share), self.champion)

    def _canary_share(self, standing: Standing) -> float:
        """Nobody's, once the standing no longer holds the release that was loaded."""
        beside = standing.beside
        return beside.share if beside and self.beside and beside.digest == self.beside.digest else 0.0


def on_schedule(release: Release) -> Release:
    """The release with the standard schedule as its policy: the contents in the order of their ids, shield and all."""
    return replace(release, policy=FixedSchedule())


def drawn(*of: str) -> float:
    """A number in [0, 1) that looks drawn at random and is always the same for the same texts."""
    digest = hashlib.sha256(canonical_json(of).encode()).digest()
    return (int.from_bytes(digest[:8]) >> 11) / 2**53
