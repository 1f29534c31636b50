"""`coir serve`: coir's own server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coir.errors import CoirError

__all__ = ["serve"]


def serve(
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            envvar="COIR_DATA",
            help="Where everything is kept: the database, the secret, the pictures.",
        ),
    ] = Path("coir-data"),
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="COIR_DATABASE",
            show_default=False,
            help="A PostgreSQL, as postgresql://USER:PASSWORD@HOST/NAME, instead of the SQLite "
            "file in DIR.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 5000,
    registration: Annotated[
        bool, typer.Option(help="Whether newcomers may register themselves.")
    ] = True,
) -> None:
    """Serve the COCO-Annotator API from one folder. The first to register is administrator.

    Needs the extra 'server': pip install 'coir[server]'
    """
    try:
        from coir.server import process
        from coir.server.settings import Settings, StartError
    except ModuleNotFoundError as missing:
        raise CoirError(
            f"The server needs a package that is not installed: {missing.name}.",
            hint="Run: pip install 'coir[server]'",
        ) from missing
    try:
        settings = Settings.of(
            data,
            host=host,
            port=port,
            allow_registration=registration,
            database_url=database,
        )
        code = process.serve(settings)
    except StartError as error:
        raise CoirError(f"The server cannot start: {error}") from error
    raise typer.Exit(code)
