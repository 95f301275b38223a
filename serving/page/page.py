"""The page at ``/``: try a decision in the browser and see why. Its own files, nothing from elsewhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse

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


def add_page(app: Starlette) -> None:
    """Serve the page's files."""
    for path, name in PAGE.items():
        app.add_route(path, _file(FOLDER / name), methods=["GET"])


def _file(file: Path) -> Callable[[Request], Awaitable[FileResponse]]:
    async def send(_request: Request) -> FileResponse:
        return FileResponse(file, headers=HEADERS)

    return send
