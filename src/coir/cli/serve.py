"""`coir serve` and `coir worker`: coir's own server, and a process that runs its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from coir.errors import CoirError

__all__ = ["Config", "Data", "available", "serve", "worker"]

WHERE, LIMITS, RUNNING = "Where", "Limits", "How it runs"


def _setting(name: str, default: str, help: str, panel: str, **more: Any) -> Any:  # noqa: A002 - typer's word
    """An option without a default of its own: what is not given may stand in the file."""
    flag = name.replace("_", "-")
    return typer.Option(
        f"--{flag}/--no-{flag}" if name in ("registration", "jobs") else f"--{flag}",
        envvar=f"COIR_{name.upper()}",
        help=help,
        show_default=default or False,
        rich_help_panel=panel,
        **more,
    )


Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", envvar="COIR_CONFIG", help="A TOML file with settings.", show_default=False
    ),
]
Data = Annotated[
    Path | None,
    _setting(
        "data",
        "coir-data",
        "Where everything is kept: the database, the secret, the pictures.",
        WHERE,
        metavar="DIR",
    ),
]
Database = Annotated[
    str | None,
    _setting(
        "database",
        "",
        "A PostgreSQL, as postgresql://USER:PASSWORD@HOST/NAME, instead of the SQLite file in DIR.",
        WHERE,
        metavar="URL",
    ),
]
Host = Annotated[str | None, _setting("host", "127.0.0.1", "The address to listen on.", WHERE)]
Port = Annotated[
    int | None,
    _setting("port", "5000", "The port; 0 takes a free one.", WHERE, min=0, max=65535, metavar="N"),
]
Registration = Annotated[
    bool | None,
    _setting("registration", "registration", "Whether newcomers may register themselves.", LIMITS),
]
MaxUploadBytes = Annotated[
    int | None,
    _setting(
        "max_upload_bytes",
        "104857600",
        "The largest picture taken.",
        LIMITS,
        min=1,
        metavar="BYTES",
    ),
]
MaxCocoBytes = Annotated[
    int | None,
    _setting(
        "max_coco_bytes",
        "1073741824",
        "The largest COCO file taken.",
        LIMITS,
        min=1,
        metavar="BYTES",
    ),
]
MaxPixels = Annotated[
    int | None,
    _setting(
        "max_pixels", "134217728", "The most pixels of a picture.", LIMITS, min=1, metavar="N"
    ),
]
Log = Annotated[
    str | None,
    _setting(
        "log",
        "quiet",
        "What is written to stderr: warnings only (quiet), or also a line for each request, as "
        "text or json.",
        RUNNING,
        metavar="quiet|text|json",
    ),
]
GraceSeconds = Annotated[
    int | None,
    _setting(
        "grace_seconds",
        "10",
        "How long requests under way may take after SIGTERM.",
        RUNNING,
        min=0,
        max=3600,
        metavar="N",
    ),
]
DrainSeconds = Annotated[
    int | None,
    _setting(
        "drain_seconds",
        "0",
        "How long requests are still taken after SIGTERM, while /api/ready says no.",
        RUNNING,
        min=0,
        max=3600,
        metavar="N",
    ),
]
RunsJobs = Annotated[
    bool | None,
    _setting("jobs", "jobs", "Whether this process runs jobs; else start `coir worker`.", RUNNING),
]
Proxies = Annotated[
    str | None,
    _setting(
        "proxies",
        "127.0.0.1,::1",
        "Addresses and networks whose X-Forwarded-For and -Proto are believed.",
        RUNNING,
        metavar="LIST",
    ),
]
Origins = Annotated[
    str | None,
    _setting(
        "origins",
        "",
        "Origins such as https://labels.example whose pages may connect to the live events.",
        RUNNING,
        metavar="LIST",
    ),
]


def serve(
    config: Config = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as TOML, and end.")
    ] = False,
    data: Data = None,
    database: Database = None,
    host: Host = None,
    port: Port = None,
    registration: Registration = None,
    jobs: RunsJobs = None,
    max_upload_bytes: MaxUploadBytes = None,
    max_coco_bytes: MaxCocoBytes = None,
    max_pixels: MaxPixels = None,
    log: Log = None,
    grace_seconds: GraceSeconds = None,
    drain_seconds: DrainSeconds = None,
    proxies: Proxies = None,
    origins: Origins = None,
) -> None:
    """Serve the COCO-Annotator API from one folder. The first to register is administrator.

    An option goes before the environment, the environment before the file. Needs the extra
    'server': pip install 'coir[server]'
    """
    given = {
        "data": data,
        "database": database,
        "host": host,
        "port": port,
        "registration": registration,
        "jobs": jobs,
        "max_upload_bytes": max_upload_bytes,
        "max_coco_bytes": max_coco_bytes,
        "max_pixels": max_pixels,
        "log": log,
        "grace_seconds": grace_seconds,
        "drain_seconds": drain_seconds,
        "proxies": proxies,
        "origins": origins,
    }
    with available():
        from coir.server import configuration, process
        from coir.server.settings import StartError
    try:
        settings = configuration.configured(given, config)
        if print_config:
            print(configuration.printed(settings), end="")
            return
        code = process.serve(settings)
    except StartError as error:
        raise CoirError(f"The server cannot start: {error}") from error
    raise typer.Exit(code)


def worker(
    config: Config = None,
    data: Data = None,
    database: Database = None,
    max_pixels: MaxPixels = None,
    log: Log = None,
    grace_seconds: GraceSeconds = None,
) -> None:
    """Run the jobs of a server in a process of its own: scans, imports, exports, removals.

    Give it what `coir serve` was given. A server runs its jobs itself, one at a time, unless it
    was started with --no-jobs; each worker runs one more at the same time, but never two of one
    dataset. With SQLite workers run on the server's machine; with PostgreSQL on any that has the
    same data folder and, within a few seconds, the same time.

    A job whose process is killed begins again in another one, at most three times. On SIGTERM or
    Ctrl-C the running job is left where that is safe, and begins again elsewhere.

    Needs the extra 'server': pip install 'coir[server]'
    """
    given = {
        "data": data,
        "database": database,
        "max_pixels": max_pixels,
        "log": log,
        "grace_seconds": grace_seconds,
    }
    with available():
        from coir.server import configuration, process
        from coir.server.settings import StartError
    try:
        code = process.work(configuration.configured(given, config))
    except StartError as error:
        raise CoirError(f"The worker cannot start: {error}") from error
    raise typer.Exit(code)


@contextmanager
def available() -> Iterator[None]:
    """Say which extra is missing when a package of the server is."""
    try:
        yield
    except ModuleNotFoundError as missing:
        raise CoirError(
            f"The server needs a package that is not installed: {missing.name}.",
            hint="Run: pip install 'coir[server]'",
        ) from missing
