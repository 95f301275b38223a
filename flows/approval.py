"""Which signatures count, and whether they are enough.

A signature counts when its key is the one on record for that name, when it is
over what is registered now, and when it stands both on the release and in the
audit log. A reject blocks its release for good, even when it is stale or was
removed from one of the two places: a better release has another name.

Approvals are for a plan of how the release is used. The plan in force is the
one that had enough of them last; approvals of other plans given before lapse.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flows.keys import DEMO_PUBLIC, KeyRing, person
from flows.release_version import ReleaseVersion
from flows.signatures import Signature, reviewed


@dataclass(frozen=True)
class Checked:
    """A signature, whether it is its person's, and why it does not count; an empty ``fault`` means that it does."""

    signature: Signature
    is_genuine: bool
    fault: str

    @property
    def approves(self) -> bool:
        """Whether it stands for one approval."""
        return not self.fault and self.signature.meaning == "approve"

    @property
    def rejects(self) -> bool:
        """Whether it blocks the release."""
        return self.is_genuine and self.signature.meaning == "reject"


def check(signature: Signature, version: ReleaseVersion, keys: KeyRing, *, is_kept_twice: bool) -> Checked:
    """A signature on a release, judged.

    Args:
        is_kept_twice: it stands both on the release and in the audit log.
    """
    if forged := _not_genuine(signature, version, keys):
        return Checked(signature, is_genuine=False, fault=forged)
    changed = [name for name, value in reviewed(version).items() if signature.reviewed.get(name) != value]
    if changed:
        fault = f"is stale: {', '.join(changed)} changed since"
    elif not is_kept_twice:
        fault = "is not both on the release and in the audit log"
    else:
        fault = ""
    return Checked(signature, is_genuine=True, fault=fault)


def missing(version: ReleaseVersion, signatures: Iterable[Checked], *, required_approvals: int) -> str:
    """What a release still needs to be promoted and the command that gives it; empty when it needs nothing."""
    signatures = tuple(signatures)
    if rejects := [one.signature for one in signatures if one.rejects]:
        first = rejects[0]
        return f"{version.release} was rejected by {first.name} ({first.reason}). Retrain to get another release."
    if plan_in_force(version, signatures, required_approvals=required_approvals):
        return ""
    people = {person(one.signature.name) for one in signatures if one.approves}
    author = person(version.tags["author"])
    plans = {one.signature.plan for one in signatures if one.approves}
    needs = f"{version.release} needs {required_approvals} approval(s) and has {len(people)}"
    needs += " for different plans" * (len(plans) > 1)
    alone = f"; its author {version.tags['author']} cannot be the only one to sign" if people == {author} else ""
    faults = "".join(f"; the signature of {one.signature.name} {one.fault}" for one in signatures if one.fault)
    sign = f"posology review sign {version.release} --as NAME --meaning approve --reason TEXT"
    return f"{needs}{alone}{faults}. Have somebody read the dossier and run: {sign}"


def plan_in_force(version: ReleaseVersion, signatures: Iterable[Checked], *, required_approvals: int) -> str | None:
    """The plan that enough people approved last, as ``Plan.text``; None when there is none.

    Args:
        signatures: oldest first.
    """
    author = person(version.tags["author"])
    found: str | None = None
    people: dict[str, set[str]] = {}
    for signature in (one.signature for one in signatures if one.approves):
        approving = people.setdefault(signature.plan, set())
        approving.add(person(signature.name))
        if len(approving) >= required_approvals and approving != {author}:
            found, people = signature.plan, {signature.plan: approving}
    return found


def _not_genuine(signature: Signature, version: ReleaseVersion, keys: KeyRing) -> str:
    if signature.release != version.release:
        return "is for another release"
    if not signature.is_authentic():
        return "was changed after it was made"
    if signature.public_key == DEMO_PUBLIC and keys.home.kind != "demo":
        return "was made with the demo key, which does not count in a real home"
    if signature.public_key != keys.public_key(signature.name):
        return "was not made with the key on record for that name"
    return ""
