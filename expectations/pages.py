"""Data Docs that open without a network and call nobody.

Great Expectations writes its pages against style sheets, scripts and images on
content delivery networks. What is remote is taken out and a small style sheet
put in; the index, which is empty without those scripts, is written anew.
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from expectations.codes import CODES, THEN
from expectations.findings import Validation
from posology.therapy import Therapy

_TEMPLATES = Path(__file__).parent / "templates"
_REMOTE_PARTS = re.compile(
    r"<script\b.*?</script>|<style\b.*?</style>|<link\b[^>]*>|<img\b[^>]*>"
    r"|<p>Stay current on.*?</p>|\sonclick=\"[^\"]*\"",
    re.DOTALL,
)
_REMOTE_LINK = re.compile(r"<a\b[^>]*href=\"https?://[^>]*>(.*?)</a>", re.DOTALL)


def finish_pages(docs: Path, suites: Sequence[str], therapy: Therapy, result: Validation) -> None:
    """Make the pages of Great Expectations in ``docs`` self-contained and write the index over them."""
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    for page in docs.rglob("*.html"):
        page.write_text(_self_contained(page.read_text(encoding="utf-8"), style), encoding="utf-8")
    shutil.rmtree(docs / "static", ignore_errors=True)
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)
    index = templates.get_template("index.html.j2").render(
        therapy=therapy,
        result=result,
        style=Markup(style),  # noqa: S704 -- our own file, and escaped CSS is no CSS
        suites=[_pages_of(docs, name) for name in suites],
        codes=CODES.values(),
        then=THEN,
    )
    (docs / "index.html").write_text(index, encoding="utf-8")


def _self_contained(page: str, style: str) -> str:
    page = _REMOTE_LINK.sub(r"\1", _REMOTE_PARTS.sub("", page))
    return page.replace("</head>", f"<style>{style}</style></head>", 1)


def _pages_of(docs: Path, suite: str) -> tuple[str, str, str]:
    """A suite's name and the addresses of its two pages."""
    (found,) = (docs / "validations" / suite).rglob("*.html")
    return suite, f"expectations/{quote(suite)}.html", quote(found.relative_to(docs).as_posix())
