"""Files of a folder as resources: Bundles, single resources, and NDJSON of either, as bulk exports write them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posology.errors import NotFound
from posology.fhir import codes
from posology.fhir.release import FhirRelease
from posology.fhir.values import Json, Unmapped

LARGEST_DOCUMENT = 512 * 2**20  # bytes of one Bundle or resource; it is held in memory some ten times over
REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64})(?:/_history/[^/]+)?$")


@dataclass(frozen=True)
class Document:
    """A file, or a line of NDJSON, that holds one Bundle or one resource.

    Attributes:
        content: as parsed; None when ``problem`` says why it cannot be read.
    """

    source: str
    content: Json | None
    problem: str = ""


@dataclass(frozen=True)
class Entry:
    """One resource, with what is needed to understand its references."""

    source: str
    release: FhirRelease
    resource: Any
    full_url: str = ""
    full_url_to_key: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """ "Type/id" of the resource, its full URL when it has no id, or ""."""
        return _key(self.resource, self.full_url)

    def resolve(self, reference: object) -> str:
        """The key of the resource that a Reference points at."""
        target = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(target, str):
            raise Unmapped("it points at its patient or session by no reference")
        if target in self.full_url_to_key:
            return self.full_url_to_key[target]
        found = REFERENCE.search(target)
        return found[1] if found and not target.startswith("urn:") else target


def files_of(folder: Path) -> list[Path]:
    """All ``.json`` and ``.ndjson`` files below a folder, in order.

    Raises:
        NotFound: there is none.
    """
    files = sorted(path for suffix in ("json", "ndjson") for path in folder.rglob(f"*.{suffix}") if path.is_file())
    if not files:
        raise NotFound(f"{folder}: expected files .json (a Bundle each) or .ndjson (a Bundle or resource a line)")
    return files


def documents_of(path: Path, folder: Path) -> Iterator[Document]:
    """The documents of one file, each parsed or with the problem that it has."""
    source = str(path.relative_to(folder))
    if path.suffix == ".json":
        if path.stat().st_size > LARGEST_DOCUMENT:
            yield Document(source, None, "larger than 512 MiB: split the Bundle, or write it as NDJSON")
        else:
            yield _parsed(source, path.read_bytes())
        return
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LARGEST_DOCUMENT), b""), start=1):
            if line.strip():
                yield _parsed(f"{source}:{number}", line)


def entries_of(document: Document, untagged: FhirRelease) -> Iterator[Entry]:
    """The resources of a document; a Bundle gives those of its entries.

    Args:
        untagged: the release of what does not say its own.

    Raises:
        Unmapped: it is neither a resource nor a valid Bundle that lists what is so now.
    """
    content = document.content
    if content is None:
        raise Unmapped(document.problem)
    if content["resourceType"] != "Bundle":
        yield Entry(document.source, untagged, content)
        return
    entries = content.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Unmapped("a Bundle whose entry is not a list of objects")
    shell = {name: element for name, element in content.items() if name != "entry"}
    release = _release_of(shell, untagged)
    release.check(shell)
    if shell["type"] in {"history", "subscription-notification"}:
        raise Unmapped(f"a Bundle of type {shell['type']}: expected one that lists what is so now")
    yield from _of_bundle(document.source, release, entries)


def _of_bundle(source: str, release: FhirRelease, entries: list[Json]) -> Iterator[Entry]:
    urls = [str(entry.get("fullUrl", "")) for entry in entries]
    full_url_to_key = {url: _key(entry.get("resource"), url) for url, entry in zip(urls, entries, strict=True) if url}
    for url, entry in zip(urls, entries, strict=True):
        yield Entry(source, release, entry.get("resource"), url, full_url_to_key)


def _key(resource: Any, full_url: str) -> str:
    if isinstance(resource, dict) and "id" in resource:
        return f"{resource.get('resourceType')}/{resource['id']}"
    return full_url


def _release_of(bundle: Json, untagged: FhirRelease) -> FhirRelease:
    meta = bundle.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and tag.get("system") == codes.RELEASE:
            if tag.get("code") not in list(FhirRelease):
                raise Unmapped("a Bundle of a FHIR release that is neither R4 nor R5")
            return FhirRelease(tag["code"])
    return untagged


def _parsed(source: str, text: bytes) -> Document:
    try:
        content = json.loads(text, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        return Document(source, None, f"not JSON, or cut off{place}")
    if not isinstance(content, dict) or not isinstance(content.get("resourceType"), str):
        return Document(source, None, "JSON, but no FHIR: expected an object with a resourceType")
    return Document(source, content)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that names a key twice would lose what stands under the first."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
