"""Ed25519 over a plan, as reviewers' signatures are; in the form every phone can check: JWS (RFC 7515, RFC 8037)."""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from posology.digests import canonical_json
from posology.errors import SettingsError

HEADER = {"alg": "EdDSA", "typ": "posology-plan"}  # a key that signs something else never makes a plan of it


@dataclass(frozen=True)
class PlanKey:
    """The key that a service signs its plans with; all its workers have the same."""

    private: Ed25519PrivateKey

    @classmethod
    def open(cls, path: Path) -> "PlanKey":
        """The key of a PEM file, made when it is not there.

        Raises:
            SettingsError: the file cannot be read, or holds no Ed25519 key.
        """
        try:
            if not path.exists():
                _make(path)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SettingsError(f"{path}: expected a private key of Ed25519 as PEM ({type(error).__name__})") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path}: expected a private key of Ed25519, got another kind")
        return cls(key)

    @property
    def public(self) -> dict[str, str]:
        """The public half as a JSON Web Key."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(raw)}

    def sign(self, plan: Mapping[str, Any]) -> str:
        """The plan as a compact JWS."""
        signed = f"{_text(canonical_json(HEADER).encode())}.{_text(canonical_json(dict(plan)).encode())}"
        return f"{signed}.{_text(self.private.sign(signed.encode()))}"

    def read(self, signed: str) -> dict[str, Any] | None:
        """The plan in a compact JWS; None when this key did not sign exactly that."""
        statement, _, signature = signed.rpartition(".")
        header, _, payload = statement.partition(".")
        try:
            self.private.public_key().verify(_bytes(signature), statement.encode())
            if json.loads(_bytes(header)) != HEADER:
                return None
            plan: dict[str, Any] = json.loads(_bytes(payload))
        except (InvalidSignature, ValueError):
            return None
        return plan


def _make(path: Path) -> None:
    """A new key; whoever was quicker made the one that counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}-{uuid4().hex}")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink(missing_ok=True)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
