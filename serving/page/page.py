"""The page at ``/``: try a decision in the browser and see why. Its own files, nothing from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(__file__).parent
FILES = ("page.css", "page.js", "asking.js", "form.js", "answer.js", "nodes.js")
PAGE = {"/": "page.html", **{f"/page/{name}": name for name in FILES}}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def _file(file: Path) -> ASGIApp:
    async def send_file(scope: Scope, receive: Receive, send: Send) -> None:
        await FileResponse(file, headers=HEADERS)(scope, receive, send)

    return send_file


PAGE_FILES: Mapping[str, ASGIApp] = {path: _file(FOLDER / name) for path, name in PAGE.items()}
