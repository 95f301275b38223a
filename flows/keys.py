"""Reviewers' Ed25519 keys: one a name, made at the first signature of that name, kept in the home.

Whoever may read a home's ``keys`` folder can sign as its people: guard it as
you would a signature stamp, or keep each private key elsewhere and put it
there to sign. The public key that stays decides what counts.
"""

import hashlib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from flows.home import Home
from posology.errors import CannotDo, Refused

DEMO_REVIEWER = "Demo Reviewer"
DEMO_KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"posology: the key of demonstrations").digest())
LONGEST_NAME = 80


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half as 64 hexadecimal digits."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


DEMO_PUBLIC = public_text(DEMO_KEY)


def person(name: str) -> str:
    """What makes two spellings the same person: letter case, accents' encoding and spaces do not count."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


@dataclass(frozen=True)
class KeyRing:
    """The keys of the people who sign in one home."""

    home: Home

    def key_to_sign(self, name: str) -> Ed25519PrivateKey:
        """The private key of a person, made now when that name never signed here."""
        _check_name(name)
        if person(name) == person(DEMO_REVIEWER):
            return self._demo_key()
        private, public = self._files(name)
        with self.home.lock("keys"):
            if not public.exists():
                _make(private, public)
            if not private.exists():
                raise CannotDo(f"{name} has signed here before, but {private} is gone; put that key back to sign.")
            key = load_pem_private_key(private.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey) or public_text(key) != public.read_text(encoding="ascii").strip():
            raise Refused(f"{private} is not the key that {name} signed with before ({public}).")
        if public_text(key) == DEMO_PUBLIC:
            raise Refused(f"{private} is the demo key, which everybody knows; remove it and {public}.")
        return key

    def public_key(self, name: str) -> str | None:
        """The public key on record for a person; None when that name never signed here."""
        if self.home.kind == "demo" and person(name) == person(DEMO_REVIEWER):
            return DEMO_PUBLIC
        public = self._files(name)[1]
        return public.read_text(encoding="ascii").strip() if public.exists() else None

    def _demo_key(self) -> Ed25519PrivateKey:
        if self.home.kind != "demo":
            raise Refused(f"{self.home.root} is a real home: {DEMO_REVIEWER} cannot sign here. A person must.")
        return DEMO_KEY

    def _files(self, name: str) -> tuple[Path, Path]:
        readable = re.sub(r"[^a-z0-9]+", "-", person(name))[:40].strip("-")
        stem = f"{readable}-{hashlib.sha256(person(name).encode()).hexdigest()[:12]}"
        return self.home.keys / f"{stem}.key", self.home.keys / f"{stem}.pub"


def _check_name(name: str) -> None:
    if not person(name) or len(name) > LONGEST_NAME or not name.isprintable():
        raise CannotDo(f"A signature needs a name of 1 to {LONGEST_NAME} printable characters.")


def _make(private: Path, public: Path) -> None:
    """The private key first: a public key on record means that there was one to sign with."""
    private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate()
    private.unlink(missing_ok=True)  # of a process killed between the two
    with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    public.write_text(public_text(key) + "\n", encoding="ascii")
