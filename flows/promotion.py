"""From a signed candidate to the champion that is served, and back.

The registry is touched in one step, at the end: whoever is stopped before
leaves the old champion live. The audit log says what was about to happen
before it happens, so that a stop in between is seen and settled.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.beside import Ran
from flows.companions import Companions
from flows.evidence_files import check_evidence
from flows.history import MOVED, MOVING, STAYED, How, Reign, champions_before, reigns, unfinished
from flows.home import Home
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.review import Review
from flows.settings import Settings
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound, Refused, first_few
from posology.files import write_whole
from posology.guardrails.finding import Verdict
from serving.modes.plan import Plan
from serving.modes.standing import Standing

NO_HURRY = {"POSOLOGY_DEADLINE_SECONDS": "30"}  # a probe on a busy machine asks what is answered, not how fast


@dataclass(frozen=True)
class Promotion:
    """Promotions and rollbacks of one home; each step can be called by itself."""

    home: Home
    settings: Settings
    registry: Registry

    def promote(self, therapy: str, *, by: str, now: datetime, release: str | None = None) -> ReleaseVersion:
        """Bring about what was signed for the candidate: approval, bundle, probe, and only then the switch."""
        version = self.check_approval(therapy, release)
        bundle = self.build(version)
        self.probe(version, bundle)
        return self.switch(version, bundle, by=by, now=now)

    def check_approval(self, therapy: str, release: str | None = None) -> ReleaseVersion:
        """The candidate, or the release named, when it passed and enough people signed for it as it is now."""
        version = self.registry.find(release) if release else self.registry.candidate(therapy)
        if version is None:
            raise NotFound(f"{therapy} has no candidate; `posology retrain {therapy}` makes one.")
        if version.therapy != therapy:
            raise CannotDo(f"{version.release} is of therapy {version.therapy}, not of {therapy}.")
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
        """Use a probed release as the plan signed for it says; asks for the signatures once more."""
        with self.home.lock(f"champion-{version.therapy}"):
            self._settle(version.therapy, now)
            version = self.registry.version(version.therapy, version.version)
            plan = self._review.plan(version)
            self.registry.tag(version, "bundle", bundle)
            if plan.runs_beside:
                self._companions.begin(version, plan, self.live(version.therapy), by=by, now=now)
            elif not self._is_champion(version, plan):
                facts = self._begin(version, plan, how="promote", by=by, reason="signed", now=now)
                self.registry.make_champion(version)
                self._log.append(MOVED, facts, now)
            self._write_standing(version.therapy, now)
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
            plan = self._review.plan(target)
            if plan.runs_beside:
                raise Refused(f"{target.release} is signed for {plan} now; sign it for the mode it shall be live in.")
            facts = self._begin(target, plan, how="rollback", by=by, reason=reason, now=now)
            self.registry.roll_back(target, then_previous=further[-1] if further else None)
            self._log.append(MOVED, facts, now)
            self._write_standing(therapy, now)
        return self.registry.version(therapy, target.version)

    def history(self, therapy: str, at: datetime | None = None) -> list[Reign]:
        """Every champion, oldest first; with a moment, the one that was live then."""
        past = reigns(self._log.records(), therapy)
        return past if at is None else [reign for reign in past if reign.covers(at)]

    def live(self, therapy: str) -> ReleaseVersion:
        """The champion, checked: put there by a promotion or rollback, and signed for as it is now."""
        champion = self.registry.champion(therapy)
        if champion is None:
            raise NotFound(
                f"{therapy} has no champion. Make a candidate: `posology retrain {therapy}`; have it approved: "
                f"`posology review sign RELEASE --as NAME --meaning approve`; then `posology promote {therapy}`."
            )
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
        """Who signed for a release, since when it is live and how it is used, as the service reads it."""
        return self.home.root / "approvals" / f"{version.release}.json"

    def ran_beside(self, therapy: str) -> list[Ran]:
        """All that ran beside the champions, oldest first."""
        return self._companions.ran(therapy)

    def beside(self, therapy: str) -> Ran | None:
        """What runs beside the champion now."""
        return self._companions.running(therapy)

    def stop_beside(self, therapy: str, *, reason: str, by: str, now: datetime) -> Ran:
        """Give everybody back to the champion; what ran beside it only watched or had a share."""
        if not reason.strip():
            raise CannotDo("A stop needs a reason.")
        with self.home.lock(f"champion-{therapy}"):
            running = self.beside(therapy)
            if running is None:
                raise NotFound(f"Nothing runs beside the champion of {therapy}.")
            self._companions.end(running, reason=reason, by=by, now=now)
            self._write_without_beside(running)
        return running

    def widen(self, running: Ran, now: datetime) -> None:
        """Have a canary take its next step, unless somebody was quicker."""
        with self.home.lock(f"champion-{running.therapy}"):
            if self.beside(running.therapy) == running:
                self._companions.widen(running, now)
                self._write_standing(running.therapy, now)

    def write_standing(self, therapy: str, now: datetime) -> Standing:
        """Tell the service what stands now: a file that it reads again while it runs.

        What runs beside the champion without enough signatures any more is stopped.

        Raises:
            NotSigned: the champion lacks signatures.
        """
        with self.home.lock(f"champion-{therapy}"):
            self._settle(therapy, now)
            return self._write_standing(therapy, now)

    @property
    def _companions(self) -> Companions:
        return Companions(self.registry, self._review, self._log)

    @property
    def _log(self) -> AuditLog:
        return AuditLog(self.home.audit_log)

    @property
    def _review(self) -> Review:
        return Review(self.home, self.settings, self.registry)

    def _write_standing(self, therapy: str, now: datetime) -> Standing:
        champion, reign = self.live(therapy), self.history(therapy)[-1]
        standing = Standing(
            digest=champion.tags["release_digest"],
            since=reign.since.isoformat(),
            signatures=tuple(one.model_dump() for one in self._review.required(champion)),
            plan=reign.plan,
            beside=self._companions.standing(therapy, now),
        )
        write_whole(self.approval_file(champion), standing.model_dump_json())
        return standing

    def _write_without_beside(self, ended: Ran) -> None:
        """Whatever became of the champion's signatures since."""
        file = self.approval_file(self.registry.version(ended.therapy, ended.champion))
        standing = Standing.model_validate_json(file.read_text(encoding="utf-8"))
        write_whole(file, standing.model_copy(update={"beside": None}).model_dump_json())

    def _is_champion(self, version: ReleaseVersion, plan: Plan) -> bool:
        champion, past = self.registry.champion(version.therapy), self.history(version.therapy)
        is_live = champion and past and champion.version == past[-1].version == version.version
        return bool(is_live) and past[-1].plan == plan

    def _begin(
        self,
        version: ReleaseVersion,
        plan: Plan,
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
            "approved_by": [signature.name for signature in self._review.required(version)],
            "plan": plan.model_dump(mode="json"),
        }
        self._log.append(MOVING, facts, now)
        return facts

    def _settle(self, therapy: str, now: datetime) -> None:
        """Write how a move ended whose process was stopped."""
        if begun := unfinished(self._log.records(), therapy):
            champion = self.registry.champion(therapy)
            happened = champion is not None and champion.version == begun.facts["version"]
            self._log.append(MOVED if happened else STAYED, begun.facts, now)
