"""Asking a served release its golden questions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from posology.errors import ServiceDown

# Another machine may add the same numbers in another order; what decides, the chosen content, is compared exactly.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class ProbeResult:
    """How many golden requests were asked, and where answers differ, as ``[3].ranking[0].probability: …``."""

    asked: int
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether something was asked and every answer was as expected."""
        return self.asked > 0 and not self.differences


def probe(base_url: str, token: str, golden: Sequence[Mapping[str, Any]]) -> ProbeResult:
    """Whether a served release answers ``/v1/rank`` as it did when it was made.

    Args:
        golden: ``{"request", "answer"}`` as in a release's ``golden.json``.

    Raises:
        ServiceDown: nobody answers there.
    """
    differences: list[str] = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=30, trust_env=False) as client:
        for number, pair in enumerate(golden):
            try:
                response = client.post("/v1/rank", json=pair["request"])
            except httpx.HTTPError as error:
                raise ServiceDown(f"{base_url} does not answer ({type(error).__name__})") from error
            if response.status_code == 200:
                differences += differing(pair["answer"], response.json(), f"[{number}]")
            else:
                differences.append(f"[{number}]: expected an answer, got status {response.status_code}")
    return ProbeResult(len(golden), tuple(differences))


def differing(expected: Any, came: Any, place: str) -> Iterator[str]:
    """Every place where two JSON values differ; numbers may differ by ``TOLERANCE``."""
    if isinstance(expected, dict) and isinstance(came, dict):
        for key in sorted(expected.keys() | came.keys()):
            if key in expected and key in came:
                yield from differing(expected[key], came[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}: {'is missing' if key in expected else 'was not expected'}"
    elif isinstance(expected, list) and isinstance(came, list) and len(expected) == len(came):
        for number, (one, other) in enumerate(zip(expected, came, strict=True)):
            yield from differing(one, other, f"{place}[{number}]")
    elif not _equal(expected, came):
        yield f"{place}: expected {expected!r}, got {came!r}"


def _equal(expected: Any, came: Any) -> bool:
    if isinstance(expected, float) or isinstance(came, float):
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (expected, came))
        return numbers and math.isclose(expected, came, rel_tol=0, abs_tol=TOLERANCE)
    return type(expected) is type(came) and expected == came
