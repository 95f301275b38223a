"""A release is approved when enough people signed for it as it is, each with their own key, and nobody rejected it."""

import json
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from flows.home import Home
from flows.keys import DEMO_KEY, DEMO_PUBLIC, DEMO_REVIEWER, KeyRing
from flows.registry import Registry
from flows.release_version import ReleaseVersion
from flows.review import SIGNATURE, Review
from flows.settings import Settings
from flows.signatures import Signature
from posology.audit import AuditLog
from posology.errors import CannotDo, NotFound, NotSigned, Refused
from posology.guardrails.finding import Verdict

Candidate = Callable[..., ReleaseVersion]
Sign = Callable[..., None]


def faults(review: Review, version: ReleaseVersion) -> list[str]:
    return [one.fault for one in review.show(version.release).signatures]


def now_of(review: Review, version: ReleaseVersion) -> ReleaseVersion:
    return review.registry.version(version.therapy, version.version)


def keep(review: Review, version: ReleaseVersion, signature: Signature, now: datetime) -> None:
    """Put a signature where signatures are, past all checks."""
    AuditLog(review.home.audit_log).append(SIGNATURE, signature.model_dump(), now)
    review.registry.tag(version, f"{SIGNATURE}.{signature.digest[:16]}", signature.model_dump_json())


def test_an_approval_by_somebody_else_is_enough(review: Review, candidate: Candidate, sign: Sign) -> None:
    version = candidate()
    with pytest.raises(NotSigned, match=rf"needs 1 approval\(s\) and has 0.*posology review sign {version.release}"):
        review.required(version)
    sign(version)
    approvals = review.required(now_of(review, version))
    assert [one.name for one in approvals] == ["Reviewer"]
    assert approvals[0].is_authentic()
    assert approvals[0].reviewed["release_digest"] == version.tags["release_digest"]


def test_a_case_shows_findings_dossier_signatures_and_what_is_missing(
    review: Review, candidate: Candidate, sign: Sign
) -> None:
    version = candidate()
    (case,) = review.list_candidates()
    assert case.version.release == version.release
    assert case.findings[0].verdict == Verdict.PASS
    assert case.dossier.read_text() == f"<h1>{version.release}</h1>"
    assert "needs 1 approval" in case.missing
    sign(version)
    case = review.show(version.release)
    assert [one.approves for one in case.signatures] == [True]
    assert case.missing == ""


def test_as_many_people_as_the_settings_ask_for_must_approve(
    home: Home, registry: Registry, review: Review, candidate: Candidate, sign: Sign
) -> None:
    strict = Review(home, Settings(home=home.root, required_approvals=2), registry)
    version = candidate()
    sign(version, "Ada Lovelace")
    sign(version, "ada  LOVELACE")
    with pytest.raises(NotSigned, match=r"needs 2 approval\(s\) and has 1"):
        strict.required(now_of(review, version))
    sign(version, "Grace")
    assert len(strict.required(now_of(review, version))) == 3


def test_the_author_cannot_be_the_only_one_to_sign(review: Review, candidate: Candidate, sign: Sign) -> None:
    version = candidate()
    sign(version, "author")
    with pytest.raises(NotSigned, match="its author Author cannot be the only one"):
        review.required(now_of(review, version))
    sign(version, "Reviewer")
    review.required(now_of(review, version))


@pytest.mark.parametrize("tag", ["release_digest", "dossier_digest", "data_version", "envelope_digest", "verdict"])
def test_a_signature_over_anything_else_is_stale(
    review: Review, candidate: Candidate, sign: Sign, registry: Registry, tag: str
) -> None:
    version = candidate()
    sign(version)
    registry.tag(version, tag, "other")
    with pytest.raises(NotSigned, match=f"the signature of Reviewer is stale: {tag} changed since"):
        review.required(now_of(review, version))


def test_a_signature_is_for_its_release_alone(
    review: Review, candidate: Candidate, sign: Sign, registry: Registry, now: datetime
) -> None:
    first, second = candidate(1), candidate(2)
    sign(first)
    (made,) = review.required(now_of(review, first))
    keep(review, second, made, now)
    assert faults(review, second) == ["is for another release"]
    assert faults(review, first) == [""]


