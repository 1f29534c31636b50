"""`coir admin`: users, passwords and tokens of a server, on its own machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from coir.cli.output import put
from coir.cli.serve import Config, Data, Database, available
from coir.cli.talk import printable, say
from coir.errors import CoirError, InvalidRequest

if TYPE_CHECKING:
    from coir.server.administration import Administration

__all__ = ["app"]

app = typer.Typer(
    help="Users, passwords and tokens of a server, in its folder, also while it runs.",
    no_args_is_help=True,
)
users = typer.Typer(help="Those who may sign in.", no_args_is_help=True)
tokens = typer.Typer(help="API tokens, for programs.", no_args_is_help=True)
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")

User = Annotated[
    str, typer.Argument(metavar="USER", help="The user's name, in any case.", show_default=False)
]


class Where(NamedTuple):
    """What the options said of the server's data."""

    data: Path | None
    database: str | None
    config: Path | None


@contextmanager
def _administered(where: Where, *, make: bool = False) -> Iterator[Administration]:
    with available():
        from coir.server import administration, configuration
        from coir.server.settings import StartError
    try:
        settings = configuration.configured(
            {"data": where.data, "database": where.database}, where.config
        )
        with administration.administered(settings, make=make) as opened:
            yield opened
    except StartError as error:
        raise CoirError(str(error)) from error


@users.command("list")
def list_users(data: Data = None, database: Database = None, config: Config = None) -> None:
    """List the users: name, what they are, and the day they were made, separated by tabs."""
    with _administered(Where(data, database, config)) as server:
        rows = server.users()
    put(
        f"{printable(one.username)}\t{_rights(one.is_admin)}\t{_day(one.created_at)}"
        for one in rows
    )


@users.command("create")
def create_user(
    name: User,
    administrator: Annotated[
        bool, typer.Option("--administrator", help="Make an administrator, as the first one is.")
    ] = False,
    data: Data = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Make a user; the password is asked for, or read from stdin. Makes the folder if need be."""
    password = _password(name)
    with _administered(Where(data, database, config), make=True) as server:
        is_admin = server.create(name, password, administrator=administrator)
    say(f"User '{name}' is made: {_rights(is_admin)}.")


@users.command("password")
def set_password(
    name: User, data: Data = None, database: Database = None, config: Config = None
) -> None:
    """Set a password, asked for or read from stdin; the user's sessions and tokens end."""
    with _administered(Where(data, database, config)) as server:
        server.set_password(name, _password(name))
    say(f"The password of '{name}' is set; their sessions and tokens have ended.")


@users.command("remove")
def remove_user(
    name: User, data: Data = None, database: Database = None, config: Config = None
) -> None:
    """Remove a user; what they made stays under their name."""
    with _administered(Where(data, database, config)) as server:
        server.remove(name)
    say(f"User '{name}' is removed.")


@users.command("promote")
def promote(
    name: User, data: Data = None, database: Database = None, config: Config = None
) -> None:
    """Make a user an administrator."""
    with _administered(Where(data, database, config)) as server:
        server.set_administrator(name, True)
    say(f"User '{name}' is an administrator.")


@users.command("demote")
def demote(name: User, data: Data = None, database: Database = None, config: Config = None) -> None:
    """Make an administrator an ordinary user; not the last one."""
    with _administered(Where(data, database, config)) as server:
        server.set_administrator(name, False)
    say(f"User '{name}' is no administrator.")


@tokens.command("list")
def list_tokens(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="Whose; all without it.", show_default=False),
    ] = None,
    data: Data = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """List tokens: id, user, scope, last day, day of the last use, name, separated by tabs."""
    with _administered(Where(data, database, config)) as server:
        rows = server.tokens(name)
    put(
        f"{one.id}\t{printable(one.username)}\t{one.scope}\t{_day(one.expires_at)}\t"
        f"{_day(one.last_used_at)}\t{printable(one.name)}"
        for one in rows
    )


@tokens.command("create")
def create_token(
    name: User,
    label: Annotated[
        str, typer.Option("--name", metavar="TEXT", help="What it is for.", show_default=False)
    ],
    scope: Annotated[
        str, typer.Option(metavar="read|annotate|admin", help="What it may do.")
    ] = "read",
    days: Annotated[int, typer.Option(metavar="N", help="How long it lives.")] = 90,
    data: Data = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """Make a token of a user, and print it: it is never shown again."""
    with _administered(Where(data, database, config)) as server:
        text = server.create_token(name, label, scope, days)
    put([text])
    say(f"A token of '{name}', for {days} days. Keep it: it is not shown again.")


@tokens.command("revoke")
def revoke_token(
    number: Annotated[
        int, typer.Argument(metavar="ID", help="As the list shows it.", show_default=False)
    ],
    data: Data = None,
    database: Database = None,
    config: Config = None,
) -> None:
    """End a token at once."""
    with _administered(Where(data, database, config)) as server:
        server.revoke(number)
    say(f"Token {number} is revoked.")


def _password(name: str) -> str:
    """A password from the person at the terminal, typed twice, or the first line of stdin."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise InvalidRequest(
                "There is no password on stdin.", hint="Run it at a terminal, or pipe one line."
            )
        return line
    password = getpass(f"New password of {name}: ")
    if password != getpass("Again: "):
        raise InvalidRequest("The two passwords differ.", hint="Nothing is changed: try again.")
    return password


def _rights(is_admin: bool) -> str:
    return "administrator" if is_admin else "user"


def _day(moment: int | None) -> str:
    """A moment of the database as a day, in UTC."""
    return "never" if moment is None else f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d}"
