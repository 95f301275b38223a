"""The dossier as one HTML page that needs nothing else."""

import base64
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from posology.dossier import numbers
from posology.dossier.answers import BLOCKING, headline, style_of, worst_first
from posology.dossier.evidence import Dossier

LONGEST_MIX = 30  # contents shown in the table; the rest are summed in one line


def render(dossier: Dossier) -> str:
    """The page: no script, no remote link, every string escaped; equal dossiers give equal pages."""
    findings = worst_first(dossier.findings)
    page = _templates().get_template("page.html.j2")
    return page.render(
        dossier=dossier,
        therapy=dossier.therapy,
        data=dossier.data,
        findings=findings,
        verdict=dossier.verdict,
        headline=headline(dossier.verdict, findings),
        blocking=[finding for finding in findings if finding.verdict in BLOCKING],
        mix=_mix(dossier),
        policies_of_mix=_policies_of_mix(dossier),
        has_truth=any(row.truth is not None for row in dossier.policies),
    )


def _policies_of_mix(dossier: Dossier) -> list[str]:
    return list(dict.fromkeys(policy for shares in dossier.content_mix.values() for policy in shares))


def _mix(dossier: Dossier) -> list[tuple[str, dict[str, float]]]:
    """Contents with their shares, the most given first; what is beyond the longest table is one last row."""
    rows = sorted(dossier.content_mix.items(), key=lambda row: (-max(row[1].values(), default=0.0), row[0]))
    shown = [(content, dict(shares)) for content, shares in rows[:LONGEST_MIX]]
    rest = rows[LONGEST_MIX:]
    if rest:
        policies = _policies_of_mix(dossier)
        summed = {policy: sum(shares.get(policy, 0.0) for _, shares in rest) for policy in policies}
        shown.append((f"{len(rest)} more contents", summed))
    return shown


def _data_uri(svg: str) -> str:
    """An image by its own bytes: nothing in it can run, and its ids cannot meet those of another."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("posology.dossier", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "number": numbers.number,
        "declared": numbers.declared,
        "interval": numbers.interval,
        "percent": numbers.percent,
        "moment": numbers.moment,
        "sentence": numbers.sentence,
        "style": style_of,
        "data_uri": _data_uri,
    }
    return templates
