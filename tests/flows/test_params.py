"""The numbers of params.yaml: the shipped file holds, and no other key, range or threshold passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.params import SHIPPED, read_params
from posology.errors import SettingsError
from posology.guardrails import GUARDRAILS, guardrails_from

Content = dict[str, Any]


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """The shipped file with one entry set, or taken away where the value is None."""

    def make(*place: str, to: Any) -> Path:
        content = yaml.safe_load(SHIPPED.read_text())
        part = content
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = to
        if to is None:
            del part[place[-1]]
        file = tmp_path / "params.yaml"
        file.write_text(yaml.safe_dump(content))
        return file

    return make


def test_the_shipped_file_holds() -> None:
    params = read_params()
    assert params.therapy == "mci"
    assert set(params.training) == {"feedback", "status"}


def test_every_guardrail_has_all_its_thresholds() -> None:
    params = read_params()
    assert set(params.guardrails) == {kind.code for kind in GUARDRAILS}
    assert len(guardrails_from(params.guardrails)) == len(GUARDRAILS)


def test_a_reviewer_signs_for_all_that_decides_and_for_no_place() -> None:
    assert set(read_params().envelope) == {"split", "training", "tuning", "evaluation", "guardrails"}


def test_parameters_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_params().therapy = "depression"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("place", "to", "complaint"),
    [
        (("patience",), 3, "patience: Extra inputs are not permitted"),
        (("training", "feedback", "dept"), 5, r"training\.feedback\.dept: Extra inputs"),
        (("training", "feedback", "depth"), 17, r"training\.feedback\.depth: .*less than or equal to 16"),
        (("training", "feedback", "kinds"), ["oracle"], r"training\.feedback\.kinds\.0: .*'catboost' or 'ridge'"),
        (("training", "feedback", "kinds"), [], r"training\.feedback\.kinds: .*at least 1 item"),
        (("training", "status"), None, "training: .*expected feedback and status, missing status"),
        (("split", "past_share"), 1.0, r"split\.past_share: .*less than 1"),
        (("evaluation",), None, "evaluation: Field required"),
        (("guardrails", "G401"), None, "guardrails: missing G401"),
        (("guardrails", "G999"), {"margin": 1}, "guardrails: unknown G999"),
        (("guardrails", "G401", "margin"), None, r"guardrails\.G401: missing margin"),
        (("guardrails", "G401", "leniency"), 1, r"guardrails\.G401: unknown leniency"),
    ],
)
def test_what_does_not_hold_is_refused_by_its_place(
    changed: Callable[..., Path], place: tuple[str, ...], to: Any, complaint: str
) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_params(changed(*place, to=to))


@pytest.mark.parametrize("content", [b"therapy: [", b"\xff\xfe", b"- a list"])
def test_what_is_no_such_file_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "params.yaml"
    with pytest.raises(SettingsError, match=r"params\.yaml: expected a YAML file that can be read"):
        read_params(file)
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"params\.yaml: "):
        read_params(file)
