"""``token add|list|revoke|rotate``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.here import Here, HomeOption, JsonOption, here
from flows.cli.output import out, print_json, print_table
from posology.errors import CannotDo
from serving.access.scopes import Scope
from serving.access.tokens import USUAL_CALLS_PER_SECOND, Token, draw_token

if TYPE_CHECKING:
    from serving.access.token_table import TokenTable

token_app = typer.Typer(
    help="Who may call the service, and what for: add, list, revoke, rotate. Only a digest of a token is kept.",
    no_args_is_help=True,
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As posology token list shows it.")]


@token_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help='Whose it is, for example "clinic north, app server".')],
    scopes: Annotated[
        list[Scope],
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="app: enrol, ask, report. clinician: the same, and override. "
            "reviewer: release and metrics. operator: metrics and erase. Give it again for several.",
        ),
    ],
    days: Annotated[
        float | None, typer.Option(min=0, help="Valid so long; else until it is revoked.", show_default=False)
    ] = None,
    calls_per_second: Annotated[
        float, typer.Option(help="On average, in each worker; twice as many at once.")
    ] = USUAL_CALLS_PER_SECOND,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token. It is shown once: nobody can show it again, only replace it."""
    if days == 0:
        raise CannotDo(
            "--days 0 makes a token that has ended; leave --days out for one that lasts until it is revoked."
        )
    known, now = here(home), datetime.now(UTC)
    until = None if days is None else now + timedelta(days=days)
    text, token = draw_token(name, scopes, now, calls_per_second=calls_per_second, valid_until=until)
    with _table(known) as table:
        table.add(token)
    _keep(known, "token.added", token, now)
    _show_new(text, token, as_json=as_json)


@token_app.command("list")
def list_tokens(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every token there is or was, without what a caller sends."""
    with _table(here(home)) as table:
        tokens = [_shown(token, datetime.now(UTC)) for token in table.all()]
    if as_json:
        print_json(tokens)
        return
    columns = ["id", "name", "scopes", "calls/s", "added", "ends", "replaced by", "state"]
    rows = [
        [
            token["id"],
            token["name"],
            ", ".join(token["scopes"]),
            f"{token['calls_per_second']:g}",
            _minute(token["created_at"]),
            _minute(token["valid_until"]),
            token["replaced_by"] or "",
            token["state"],
        ]
        for token in tokens
    ]
    print_table("Tokens (times in UTC)", columns, rows)


@token_app.command()
def revoke(token_id: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End a token now; every worker has heard of it 2 seconds later."""
    known, now = here(home), datetime.now(UTC)
    with _table(known) as table:
        token = table.revoke(token_id, now)
    _keep(known, "token.revoked", token, now)
    if as_json:
        print_json(_shown(token, now))
        return
    out.print(f"Token {token.token_id} ({token.name}) has ended.", markup=False)


@token_app.command()
def rotate(
    token_id: IdArgument,
    overlap_hours: Annotated[float, typer.Option(min=0, help="How long the old one goes on beside the new one.")] = 24,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the successor of a token, with its name, scopes and limit; the old one ends after the overlap."""
    known, now = here(home), datetime.now(UTC)
    with _table(known) as table:
        text, token = table.rotate(token_id, now, overlap=timedelta(hours=overlap_hours))
    _keep(known, "token.rotated", token, now, replaces=token_id)
    _show_new(text, token, as_json=as_json)
    if not as_json:
        out.print(f"Token {token_id} goes on for {overlap_hours:g} hours at most, then it has ended.")


@contextmanager
def _table(known: Here) -> Iterator["TokenTable"]:
    from serving.access.token_table import TokenTable
    from serving.database import open_database

    engine = open_database(known.settings.store_url)
    try:
        yield TokenTable(engine)
    finally:
        engine.dispose()


def _keep(known: Here, kind: str, token: Token, now: datetime, **more: str) -> None:
    """Into the audit log: who did it, and to which token."""
    from posology.audit import AuditLog

    facts = {"token": token.token_id, "name": token.name, "scopes": sorted(token.scopes), "by": known.settings.author}
    AuditLog(known.home.audit_log).append(kind, {**facts, **more}, now)


def _shown(token: Token, now: datetime) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "calls_per_second": token.calls_per_second,
        "created_at": token.created_at.isoformat(),
        "valid_until": token.valid_until and token.valid_until.isoformat(),
        "replaced_by": token.replaced_by,
        "state": "valid" if token.is_valid(now) else "ended",
    }


def _show_new(text: str, token: Token, *, as_json: bool) -> None:
    if as_json:
        print_json({**_shown(token, token.created_at), "token": text})
        return
    out.print(f"Token {token.token_id} ({token.name}) may call as {', '.join(sorted(token.scopes))}.", markup=False)
    out.print("It is shown this once; callers send it as Authorization: Bearer")
    out.print(text, markup=False, no_wrap=True, overflow="ignore", crop=False)


def _minute(time: str | None) -> str:
    return "" if time is None else f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M}"
