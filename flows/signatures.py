"""A person's signature over what they reviewed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict

from flows.keys import public_text
from flows.release_version import ReleaseVersion
from posology.digests import canonical_json, digest_of_json
from serving.modes.plan import FULL, Plan

PLAN = "plan"
Meaning = Literal["approve", "reject"]
SIGNED_TAGS = (
    "release_digest",
    "dossier_digest",
    "data_version",
    "envelope_digest",
    "git_commit",
    "verdict",
    "author",
)


class Signature(BaseModel):
    """Who said what about which bytes, when and why. ``signature`` is Ed25519 over all other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: str
    meaning: Meaning
    reason: str
    at: str  # ISO 8601 with its zone
    release: str
    reviewed: Mapping[str, str]  # the tags of SIGNED_TAGS as they were, and the plan unless it is the usual one
    public_key: str
    signature: str = ""

    @classmethod
    def make(
        cls,
        key: Ed25519PrivateKey,
        version: ReleaseVersion,
        *,
        name: str,
        role: str,
        meaning: Meaning,
        reason: str,
        now: datetime,
        plan: Plan = FULL,
    ) -> Self:
        """A signature by a key over a release as it is registered, for a plan of how it is used."""
        facts: dict[str, Any] = {
            "name": name,
            "role": role,
            "meaning": meaning,
            "reason": reason,
            "at": now.isoformat(),
            "release": version.release,
            "reviewed": reviewed(version) | ({PLAN: plan.text} if plan != FULL else {}),
            "public_key": public_text(key),
        }
        return cls(**facts, signature=key.sign(cls(**facts).statement()).hex())

    @property
    def plan(self) -> str:
        """The plan signed for, as ``Plan.text``."""
        return self.reviewed.get(PLAN, FULL.text)

    @property
    def digest(self) -> str:
        """Tells signatures apart."""
        return digest_of_json(self.model_dump())

    def statement(self) -> bytes:
        """The bytes that are signed."""
        facts = {name: value for name, value in self.model_dump().items() if name != "signature"}
        return b"posology signature 1\n" + canonical_json(facts).encode()

    def is_authentic(self) -> bool:
        """Whether its key signed exactly this."""
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.public_key))
            key.verify(bytes.fromhex(self.signature), self.statement())
        except (InvalidSignature, ValueError):
            return False
        return True


def reviewed(version: ReleaseVersion) -> dict[str, str]:
    """What a signature on a release is about."""
    return {name: version.tags[name] for name in SIGNED_TAGS}
