"""What travels with a bundle: everything the service imports and needs, each at one version."""

from importlib.metadata import requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from serving.requirements import pinned_requirements


def test_a_requirement_brings_all_it_needs_at_the_version_that_is_here() -> None:
    pinned = dict(line.split("==") for line in pinned_requirements("serving.service"))
    assert pinned == {name: version(name) for name in pinned}
    for name in pinned:
        for text in requires(name) or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in pinned
                assert needed.specifier.contains(pinned[canonicalize_name(needed.name)], prereleases=True)


def test_of_those_that_share_a_namespace_the_one_that_has_the_module_comes() -> None:
    names = {line.partition("==")[0] for line in pinned_requirements("serving.watching.traces")}
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= names


def test_a_module_that_imports_nothing_needs_nothing() -> None:
    assert all(line.startswith("psycopg2-binary==") for line in pinned_requirements("serving.page"))
