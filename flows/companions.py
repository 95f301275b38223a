"""Beginning, widening and ending what runs beside a champion; the audit log alone says what does."""

from dataclasses import dataclass
from datetime import datetime

from flows.beside import STARTED, STOPPED, WIDENED, Ran, ran_beside
from flows.evidence_files import check_evidence
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.review import Review
from posology.audit import AuditLog
from posology.errors import CannotDo, Refused
from serving.modes.plan import Plan
from serving.modes.standing import Beside

SIGNATURES = "signatures"  # by whose hand something ended that is no longer signed for


@dataclass(frozen=True)
class Companions:
    """Releases beside the champions of one home."""

    registry: Registry
    review: Review
    log: AuditLog

    def ran(self, therapy: str) -> list[Ran]:
        """All there were, oldest first."""
        return ran_beside(self.log.records(), therapy)

    def running(self, therapy: str) -> Ran | None:
        """The one that runs now."""
        ran = self.ran(therapy)
        return ran[-1] if ran and ran[-1].until is None else None

    def begin(self, version: ReleaseVersion, plan: Plan, champion: ReleaseVersion, *, by: str, now: datetime) -> None:
        """Run a release beside the champion; what ran there before ends.

        Raises:
            CannotDo: it is the champion, or of another therapy or other contents.
        """
        from models.release import Release
        from serving.modes.modes import refuse_other_therapy

        running = self.running(version.therapy)
        if running and (running.version, running.plan) == (version.version, plan):
            return
        if champion.version == version.version:
            raise CannotDo(f"{version.release} is the champion: it cannot run beside itself; sign it for mode full.")
        refuse_other_therapy(*(Release.load(self.registry.download(one)) for one in (version, champion)))
        facts = {
            "therapy": version.therapy,
            "release": version.release,
            "version": version.version,
            "champion": champion.version,
            "plan": plan.model_dump(mode="json"),
            "by": by,
            "approved_by": [one.name for one in self.review.required(version)],
        }
        self.log.append(STARTED, facts, now)

    def widen(self, running: Ran, now: datetime) -> None:
        """The next step of a canary."""
        self.log.append(WIDENED, {**_named(running), "step": running.step + 1}, now)

    def end(self, running: Ran, *, reason: str, by: str, now: datetime) -> None:
        """Everybody back to the champion."""
        self.log.append(STOPPED, {**_named(running), "reason": reason, "by": by}, now)

    def standing(self, therapy: str, now: datetime) -> Beside | None:
        """What runs now, as the service is told; ended when it is not signed for as it is any more."""
        running = self.running(therapy)
        if running is None:
            return None
        version = self.registry.version(therapy, running.version)
        folder = self.registry.download(version)
        try:
            self.review.required(version)
            check_evidence(version, folder)
        except Refused as error:
            self.end(running, reason=str(error), by=SIGNATURES, now=now)
            return None
        return Beside(
            release=version.release,
            digest=version.tags["release_digest"],
            folder=folder,
            mode="canary" if running.plan.mode == "canary" else "shadow",
            share=running.share,
        )


def _named(running: Ran) -> dict[str, object]:
    return {"therapy": running.therapy, "release": running.release, "version": running.version}