@pytest.mark.parametrize("field", ["name", "role", "reason", "at", "meaning"])
def test_a_signature_that_was_edited_does_not_count(
    review: Review, candidate: Candidate, sign: Sign, now: datetime, field: str
) -> None:
    version = candidate()
    sign(version, meaning="reject" if field == "meaning" else "approve")
    made = review.signatures(now_of(review, version))[0].signature
    keep(review, version, made.model_copy(update={field: "approve" if field == "meaning" else "other"}), now)
    found = {one.fault: one for one in review.signatures(now_of(review, version))}
    assert not found["was changed after it was made"].approves


def test_a_signature_by_another_key_than_the_name_has_does_not_count(
    review: Review, candidate: Candidate, sign: Sign, tmp_path: Path, now: datetime
) -> None:
    version = candidate()
    sign(version, "Reviewer", "approve")
    stranger = KeyRing(Home.open(tmp_path / "elsewhere")).key_to_sign("Reviewer")
    about = {"name": "Reviewer", "role": "reviewer", "meaning": "approve", "reason": "mine"}
    keep(review, version, Signature.make(stranger, version, **about, now=now), now)
    assert sorted(faults(review, version)) == ["", "was not made with the key on record for that name"]


def test_a_signature_must_stand_on_the_release_and_in_the_audit_log(
    review: Review, candidate: Candidate, sign: Sign, home: Home
) -> None:
    version = candidate()
    sign(version)
    log = home.audit_log.read_text()
    home.audit_log.unlink()
    assert faults(review, version) == ["is not both on the release and in the audit log"]
    home.audit_log.write_text(log)
    assert faults(review, version) == [""]
    (tag,) = [name for name in now_of(review, version).tags if name.startswith(f"{SIGNATURE}.")]
    review.registry._client.delete_model_version_tag("calm-release", version.version, tag)
    assert faults(review, version) == ["is not both on the release and in the audit log"]


def test_nothing_counts_once_the_audit_log_was_tampered_with(
    review: Review, candidate: Candidate, sign: Sign, home: Home
) -> None:
    version = candidate()
    sign(version)
    home.audit_log.write_text(home.audit_log.read_text().replace("I read it", "I did not"))
    with pytest.raises(Refused, match="record 1 of 1 was changed"):
        review.required(now_of(review, version))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}'])
def test_a_tag_that_is_no_signature_counts_for_nothing(review: Review, candidate: Candidate, text: str) -> None:
    version = candidate()
    review.registry.tag(version, f"{SIGNATURE}.0", text)
    assert faults(review, version) == []


def test_a_reject_blocks_for_good(review: Review, candidate: Candidate, sign: Sign) -> None:
    version = candidate()
    sign(version, "Ada")
    sign(version, "Grace", "reject")
    sign(version, "Grace", "approve")
    with pytest.raises(NotSigned, match=r"rejected by Grace \(I read it\)"):
        review.required(now_of(review, version))


def test_a_reject_is_not_undone_by_removing_its_tag_or_registering_again(
    review: Review, candidate: Candidate, sign: Sign
) -> None:
    version = candidate()
    sign(version, "Grace", "reject")
    for name in now_of(review, version).tags:
        if name.startswith(f"{SIGNATURE}."):
            review.registry._client.delete_model_version_tag("calm-release", version.version, name)
    again = candidate(git_commit="e" * 40)
    assert again.version != version.version
    sign(again, "Ada")
    with pytest.raises(NotSigned, match="rejected by Grace"):
        review.required(now_of(review, again))


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.INSUFFICIENT])
def test_what_did_not_pass_can_only_be_rejected(
    review: Review, candidate: Candidate, sign: Sign, verdict: Verdict
) -> None:
    version = candidate(verdict=verdict)
    with pytest.raises(Refused, match=f"say {verdict}; it can only be rejected"):
        sign(version)
    sign(version, meaning="reject")


@pytest.mark.parametrize("file", ["dossier.html", "guardrails.json"])
def test_nobody_signs_evidence_that_was_changed(review: Review, candidate: Candidate, sign: Sign, file: str) -> None:
    version = candidate()
    path = Path(version.source) / file
    path.write_text(path.read_text().replace("calm", "wild").replace('"pass"', '"fail"'))
    with pytest.raises(Refused, match=r"dossier_digest|verdict"):
        sign(version)
    assert review.signatures(now_of(review, version)) == ()


