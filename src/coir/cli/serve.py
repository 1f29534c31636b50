"""`coir serve` and `coir worker`: coir's own server, and a process that runs its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coir.errors import CoirError

__all__ = ["serve", "worker"]

Data = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        envvar="COIR_DATA",
        help="Where everything is kept: the database, the secret, the pictures.",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="COIR_DATABASE",
        show_default=False,
        help="A PostgreSQL, as postgresql://USER:PASSWORD@HOST/NAME, instead of the SQLite "
        "file in DIR.",
    ),
]


def serve(
    data: Data = Path("coir-data"),
    database: Database = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 5000,
    registration: Annotated[
        bool, typer.Option(help="Whether newcomers may register themselves.")
    ] = True,
    jobs: Annotated[
        bool, typer.Option(help="Whether this process runs jobs; else start `coir worker`.")
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
            runs_jobs=jobs,
        )
        code = process.serve(settings)
    except StartError as error:
        raise CoirError(f"The server cannot start: {error}") from error
    raise typer.Exit(code)


def worker(data: Data = Path("coir-data"), database: Database = None) -> None:
    """Run the jobs of a server in a process of its own: scans, imports, exports, removals.

    Give it what `coir serve` was given. A server runs its jobs itself, one at a time, unless it
    was started with --no-jobs; each worker runs one more at the same time, but never two of one
    dataset. With SQLite workers run on the server's machine; with PostgreSQL on any that has the
    same data folder and, within a few seconds, the same time.

    A job whose process is killed begins again in another one, at most three times. On SIGTERM or
    Ctrl-C the running job is left where that is safe, and begins again elsewhere.

    Needs the extra 'server': pip install 'coir[server]'
    """
    try:
        from coir.server import process
        from coir.server.settings import Settings, StartError
    except ModuleNotFoundError as missing:
        raise CoirError(
            f"The worker needs a package that is not installed: {missing.name}.",
            hint="Run: pip install 'coir[server]'",
        ) from missing
    try:
        code = process.work(Settings.of(data, database_url=database))
    except StartError as error:
        raise CoirError(f"The worker cannot start: {error}") from error
    raise typer.Exit(code)
