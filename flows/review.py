"""Review: the registry as a reviewer sees it, and where signatures are given and asked for."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from flows.approval import Checked, check, missing, plan_in_force
from flows.evidence_files import DOSSIER, check_evidence, read_findings
from flows.home import Home
from flows.keys import KeyRing
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.settings import Settings
from flows.signatures import Meaning, Signature
from posology.audit import AuditLog
from posology.errors import CannotDo, NotSigned, Refused
from posology.guardrails.finding import Finding, Verdict
from serving.modes.plan import FULL, Plan

SIGNATURE = "signature"  # the kind of audit record; a tag's name is signature.DIGEST


@dataclass(frozen=True)
class Case:
    """A release as its reviewers see it."""

    version: ReleaseVersion
    findings: tuple[Finding, ...]
    dossier: Path
    signatures: tuple[Checked, ...]
    missing: str  # signatures still needed, in words; empty: none
    plan: Plan | None  # in force: what a promotion would bring about


@dataclass(frozen=True)
class Review:
    """The reviews of one home."""

    home: Home
    settings: Settings
    registry: Registry

    def list_candidates(self) -> list[Case]:
        """A case for each therapy that has a candidate."""
        candidates = [self.registry.candidate(therapy) for therapy in self.registry.therapies()]
        return [self._case(version) for version in candidates if version]

    def show(self, release: str) -> Case:
        """The case of one release."""
        return self._case(self.registry.find(release))

    def sign(
        self,
        release: str,
        *,
        name: str,
        meaning: Meaning,
        reason: str,
        now: datetime,
        role: str = "reviewer",
        plan: Plan = FULL,
    ) -> Signature:
        """A person's signature over what is registered and a plan of its use, kept on the release and in the audit log.

        In a demo home ``flows.keys.DEMO_REVIEWER`` signs with a key everybody knows; a real home refuses it.
        """
        if not reason.strip():
            raise CannotDo("A signature needs a reason.")
        version = self.registry.find(release)
        if meaning == "approve" and version.tags["verdict"] != Verdict.PASS:
            raise Refused(f"{release}: the guardrails say {version.tags['verdict']}; it can only be rejected.")
        check_evidence(version, self.registry.download(version))
        key = KeyRing(self.home).key_to_sign(name)
        signature = Signature.make(
            key, version, name=name, role=role, meaning=meaning, reason=reason, now=now, plan=plan
        )
        # The log first: a signature that is only on the release counts nowhere.
        AuditLog(self.home.audit_log).append(SIGNATURE, signature.model_dump(), now)
        self.registry.tag(version, f"{SIGNATURE}.{signature.digest[:16]}", signature.model_dump_json())
        return signature

    def signatures(self, version: ReleaseVersion) -> tuple[Checked, ...]:
        """Every signature for a release, oldest first: those on the release and those in the audit log."""
        tags = (value for name, value in version.tags.items() if name.startswith(f"{SIGNATURE}."))
        tagged = {one.digest: one for one in _readable(tags)}
        logged = {one.digest: one for one in _readable(self._logged()) if one.release == version.release}
        keys = KeyRing(self.home)
        return tuple(
            check(one, version, keys, is_kept_twice=one.digest in tagged and one.digest in logged)
            for one in sorted((tagged | logged).values(), key=lambda one: one.at)
        )

    def required(self, version: ReleaseVersion) -> tuple[Signature, ...]:
        """The approvals that let a release through; raises ``NotSigned`` saying what is missing."""
        signatures = self.signatures(version)
        if lacking := missing(version, signatures, required_approvals=self.settings.required_approvals):
            raise NotSigned(lacking)
        plan = self._in_force(version, signatures)
        return tuple(one.signature for one in signatures if one.approves and one.signature.plan == plan)

    def plan(self, version: ReleaseVersion) -> Plan:
        """How a release is to be used, by the approvals that let it through; raises ``NotSigned``."""
        return Plan.model_validate_json(self.required(version)[0].plan)

    def _in_force(self, version: ReleaseVersion, signatures: tuple[Checked, ...]) -> str | None:
        return plan_in_force(version, signatures, required_approvals=self.settings.required_approvals)

    def _case(self, version: ReleaseVersion) -> Case:
        folder = self.registry.download(version)
        signatures = self.signatures(version)
        plan = self._in_force(version, signatures)
        return Case(
            version=version,
            findings=read_findings(folder),
            dossier=folder / DOSSIER,
            signatures=signatures,
            missing=self._lacking(version, signatures),
            plan=Plan.model_validate_json(plan) if plan else None,
        )

    def _lacking(self, version: ReleaseVersion, signatures: tuple[Checked, ...]) -> str:
        if version.tags["verdict"] != Verdict.PASS:
            return f"The guardrails say {version.tags['verdict']}: it can be rejected, never promoted."
        return missing(version, signatures, required_approvals=self.settings.required_approvals)

    def _logged(self) -> Iterator[str]:
        records = AuditLog(self.home.audit_log).records()
        return (json.dumps(record.facts) for record in records if record.kind == SIGNATURE)


def _readable(texts: Iterable[str]) -> Iterator[Signature]:
    """The signatures among texts; anything else in their place counts for nothing."""
    for text in texts:
        with contextlib.suppress(ValidationError):
            yield Signature.model_validate_json(text)