def test_nobody_signs_a_release_whose_parts_were_changed(candidate: Candidate, sign: Sign) -> None:
    version = candidate()
    (Path(version.source) / "envelope.json").write_text("{}")
    with pytest.raises(CannotDo, match="envelope differs"):
        sign(version)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81])
def test_a_signature_needs_a_name(candidate: Candidate, sign: Sign, name: str) -> None:
    with pytest.raises(CannotDo, match="needs a name"):
        sign(candidate(), name)


def test_a_signature_needs_a_reason_and_a_release(review: Review, candidate: Candidate, now: datetime) -> None:
    with pytest.raises(CannotDo, match="reason"):
        review.sign(candidate().release, name="Ada", meaning="approve", reason=" ", now=now)
    with pytest.raises(NotFound):
        review.sign("calm-000000000000", name="Ada", meaning="approve", reason="read", now=now)


def test_a_key_is_made_once_private_and_found_under_any_spelling(home: Home) -> None:
    keys = KeyRing(home)
    made = keys.key_to_sign("Ada Ø. Lovelace/../x")
    assert keys.key_to_sign(" ada ø.  lovelace/../X ").private_bytes_raw() == made.private_bytes_raw()
    (private,) = home.keys.glob("*.key")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    assert keys.public_key("Ada Ø. Lovelace/../x") == made.public_key().public_bytes_raw().hex()
    assert keys.public_key("Grace") is None


def test_a_key_that_was_exchanged_or_lost_cannot_sign(home: Home, tmp_path: Path) -> None:
    keys, others = KeyRing(home), KeyRing(Home.open(tmp_path / "elsewhere"))
    keys.key_to_sign("Ada")
    others.key_to_sign("Ada")
    (private,), (other,) = home.keys.glob("*.key"), others.home.keys.glob("*.key")
    private.write_bytes(other.read_bytes())
    with pytest.raises(Refused, match="not the key that Ada signed with before"):
        keys.key_to_sign("Ada")
    private.unlink()
    with pytest.raises(CannotDo, match="put that key back"):
        keys.key_to_sign("Ada")


def test_the_demo_key_cannot_sign_in_a_real_home(candidate: Candidate, sign: Sign) -> None:
    with pytest.raises(Refused, match="real home"):
        sign(candidate(), DEMO_REVIEWER)


def test_a_signature_by_the_demo_key_does_not_count_in_a_real_home(
    review: Review, candidate: Candidate, home: Home, now: datetime
) -> None:
    version = candidate()
    KeyRing(home).key_to_sign("Ada")
    (public,) = home.keys.glob("*.pub")
    public.write_text(DEMO_PUBLIC)
    about = {"role": "reviewer", "meaning": "approve", "reason": "quick", "now": now}
    for name in (DEMO_REVIEWER, "Ada"):
        keep(review, version, Signature.make(DEMO_KEY, version, name=name, **about), now)
    assert faults(review, version) == ["was made with the demo key, which does not count in a real home"] * 2
    (private,) = home.keys.glob("*.key")
    private.write_bytes(_pem_of_the_demo_key())
    with pytest.raises(Refused, match="is the demo key"):
        KeyRing(home).key_to_sign("Ada")


def _pem_of_the_demo_key() -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return DEMO_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TestInADemoHome:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        return Home.create_demo(tmp_path / "home")

    def test_the_demo_key_signs(self, review: Review, candidate: Candidate, sign: Sign, home: Home) -> None:
        version = candidate()
        sign(version, DEMO_REVIEWER)
        (approval,) = review.required(now_of(review, version))
        assert approval.public_key == DEMO_PUBLIC
        assert not home.keys.exists()
        assert json.loads(home.audit_log.read_text())["facts"]["name"] == DEMO_REVIEWER

    def test_nothing_of_it_counts_in_a_real_home(
        self, review: Review, candidate: Candidate, sign: Sign, settings: Settings, registry: Registry
    ) -> None:
        version = candidate()
        sign(version, DEMO_REVIEWER)
        moved = Review(Home(review.home.root, "real"), settings, registry)
        with pytest.raises(NotSigned, match="demo key, which does not count in a real home"):
            moved.required(now_of(review, version))
