"""From a signed candidate to the champion that is served, and back.

The registry is touched in one step, at the end: whoever is stopped before
leaves the old champion live. The audit log says what was about to happen
before it happens, so that a stop in between is seen and settled.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.evidence_files import check_evidence
from flows.history import MOVED, MOVING, STAYED, How, Reign, champions_before, reigns, unfinished
from flows.home import Home
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.review import Review
from flows.settings import Settings
from flows.signatures import Signature
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound, Refused, first_few
from posology.files import write_whole
from posology.guardrails.finding import Verdict

NO_HURRY = {"POSOLOGY_DEADLINE_SECONDS": "30"}  # a probe on a busy machine asks what is answered, not how fast


@dataclass(frozen=True)
class Promotion:
    """Promotions and rollbacks of one home; each step can be called by itself."""

    home: Home
    settings: Settings
    registry: Registry

    def promote(self, therapy: str, *, by: str, now: datetime) -> ReleaseVersion:
        """Make the candidate the champion: approval, bundle, probe, and only then the switch."""
        version = self.check_approval(therapy)
        bundle = self.build(version)
        self.probe(version, bundle)
        return self.switch(version, bundle, by=by, now=now)

    def check_approval(self, therapy: str) -> ReleaseVersion:
        """The candidate, when its guardrails passed and enough people signed for it as it is now."""
        version = self.registry.candidate(therapy)
        if version is None:
            raise NotFound(f"{therapy} has no candidate; `posology retrain {therapy}` makes one.")
        if version.tags["verdict"] != Verdict.PASS:
            raise Refused(f"{version.release}: the guardrails say {version.tags['verdict']}; it cannot be promoted.")
        check_evidence(version, self.registry.download(version))
        self._review.required(version)
        return version

    def build(self, version: ReleaseVersion) -> str:
        """The tag of the release's bundle."""
        from serving.bundle import build_bundle

        return build_bundle(self.registry.download(version), bento_home=self.home.bento)

    def probe(self, version: ReleaseVersion, bundle: str) -> None:
        """Start the bundle beside a store of its own and ask what the release answered when it was judged."""
        from serving.probe import probe
        from serving.running import serve_bundle

        golden = json.loads((self.registry.download(version) / "golden.json").read_text(encoding="utf-8"))
        token = secrets.token_urlsafe(32)
        with self.home.work_folder() as folder:
            env = {"POSOLOGY_STORE_URL": f"sqlite:///{folder / 'store.db'}", "POSOLOGY_TOKEN": token, **NO_HURRY}
            with serve_bundle(bundle, bento_home=self.home.bento, env=env) as served:
                result = probe(served.url, token, golden)
        if not result.passed:
            where = first_few(result.differences) or "it has no golden requests"
            raise Refused(f"{version.release}: the bundle {bundle} does not answer as the release did: {where}.")

    def switch(self, version: ReleaseVersion, bundle: str, *, by: str, now: datetime) -> ReleaseVersion:
        """Make a probed release the champion; asks for the signatures once more."""
        with self.home.lock(f"champion-{version.therapy}"):
            self._settle(version.therapy, now)
            signatures = self._review.required(self.registry.version(version.therapy, version.version))
            self.registry.tag(version, "bundle", bundle)
            champion, past = self.registry.champion(version.therapy), self.history(version.therapy)
            if not (champion and past and champion.version == past[-1].version == version.version):
                facts = self._begin(version, signatures, how="promote", by=by, reason="signed", now=now)
                self.registry.make_champion(version)
                self._log.append(MOVED, facts, now)
        return self.registry.version(version.therapy, version.version)

    def rollback(self, therapy: str, *, reason: str, by: str, now: datetime) -> ReleaseVersion:
        """Make the champion before this one live again, if what was signed then still stands."""
        if not reason.strip():
            raise CannotDo("A rollback needs a reason.")
        with self.home.lock(f"champion-{therapy}"):
            self._settle(therapy, now)
            before = [self.registry.version(therapy, one) for one in champions_before(self.history(therapy))]
            if not before:
                raise NotFound(f"{therapy} has no previous champion to go back to.")
            *further, target = before
            check_evidence(target, self.registry.download(target))
            signatures = self._review.required(target)
            facts = self._begin(target, signatures, how="rollback", by=by, reason=reason, now=now)
            self.registry.roll_back(target, then_previous=further[-1] if further else None)
            self._log.append(MOVED, facts, now)
        return self.registry.version(therapy, target.version)

    def history(self, therapy: str, at: datetime | None = None) -> list[Reign]:
        """Every champion, oldest first; with a moment, the one that was live then."""
        past = reigns(self._log.records(), therapy)
        return past if at is None else [reign for reign in past if reign.covers(at)]

    def live(self, therapy: str) -> ReleaseVersion:
        """The champion, checked: put there by a promotion or rollback, and signed for as it is now."""
        champion = self.registry.champion(therapy)
        if champion is None:
            raise NotFound(f"{therapy} has no champion; promote a signed candidate: `posology promote {therapy}`.")
        past = self.history(therapy)
        begun = unfinished(self._log.records(), therapy)
        if champion.version not in [
            *(reign.version for reign in past[-1:]),
            *([begun.facts["version"]] if begun else []),
        ]:
            raise Refused(f"{champion.release} became champion of {therapy} outside posology; promote or roll back.")
        self._review.required(champion)
        return champion

    def approval_file(self, version: ReleaseVersion) -> Path:
        """Who signed for a release and since when it is live, as the service shows it."""
        return self.home.root / "approvals" / f"{version.release}.json"

    @property
    def _log(self) -> AuditLog:
        return AuditLog(self.home.audit_log)

    @property
    def _review(self) -> Review:
        return Review(self.home, self.settings, self.registry)

    def _begin(
        self,
        version: ReleaseVersion,
        signatures: Sequence[Signature],
        *,
        how: How,
        by: str,
        reason: str,
        now: datetime,
    ) -> dict[str, object]:
        """Write down what is about to happen; gives the facts to write again once it has."""
        facts: dict[str, object] = {
            "therapy": version.therapy,
            "release": version.release,
            "version": version.version,
            "how": how,
            "by": by,
            "reason": reason,
            "approved_by": [signature.name for signature in signatures],
        }
        shown = {"since": now.isoformat(), "signatures": [signature.model_dump() for signature in signatures]}
        write_whole(self.approval_file(version), json.dumps(shown))
        self._log.append(MOVING, facts, now)
        return facts

    def _settle(self, therapy: str, now: datetime) -> None:
        """Write how a move ended whose process was stopped."""
        if begun := unfinished(self._log.records(), therapy):
            champion = self.registry.champion(therapy)
            happened = champion is not None and champion.version == begun.facts["version"]
            self._log.append(MOVED if happened else STAYED, begun.facts, now)
