"""The modes of a service: who decides for which patient, and who only watches."""

from dataclasses import dataclass
from pathlib import Path

from models.release import Release
from posology.errors import CannotDo, PosologyError, Refused
from serving.alarms import ALARMS, Alarm
from serving.courses import Known
from serving.damaged import Nobody
from serving.modes.arms import Arm, Deciders, on_schedule
from serving.modes.shadow import Shadow
from serving.modes.standing import Beside, Standing, StandingFile
from serving.ranking import where
from serving.records import Decision
from serving.store import Store


@dataclass(frozen=True)
class Modes:
    """What a service knows of modes; ``Modes.open`` makes it when the service starts."""

    deciders: Deciders
    shadow: Shadow | None
    file: StandingFile

    @classmethod
    def open(cls, release: Release, store: Store, approval: Path | None) -> "Modes":
        """The modes of a release by what was signed for it.

        Args:
            approval: the standing's file; without one the release decides for everybody.

        Raises:
            Refused: the file is about another release.
        """
        file = StandingFile(approval)
        standing = file.read()
        if standing.digest not in {None, release.digest}:
            raise Refused(f"{approval}: expected who signed for {release.name}, got another release's; promote again")
        beside = _loaded(standing.beside, release) if standing.beside else None
        is_damaged = isinstance(release.policy, Nobody)  # then every answer is the safe default
        schedule = release if is_damaged else on_schedule(release)
        deciders = Deciders(release, schedule, beside)
        watching = _watching(deciders, standing)
        return cls(deciders, Shadow(watching, store.engine) if watching else None, file)

    @property
    def standing(self) -> Standing:
        """As it is now."""
        return self.file.read()

    @property
    def of_strangers(self) -> Release:
        """What answers for a user who is not stored: no arm can be drawn, and an apprentice answers nobody."""
        return self.deciders.schedule if self.standing.plan.mode == "apprentice" else self.deciders.champion

    def arm(self, user_id: str) -> Arm:
        """The arm of a patient now."""
        return self.deciders.arm(user_id, self.standing)

    def consider(self, decision: Decision, known: Known) -> None:
        """Let the release that only watches consider a decision that was kept; returns at once."""
        if self.shadow and _watching(self.deciders, self.standing):
            self.shadow.consider(decision, known)

    def close(self) -> None:
        """Finish what is being considered."""
        if self.shadow:
            self.shadow.close()


def _loaded(beside: Beside, champion: Release) -> Release | None:
    """What runs beside the champion; None, so that all are the champion's, when it is not what was signed."""
    try:
        return _load(beside, champion)
    except (PosologyError, OSError, ValueError, KeyError) as error:
        ALARMS.ring(Alarm.BESIDE_DAMAGED, f"{beside.release} does not run beside the champion: {where(error)}")
        return None


def _load(beside: Beside, champion: Release) -> Release:
    release = Release.load(beside.folder)
    if release.digest != beside.digest:
        raise Refused(f"{beside.folder}: expected release {beside.release} as it was signed, got {release.name}")
    refuse_other_therapy(release, champion)
    return release


def refuse_other_therapy(release: Release, champion: Release) -> None:
    """Raise ``CannotDo`` unless two releases ask the same of patients and may give them the same.

    Then a request that one understands the other does too, and arms differ in nothing but the policy.
    """
    differ = [part for part in ("therapy", "contents") if release.digests[part] != champion.digests[part]]
    if differ:
        raise CannotDo(
            f"{release.name} has another {' and '.join(differ)} than the champion {champion.name}, so it cannot run "
            "beside it; sign it for mode full or apprentice"
        )


def _watching(deciders: Deciders, standing: Standing) -> Release | None:
    """The release that decides without being heard, if there is one."""
    if standing.plan.mode == "apprentice":
        return deciders.champion
    is_shadow = standing.beside and standing.beside.mode == "shadow"
    return deciders.beside if is_shadow else None
