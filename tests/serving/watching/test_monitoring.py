"""The dashboard and the alert rules ask for what the service exposes, and for nothing else."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from serving.alarms import Alarm
from serving.fallback import REASONS
from serving.watching.metrics import OUTCOMES

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
OF_PROMETHEUS = {"job", "instance"}  # labels that it adds to every series it scrapes
GRAFANA = {"$instance": ".*", "$__rate_interval": "5m", "$__range": "6h"}


def shown() -> list[tuple[str, str]]:
    """Each query of the dashboard, as Grafana sends it, with the words that use its labels."""
    asked = [(target["expr"], target["legendFormat"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
    asked += [(each["expr"], each["titleFormat"]) for each in DASHBOARD["annotations"]["list"]]
    return [(_filled(query), words) for query, words in asked]


def watched_for() -> list[tuple[str, str]]:
    """The same of the rules."""
    return [(rule["expr"], " ".join(rule["annotations"].values())) for rule in RULES]


def _filled(query: str) -> str:
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    return query


QUERIES = [query for query, _ in (*shown(), *watched_for())]


def nodes(query: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(query), found.append)
    return found


def selectors(query: str) -> Iterator[Any]:
    """What a query takes from Prometheus, ``up`` aside, which is Prometheus' own."""
    for node in nodes(query):
        selector = getattr(node, "vector_selector", node)
        if isinstance(selector, promql_parser.VectorSelector) and selector.name != "up":
            yield selector


def grouped_by(query: str) -> set[str]:
    """The labels that aggregations keep."""
    modifiers = [node.modifier for node in nodes(query) if isinstance(node, promql_parser.AggregateExpr)]
    return {label for modifier in modifiers if modifier for label in modifier.labels}


@pytest.fixture
def exposed(
    watched: Callable[..., Any], live: Callable[[Any], str], scrape: Callable[[], Any]
) -> dict[str, list[dict[str, str]]]:
    """Name → the labels of each of its series, after one call of each kind."""
    live(watched())
    return {name: [labels for labels, _ in series] for name, series in scrape().items()}


def test_every_metric_and_label_that_is_asked_for_is_exposed(exposed: dict[str, list[dict[str, str]]]) -> None:
    for query in QUERIES:
        names = {selector.name for selector in selectors(query)}
        assert names <= set(exposed), query
        known = {label for name in names for series in exposed[name] for label in series} | OF_PROMETHEUS
        asked = {matcher.name for selector in selectors(query) for matcher in selector.matchers.matchers}
        assert asked | grouped_by(query) <= known, query


def test_every_label_that_is_shown_is_left_by_the_query(exposed: dict[str, list[dict[str, str]]]) -> None:
    for query, words in (*shown(), *watched_for()):
        named = set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", words))
        of_series = {label for selector in selectors(query) for label in exposed[selector.name][0]} | OF_PROMETHEUS
        left = grouped_by(query) if any(isinstance(n, promql_parser.AggregateExpr) for n in nodes(query)) else of_series
        assert named <= left, query


def test_every_value_that_is_asked_for_can_come() -> None:
    known = {
        "event": {*Alarm, "ALARM"},
        "reason": set(REASONS),
        "outcome": set(OUTCOMES),
        "source": {"model", "safe_default"},
        "call": {"recommend"},
    }
    asked = [m for query in QUERIES for selector in selectors(query) for m in selector.matchers.matchers]
    checked = [matcher for matcher in asked if matcher.name in known]
    assert {matcher.name for matcher in checked} == set(known)
    for matcher in checked:
        assert set(matcher.value.split("|")) <= known[matcher.name], matcher


def test_every_metric_of_ours_is_shown(exposed: dict[str, list[dict[str, str]]]) -> None:
    asked = {selector.name for query in QUERIES for selector in selectors(query)}
    families = {re.sub(r"_(total|bucket|count|sum|created)$", "", name) for name in exposed}
    assert {re.sub(r"_(total|bucket)$", "", name) for name in asked} == families
